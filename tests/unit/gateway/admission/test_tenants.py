"""Tenants: keys by their hashes, scopes, and the domains that a tenant may send from."""

from hashlib import sha256

import pytest

from gateway.admission.tenants import KeyOptions, Scope, Tenant, TenantOptions, Tenants
from mailgate.errors import SettingsInvalid, Unauthenticated


def digest(key):
    return "sha256:" + sha256(key.encode()).hexdigest()


def test_a_key_names_its_tenant_and_scopes():
    """An unknown one names nobody."""
    options = TenantOptions(("example.com",), (KeyOptions(digest("k1")), KeyOptions(digest("k2"), ("operate",))))
    tenants = Tenants({"acme": options, "other": TenantOptions(("*",), (KeyOptions(digest("k3")),))})
    first, second, third = (tenants.find(key) for key in ("k1", "k2", "k3"))
    assert (first.tenant.name, first.scopes) == ("acme", {Scope.SEND, Scope.READ})
    assert (second.tenant, second.scopes) == (first.tenant, {Scope.OPERATE})
    assert third.tenant.name == "other"
    assert tenants.find("k4") is None
    assert tenants.find("") is None
    assert tenants.find(digest("k1")) is None


@pytest.mark.parametrize(
    ("domain", "may"),
    [
        ("example.com", True),
        ("a.example.com", False),
        ("sub.example.org", True),
        ("a.sub.example.org", True),
        ("example.org", False),
        ("evilexample.org", False),
        ("evilexample.com", False),
        ("com", False),
        ("", False),
    ],
)
def test_domains(domain, may):
    """Exactly, or a wildcard's subdomains; never what merely ends alike."""
    assert Tenant("t", ("example.com", "*.example.org")).may_send_from(domain) is may


def test_any_and_no_domain():
    """`*` is any; a tenant without domains sends nothing."""
    assert Tenant("t", ("*",)).may_send_from("whatever.example")
    assert not Tenant("t", ()).may_send_from("whatever.example")


def test_all_mistakes_at_once_and_never_a_key():
    """Whoever writes the key itself into the settings must not find it in a log."""
    options = {
        "bad name!": TenantOptions(),
        "a": TenantOptions(("exa mple.com", "*.", "bücher.example"), (KeyOptions("THE-KEY-ITSELF"), KeyOptions(digest("k"), ("sned",)))),
        "b": TenantOptions((), (KeyOptions(digest("k")),)),
        "c": TenantOptions((), (KeyOptions(digest("k")),)),
    }
    with pytest.raises(SettingsInvalid) as refused:
        Tenants(options)
    keys = [mistake.key for mistake in refused.value.mistakes]
    assert keys == [
        "tenants.bad name!",
        *["tenants.a.domains"] * 3,
        "tenants.a.keys[0].hash",
        "tenants.a.keys[1].scopes",
        "tenants.c.keys[0].hash",
    ]
    assert "THE-KEY" not in str(refused.value)
    assert "choose of send, read, operate" in str(refused.value)


def test_other_settings_count_for_calls_that_are_open():
    """They hold their Caller: a key that is gone allows nothing, another scope or tenant's domain counts at once."""
    tenants = Tenants({"acme": TenantOptions(("a.example",), (KeyOptions(digest("k1")), KeyOptions(digest("k2"))))})
    first, second = tenants.find("k1"), tenants.find("k2")
    assert first is not None
    assert second is not None
    first.check(Scope.SEND, "acme")
    tenants.become(Tenants({"acme": TenantOptions(("b.example",), (KeyOptions(digest("k2"), ("read",)),))}))
    assert tenants.find("k1") is None
    assert tenants.find("k2") is second
    assert second.tenant.may_send_from("b.example")
    second.check(Scope.READ, "acme")
    for caller, scope, name in ((first, Scope.SEND, "acme"), (second, Scope.SEND, "acme"), (second, Scope.READ, "other")):
        with pytest.raises(Unauthenticated):
            caller.check(scope, name)
