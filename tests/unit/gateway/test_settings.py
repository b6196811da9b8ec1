"""The gateway's settings: what fits together, and what is said when it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from gateway.admission.limits import Limits
from gateway.dispatch.options import DispatchOptions
from gateway.dispatch.rules import VerdictRule
from gateway.journal.options import JournalOptions
from gateway.settings import GatewayOptions, GatewaySettings, from_tables, version
from mailgate.config.secret import Secret
from mailgate.errors import SettingsInvalid
from mailgate.route import AuthMode, DsnNotify, DsnReturn, Relay, TlsMode
from mailgate.shaping.file import read as read_shaping
from mailgate.verdict import Phase

HASH = "sha256:" + "ab" * 32
ROUTES = {"default": {"relays": ["smtp://127.0.0.1:1025"]}}


def cures(tables: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as caught:
        from_tables({"routes": ROUTES, **tables}, environ or {})
    return {mistake.key: mistake.cure for mistake in caught.value.mistakes}


def sound(tables: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> GatewaySettings:
    return from_tables({"routes": ROUTES, **tables}, environ or {})


def test_a_route_to_somewhere_is_all_that_is_needed() -> None:
    """The rest has defaults; the sender's sections of the same file are left alone."""
    made = sound({"sender": {"whatever": 1}, "secrets": {"a": "b"}})
    assert made.routes["default"].relays == (Relay("127.0.0.1", 1025),)
    assert made.routes["default"].name == "default"
    assert made.gateway.listen == "127.0.0.1:8625"
    assert made.limits.max_recipients == 10_000


def test_beyond_loopback_it_wants_to_know_its_nodes() -> None:
    """A fleet token or client certificates; neither: only this machine."""
    for listen in ("0.0.0.0:8625", "[::]:8625", "mail.example.com:8625", "192.0.2.1:1"):
        assert "whoever reaches it" in cures({"gateway": {"listen": listen}})["gateway.listen"]
        assert sound({"gateway": {"listen": listen, "fleet_token": "t"}}).gateway.fleet_token == Secret("t")
        assert sound({"gateway": {"listen": listen}, "tls": {"certificate": "c", "key": "k", "client_ca": "a"}}).tls.client_ca == "a"
    for listen in ("127.0.0.1:0", "localhost:1", "[::1]:8625", "127.9.9.9:1"):
        assert sound({"gateway": {"listen": listen}}).gateway.listen == listen


@pytest.mark.parametrize("listen", ["", "8625", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":8625", "::1:8625", "a b:1"])
def test_an_address_is_host_and_port(listen: str) -> None:
    """Anything else is named with the cure."""
    assert 'write "host:port"' in cures({"gateway": {"listen": listen}})["gateway.listen"]


def test_a_door_with_tls_has_certificate_and_key() -> None:
    """One without the other, or client certificates without either."""
    assert list(cures({"tls": {"certificate": "c"}})) == ["tls.key"]
    assert list(cures({"tls": {"key": "k"}})) == ["tls.certificate"]
    assert list(cures({"tls": {"client_ca": "a"}})) == ["tls.certificate", "tls.key"]


def test_mail_needs_a_way_out() -> None:
    """No route at all, or a route without relays."""
    assert "[routes.default]" in cures({"routes": {}})["routes"]
    assert "leads nowhere" in cures({"routes": {"a": {"relays": []}}})["routes.a.relays"]
    assert "leads nowhere" in cures({"routes": {"a": {}}})["routes.a.relays"]


def test_routes_do_not_compete() -> None:
    """One takes what no other takes; a domain belongs to one."""
    relay = {"relays": ["smtp://h"]}
    assert "routes.a takes whatever" in cures({"routes": {"a": relay, "b": relay}})["routes.b.domains"]
    both = {"a": {**relay, "domains": ["x.example", "X.example"]}, "b": {**relay, "domains": ["X.example"]}}
    assert "routes.a has this domain" in cures({"routes": both})["routes.b.domains"]


def test_how_a_route_is_written() -> None:
    """smtps:// means TLS from the first byte; kinds do not mix; a password has another place and is not repeated."""
    made = sound({"routes": {"a": {"relays": ["smtps://h"], "username": "u", "secret": "s", "connect_timeout": "5s"}}})
    assert made.routes["a"].tls is TlsMode.IMPLICIT
    assert made.routes["a"].relays == (Relay("h", 465),)
    assert made.routes["a"].connect_timeout == timedelta(seconds=5)
    assert "do not mix" in cures({"routes": {"a": {"relays": ["smtps://h", "smtp://h"]}}})["routes.a.relays"]
    assert "smtps:// means" in cures({"routes": {"a": {"relays": ["smtps://h"], "tls": "required"}}})["routes.a.tls"]
    assert "username" in cures({"routes": {"a": {"relays": ["smtp://h"], "secret": "s"}}})["routes.a.username"]
    assert "secret" in cures({"routes": {"a": {"relays": ["smtp://h"], "username": "u"}}})["routes.a.secret"]
    assert "round_robin" in cures({"routes": {"a": {"relays": ["smtp://h"], "policy": "random"}}})["routes.a.policy"]
    both = cures({"routes": {"a": {"relays": ["smtp://h"], "policy": "random", "hash_by": "sender"}}})
    assert {"routes.a.policy", "routes.a.hash_by"} <= set(both)
    with pytest.raises(SettingsInvalid) as caught:
        from_tables({"routes": {"a": {"relays": ["smtp://user:hunter2@h"]}}}, {})
    assert "hunter2" not in str(caught.value)
    assert "secrets" in str(caught.value)


def test_relays_of_a_group_share_the_load() -> None:
    """A list within the list; each entry is for while none before it can be dialled."""
    made = sound({"routes": {"a": {"relays": [["smtp://a?weight=3", "smtp://b"], "smtp://c"]}}})
    assert made.routes["a"].relays == (Relay("a", weight=3), Relay("b"), Relay("c", preference=1))


@pytest.mark.parametrize(
    ("relays", "key", "cure"),
    [
        ([["smtp://a", "smtp://b?weight=0"]], "routes.a.relays[0][1]", "weight of 1 to"),
        (["smtp://a?weight=2"], "routes.a.relays[0]", "list of their own"),
        (["smtp://a", []], "routes.a.relays[1]", "without relays"),
        (["smtp://a", [["smtp://b"]]], "routes.a.relays[1][0]", "write"),
        (["smtp://a", 7], "routes.a.relays[1]", "write"),
    ],
)
def test_a_group_of_relays_that_is_none(relays: list[object], key: str, cure: str) -> None:
    """Each mistake is told where it stands."""
    assert cure in cures({"routes": {"a": {"relays": relays}}})[key]


def test_a_route_by_mx() -> None:
    """Instead of relays; an empty list is as good as none."""
    made = sound({"routes": {"direct": {"mx": True, "relays": [], "mx_port": 2525, "tls": "required"}}}).routes["direct"]
    assert (made.mx, made.mx_port, made.relays) == (True, 2525, ())


@pytest.mark.parametrize(
    ("route", "key", "cure"),
    [
        ({"mx": True, "relays": ["smtp://a"]}, "relays", "keep one of the two"),
        ({"mx": False}, "relays", "or mx = true"),
        ({"mx": "perhaps"}, "mx", "true"),
        ({"mx": True, "username": "u", "secret": "s"}, "username", "strangers"),
        ({"mx": True, "server_name": "h"}, "server_name", "strangers"),
        ({"mx": True, "tls": "implicit"}, "tls", "STARTTLS"),
        ({"relays": ["smtp://a"], "mx_port": 26}, "mx_port", "in their URLs"),
        ({"mx": True, "mx_port": 0}, "mx_port", "1"),
    ],
)
def test_what_makes_no_sense_with_mx(route: dict[str, object], key: str, cure: str) -> None:
    """What is of one server: credentials, a name, TLS from the first byte."""
    assert cure in cures({"routes": {"a": route}})[f"routes.a.{key}"]


def test_a_routes_name_has_no_slash() -> None:
    """Site keys are written with it, and paths with @."""
    for name in ("a/b", "a@b"):
        assert "another" in cures({"routes": {name: {"relays": ["smtp://a"]}}})[f"routes.{name}"]


def test_a_route_from_variables_alone() -> None:
    """Containers have no file."""
    environ = {"MAILGATE_ROUTES__OUT__RELAYS": "smtp://a:1,smtp://b:2", "MAILGATE_ROUTES__OUT__CONNECTIONS": "5"}
    made = from_tables({}, environ)
    assert made.routes["out"].relays == (Relay("a", 1), Relay("b", 2, preference=1))
    assert made.routes["out"].connections == 5


def test_tenants_are_checked_with_the_rest() -> None:
    """A hash that is none (it may be the key itself: it is not repeated), an unknown scope, a key of two tenants."""
    wrong = {"a": {"domains": ["*"], "keys": [{"hash": "mg_the_key_itself", "scopes": ["sent"]}]}}
    with pytest.raises(SettingsInvalid) as caught:
        from_tables({"routes": ROUTES, "tenants": wrong, "gateway": {"lisen": "x"}}, {})
    text = str(caught.value)
    assert "mg_the_key_itself" not in text
    for key in ("tenants.a.keys[0].hash", "tenants.a.keys[0].scopes", "gateway.lisen"):
        assert key in text
    twice = {name: {"keys": [{"hash": HASH}]} for name in ("a", "b")}
    assert "same key" in str(cures({"tenants": twice}))


def test_what_exceeds_its_partner_is_said() -> None:
    """A default beyond the maximum would refuse every mail."""
    assert "limits.max_ttl" in cures({"limits": {"default_ttl": "8d"}})["limits.default_ttl"]
    assert "dispatch.retry_max" in cures({"dispatch": {"retry_first": "2h", "retry_max": "1h"}})["dispatch.retry_first"]
    assert "losses_dead" in cures({"dispatch": {"losses_alone": 5}})["dispatch.losses_alone"]


def test_a_mistake_does_not_bring_its_consequences() -> None:
    """A token that can't be read is one mistake, not also a door without one."""
    assert list(cures({"gateway": {"listen": "0.0.0.0:1", "fleet_token": 5}})) == ["gateway.fleet_token"]


def test_a_setting_has_one_name() -> None:
    """Two sections that share a key leave their reader to guess which of them does what; `listen` and the like are each one's own door."""
    journal, dispatch = ({f.name for f in fields(options)} for options in (JournalOptions, DispatchOptions))
    assert not journal & dispatch


def test_every_size_can_be_written_with_its_unit() -> None:
    """The reader knows a size by its name's end."""
    sections = (Limits, JournalOptions, DispatchOptions, GatewayOptions)
    sizes = [f.name for options in sections for f in fields(options) if "bytes" in f.name]
    assert [name for name in sizes if not name.endswith("_bytes")] == []
    assert sound({"limits": {"max_in_flight_bytes": "512MiB"}}).limits.max_in_flight_bytes == 512 * 2**20


class TestVerdicts:
    """`[[verdicts]]`: each rule names something, changes something, and is bounded."""

    def test_a_rule_is_read(self) -> None:
        """With units and names as everywhere."""
        rule = {"route": "default", "phase": "rcpt", "code": "55x", "text": "quota", "outcome": "deferred", "retry_after": "2h"}
        (made,) = sound({"verdicts": [rule]}).verdicts
        assert made == VerdictRule(
            route="default", phase=Phase.RCPT, code="55x", text="quota", outcome="deferred", retry_after=timedelta(hours=2)
        )

    @pytest.mark.parametrize(
        ("rule", "key", "cure"),
        [
            ({"route": "default", "outcome": "deferred"}, "verdicts[0]", "it would fit every refusal"),
            ({"code": "550"}, "verdicts[0]", "it changes nothing"),
            ({"code": 550, "outcome": "deferred"}, "verdicts[0].code", "in quotes"),
            ({"code": "250", "outcome": "bounced"}, "verdicts[0].code", 'write "550"'),
            ({"enhanced_code": "5.7", "outcome": "bounced"}, "verdicts[0].enhanced_code", 'write "5.7.1"'),
            ({"text": "(a+)+", "outcome": "bounced"}, "verdicts[0].text", "a repeat within a repeat"),
            ({"code": "550", "outcome": "delivered"}, "verdicts[0].outcome", "deferred or bounced"),
            ({"code": "550", "bounce_class": "spamm"}, "verdicts[0].bounce_class", "spam"),
            ({"code": "450", "retry_after": "1s"}, "verdicts[0].retry_after", "10s"),
            ({"code": "550", "outcome": "bounced", "retry_after": "1h"}, "verdicts[0].retry_after", "not tried again"),
            ({"code": "550", "phase": "helo", "outcome": "bounced"}, "verdicts[0].phase", "ehlo"),
            ({"code": "550", "route": "defaut", "outcome": "bounced"}, "verdicts[0].route", "no such route"),
            ({"code": "550", "class": "spam", "outcome": "bounced"}, "verdicts[0].class", "bounce_class"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_cure(self, rule: Mapping[str, Any], key: str, cure: str) -> None:
        """At its place in the list."""
        assert cure in cures({"verdicts": [rule]})[key]

    def test_all_mistakes_at_once(self) -> None:
        """Those of one rule do not hide those of the next."""
        found = cures({"verdicts": [{"code": "9", "outcome": "bounced"}, {"text": "(", "outcome": "bounced"}]})
        assert set(found) == {"verdicts[0].code", "verdicts[1].text"}

    def test_a_value_that_could_not_be_read_is_the_only_mistake(self) -> None:
        """Without it the rule changes nothing, but that is not what its author has to hear."""
        assert set(cures({"verdicts": [{"code": "550", "outcome": "eaten"}]})) == {"verdicts[0].outcome"}

    def test_more_rules_than_make_sense(self) -> None:
        """Each is tried on every refusal."""
        assert "the most" in cures({"verdicts": [{"code": "550", "outcome": "deferred"}] * 501})["verdicts"]


def test_how_a_relay_is_spoken_to_makes_sense() -> None:
    """What would be set for nothing, or believed to protect and does not, is a mistake."""

    def of(**route: object) -> dict[str, str]:
        return cures({"routes": {"a": {"relays": ["smtp://h"], **route}}})

    assert "auth" in of(auth="xoauth2", tls="required")["routes.a.username"]
    assert "xoauth2" in of(auth="xaouth2")["routes.a.auth"]
    assert 'tls = "required"' in of(auth="xoauth2", tls="none", username="u", secret="s")["routes.a.tls"]
    assert 'tls = "required"' in of(certificates="c")["routes.a.certificates"]
    assert "no use" in of(certificates="c", tls="none")["routes.a.certificates"]
    assert "no use" in of(server_name="h", tls="none")["routes.a.server_name"]
    assert "without a port" in of(server_name="h:25")["routes.a.server_name"]
    whole = {"auth": "xoauth2", "username": "u", "secret": "s", "server_name": "mx.h", "certificates": "c"}
    made = sound({"routes": {"a": {"relays": ["smtps://h"], **whole}}}).routes["a"]
    assert (made.auth, made.server_name, made.certificates) == (AuthMode.XOAUTH2, "mx.h", "c")


def test_another_relay_is_tried_for_classes_that_there_are() -> None:
    """Each that is none is told where it stands, with the one that was probably meant."""
    found = cures({"routes": {"a": {"relays": ["smtp://h"], "failover": ["conect", "auth", "zzz"]}}})
    assert set(found) == {"routes.a.failover[0]", "routes.a.failover[2]"}
    assert found["routes.a.failover[0]"] == "there is no such class: did you mean connect?"
    assert "write some of" in found["routes.a.failover[2]"]


def test_a_rule_for_a_route_that_is_not_there_is_told_beside_others_mistakes() -> None:
    """A mistake in one route does not hide that of a rule over another."""
    found = cures({"routes": {"a": {"relays": ["smtp://h:0"]}}, "verdicts": [{"route": "b", "code": "550", "outcome": "deferred"}]})
    assert set(found) == {"routes.a.relays[0]", "verdicts[0].route"}


def test_what_servers_shall_report() -> None:
    """`never` stands alone, nothing twice, and other words are no choice."""
    at = "routes.default.dsn_notify"

    def of(**values: object) -> dict[str, Any]:
        return {"routes": {"default": {**ROUTES["default"], **values}}}

    made = sound(of(dsn_notify=["failure", "delay"], dsn_return="headers")).routes["default"]
    assert (made.dsn_notify, made.dsn_return) == ((DsnNotify.FAILURE, DsnNotify.DELAY), DsnReturn.HEADERS)
    assert sound(of(dsn_notify=["never"])).routes["default"].dsn_notify == (DsnNotify.NEVER,)
    assert "no other" in cures(of(dsn_notify=["never", "success"]))[at]
    assert "no dsn_return" in cures(of(dsn_notify=["never"], dsn_return="full"))[at]
    assert "twice" in cures(of(dsn_notify=["delay", "delay"]))[at]
    assert "a list" in cures(of(dsn_notify="never"))[at]
    assert f"{at}[0]" in cures(of(dsn_notify=["always"]))


def test_a_shaping_file_is_read_with_the_settings(tmp_path) -> None:
    """The one that ships, none, or one's own: every mistake in it beside those of the settings, and what it says is part of the version."""
    path = tmp_path / "mine.toml"
    assert sound({}).shaping.file == ""
    assert sound({"shaping": {"file": "none"}}).shaping.file == "none"
    assert set(cures({"shaping": {"file": str(path)}})) == {str(path)}
    path.write_text("[default]\nconnections = -1\nmails = 1\n")
    assert set(cures({"shaping": {"file": str(path)}, "limits": {"max_recipients": 0}})) == {
        "limits.max_recipients",
        "default.connections",
        "default.mails",
    }
    with pytest.raises(SettingsInvalid, match=f"{path}: default.connections = -1"):
        sound({"shaping": {"file": str(path)}})
    path.write_text("[default]\nconnections = 1\n")
    settings = sound({"shaping": {"file": str(path)}})
    before = version(settings, read_shaping(str(path)))
    assert before == version(sound({"shaping": {"file": str(path)}}), read_shaping(str(path)))
    path.write_text("[default]\nconnections = 2\n")
    assert version(settings, read_shaping(str(path))) != before


def test_what_becomes_of_odd_lines() -> None:
    """Two words, and no other."""
    assert sound({"limits": {"raw_long_lines": "refuse"}}).limits.raw_long_lines == "refuse"
    assert "mend" in cures({"limits": {"raw_bare_ends": "send"}})["limits.raw_bare_ends"]


def test_etcd_is_used_where_it_has_endpoints() -> None:
    """Without, nodes are kept in memory; a sender of the same file leaves the section alone."""
    assert sound({}).etcd.endpoints == ()
    made = sound({"etcd": {"endpoints": ["a:2379", "b:2379"], "username": "gate", "password": "x", "ttl": "10s"}}).etcd
    assert (made.addresses, made.prefix, made.ttl) == (("a:2379", "b:2379"), "/mailgate", timedelta(seconds=10))
    assert "x" not in repr(made.password)


@pytest.mark.parametrize(
    ("etcd", "key"),
    [
        ({"endpoints": ["a"]}, "etcd.endpoints[0]"),
        ({"prefix": "mailgate"}, "etcd.prefix"),
        ({"prefix": "/"}, "etcd.prefix"),
        ({"prefix": "/mailgate/"}, "etcd.prefix"),
        ({"prefix": "//mailgate"}, "etcd.prefix"),
        ({"ttl": "1s"}, "etcd.ttl"),
        ({"ttl": "2500ms"}, "etcd.ttl"),
        ({"timeout": "10s"}, "etcd.timeout"),
        ({"username": "gate"}, "etcd.password"),
    ],
)
def test_etcd_that_can_not_be(etcd: dict[str, Any], key: str) -> None:
    """Each by its key."""
    assert list(cures({"etcd": etcd})) == [key]


def test_callers_are_told_an_address_that_can_be_dialled() -> None:
    """A gateway that listens everywhere has to say where."""
    everywhere = {"gateway": {"listen": "0.0.0.0:8625", "fleet_token": "t"}, "etcd": {"endpoints": ["a:1"]}}
    assert "callers can't dial 0.0.0.0" in cures(everywhere)["gateway.advertise"]
    assert "port 0" in cures({"gateway": {"advertise": "a:0"}})["gateway.advertise"]
    everywhere["gateway"]["advertise"] = "gateway-a:8625"  # type: ignore[index]
    assert sound(everywhere).gateway.advertise == "gateway-a:8625"
