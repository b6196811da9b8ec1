"""What differs between two readings, and what of the new one counts at once."""

from __future__ import annotations

from dataclasses import replace

from gateway.settings import LIVE, GatewaySettings, from_tables, version
from mailgate.config.changes import changes, is_live, merged, version_of
from mailgate.config.secret import Secret
from sender.settings import SenderSettings

TABLES = {
    "routes": {"default": {"relays": ["smtp://a:25"]}, "partner": {"relays": ["smtp://p:25"], "domains": ["p.example"]}},
    "tenants": {"shop": {"domains": ["shop.example"], "keys": [{"hash": "sha256:" + "0" * 64}]}},
    "limits": {"max_recipients": 10},
    "verdicts": [{"code": "550", "outcome": "deferred"}],
}


def read(**tables) -> GatewaySettings:
    return from_tables({**TABLES, **tables}, {})


def test_the_same_settings_do_not_differ():
    """Read twice, they are other objects."""
    assert list(changes(read(), read())) == []
    assert version(read()) == version(read())


def test_what_differs_is_named_as_deep_as_both_have_it():
    """A route that only one reading has is named by itself; a list as a whole."""
    routes = {"default": {"relays": ["smtp://b:25"], "connections": 5}, "new": {"relays": ["smtp://n:25"], "domains": ["n.example"]}}
    new = read(routes=routes, gateway={"listen": "127.0.0.1:1"}, verdicts=[{"code": "551", "outcome": "deferred"}])
    assert set(changes(read(), new)) == {
        *("routes.default.relays", "routes.default.connections", "routes.new", "routes.partner"),
        *("gateway.listen", "verdicts"),
    }


def test_a_secret_is_compared_and_never_told():
    """Of it there is the key alone, and no version depends on it."""
    old = SenderSettings(secrets={"relay": Secret("one"), "same": Secret("s")})
    new = SenderSettings(secrets={"relay": Secret("two"), "same": Secret("s")})
    assert list(changes(old, new)) == ["secrets.relay"]
    assert version_of(old) == version_of(new)


def test_a_table_that_was_not_there():
    """`[gateway.node_tls]` is None without it."""
    assert list(changes(read(), read(gateway={"node_tls": {"ca": "/ca.pem"}}))) == ["gateway.node_tls"]


def test_what_counts_at_once_is_taken_and_the_rest_stays():
    """Below a section too: of [dispatch] the waits between tries alone."""
    old = read()
    new = read(
        routes={"default": {"relays": ["smtp://b:25"]}},
        dispatch={"retry_first": "5s", "waiting_jobs": 7},
        gateway={"listen": "127.0.0.1:1"},
    )
    both = merged(old, new, LIVE)
    assert both == replace(old, routes=new.routes, dispatch=replace(old.dispatch, retry_first=new.dispatch.retry_first))
    left = list(changes(both, new))
    assert sorted(left) == ["dispatch.waiting_jobs", "gateway.listen"]
    assert not any(is_live(key, LIVE) for key in left)


def test_a_key_is_not_live_because_another_begins_like_it():
    """`routes` is not `routes_of_old`."""
    assert is_live("routes.default.tls", ["routes"])
    assert not is_live("routes_of_old", ["routes"])


def test_a_version_tells_settings_apart_but_not_their_order():
    """What needs a restart is no part of it: it would show another version than what is in force."""
    tables = {name: TABLES["routes"][name] for name in ("partner", "default")}
    assert version(read(routes=tables)) == version(read())
    assert version(read(gateway={"listen": "127.0.0.1:1"})) == version(read())
    assert version(read(limits={"max_recipients": 11})) != version(read())
    assert version_of(read(), "shaping") != version_of(read(), "other shaping")
