"""Who may send: `[tenants.NAME]` of the settings, and the directory from an API key to its tenant and scopes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from mailgate.errors import Mistake, SettingsInvalid, Unauthenticated

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_PATTERN = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*")


class Scope(StrEnum):
    """What a key allows."""

    SEND = "send"
    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """One `[[tenants.NAME.keys]]`."""

    hash: str = ""
    """`sha256:` and the hex digest of the key: the settings never hold the key itself."""
    scopes: tuple[str, ...] = (Scope.SEND, Scope.READ)
    """Of send, read, operate."""


@dataclass(frozen=True, slots=True)
class TenantOptions:
    """One `[tenants.NAME]`."""

    domains: tuple[str, ...] = ()
    """Sender domains, international ones in A-labels: `example.com` itself, `*.example.com` its subdomains, `*` any."""
    keys: tuple[KeyOptions, ...] = ()
    """API keys; several, so that one can be replaced without a gap."""


class Tenant:
    """A tenant and the domains that it may send from."""

    __slots__ = ("_any", "_exact", "_parents", "name")

    def __init__(self, name: str, domains: tuple[str, ...]) -> None:
        self.name = name
        self._any = "*" in domains
        self._exact = frozenset(domains)
        self._parents = tuple(domain[1:] for domain in domains if domain.startswith("*."))

    def __repr__(self) -> str:
        return f"<Tenant {self.name}>"

    def may_send_from(self, domain: str) -> bool:
        """Whether a mail of this tenant may have this domain (lower case, A-labels) in From and in its return path."""
        return self._any or domain in self._exact or domain.endswith(self._parents)


@dataclass(slots=True, eq=False)
class Caller:
    """What a key stands for; as long as the key is known, and while calls with it are open, the same object, whatever the settings say."""

    tenant: Tenant
    scopes: frozenset[Scope]

    def check(self, scope: Scope, tenant: str) -> None:
        """For calls that stay open: the key still allows what it did.

        Raises:
            Unauthenticated: it was revoked meanwhile.
        """
        if scope not in self.scopes or self.tenant.name != tenant:
            raise Unauthenticated("the API key does not allow this call any more: the gateway's settings have changed")


class Tenants:
    """The directory.

    Looking a key up by the hash of all of it tells an attacker's clock nothing about the keys that there are, since they cannot choose
    hashes: no constant-time comparison is needed. Keys must be random; a hash without salt does not protect one that can be guessed.
    """

    def __init__(self, options: Mapping[str, TenantOptions]) -> None:
        """Raises SettingsInvalid with every mistake."""
        self._callers: dict[bytes, Caller] = {}
        mistakes: list[Mistake] = []
        for name, tenant_options in options.items():
            self._add(name, tenant_options, mistakes)
        if mistakes:
            raise SettingsInvalid(mistakes)

    def find(self, key: str) -> Caller | None:
        """Whose key it is; None for an unknown one. Must be cheap: asked for every call."""
        return self._callers.get(sha256(key.encode()).digest())

    def become(self, others: Tenants) -> None:
        """Take those of other settings. What a key does not allow any more ends for open calls too, as they look at their Caller."""
        for digest, caller in self._callers.items():
            if (other := others._callers.get(digest)) is None:
                caller.scopes = frozenset()
            else:
                caller.tenant, caller.scopes = other.tenant, other.scopes
                others._callers[digest] = caller
        self._callers = others._callers

    def _add(self, name: str, options: TenantOptions, mistakes: list[Mistake]) -> None:
        where = f"tenants.{name}"
        if not _NAME.fullmatch(name):
            mistakes.append(Mistake(where, repr(name), "name a tenant by up to 64 letters, digits, dots, dashes and underscores"))
        domains = tuple(domain.lower() for domain in options.domains)
        for domain in domains:
            if not _PATTERN.fullmatch(domain):
                cure = 'write "example.com", "*.example.com" for its subdomains, or "*" for any; international names in A-labels (xn--…)'
                mistakes.append(Mistake(f"{where}.domains", repr(domain), cure))
        tenant = Tenant(name, domains)
        for index, key in enumerate(options.keys):
            self._add_key(f"{where}.keys[{index}]", key, tenant, mistakes)

    def _add_key(self, where: str, key: KeyOptions, tenant: Tenant, mistakes: list[Mistake]) -> None:
        form = _HASH.fullmatch(key.hash)
        if form is None:
            # Never the value: somebody may have written the key itself.
            cure = 'write "sha256:" and the 64 hex digits of the key\'s SHA-256 (`printf %s KEY | sha256sum`)'
            mistakes.append(Mistake(f"{where}.hash", "(not shown)", cure))
        known = [scope.value for scope in Scope]
        for scope in key.scopes:
            if scope not in known:
                mistakes.append(Mistake(f"{where}.scopes", f'"{scope}"', f"choose of {', '.join(known)}"))
        if form is None or not set(known).issuperset(key.scopes):
            return
        digest = bytes.fromhex(form[1])
        if (other := self._callers.get(digest)) is not None:
            cure = f"the tenant {other.tenant.name} has the same key: give each its own"
            mistakes.append(Mistake(f"{where}.hash", key.hash[:15] + "…", cure))
            return
        self._callers[digest] = Caller(tenant, frozenset(Scope(scope) for scope in key.scopes))
