"""How etcd is reached: `[etcd]` of the settings, and what a client brings. Pure but for what reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from mailgate.config.secret import NONE, Secret
from mailgate.errors import Mistake, SettingsInvalid
from mailgate.rpc.address import split_address
from mailgate.rpc.tls import TlsOptions

IN_CLEAR, BY_TLS = "http://", "https://"
LOCAL = "127.0.0.1:2379"


@dataclass(frozen=True, slots=True)
class EtcdOptions:
    """Endpoints of one cluster, and who asks."""

    endpoints: tuple[str, ...] = ()
    """Members of the cluster, `host:port`, or as etcd has them, `https://host:port`. One is asked, the next when it fails."""
    ca: str = ""
    """Authorities of the members' certificates (PEM). Set, or with `https://`: TLS. Empty: the system's."""
    certificate: str = ""
    """Our own certificate (PEM), where members ask for one."""
    key: str = ""
    """The certificate's private key, not encrypted."""
    server_name: str = ""
    """The name that the members' certificates must have. Empty: the host that is dialled."""
    username: str = ""
    """The user, where etcd has users."""
    password: Secret = NONE
    """The user's password. Or `password_file`."""
    timeout: timedelta = timedelta(seconds=2)
    """That a member has to answer, before the next is asked: above the time of an election (1 s), below the 5 s that nodes wait for us."""

    @property
    def tls(self) -> TlsOptions | None:
        """How members are dialled; None: in clear."""
        if not (self.ca or self.certificate or any(endpoint.startswith(BY_TLS) for endpoint in self.endpoints)):
            return None
        return TlsOptions(certificate=self.certificate, key=self.key, ca=self.ca, server_name=self.server_name)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The endpoints as `host:port`, each once."""
        return tuple(dict.fromkeys(_address(endpoint) for endpoint in self.endpoints))

    def mistakes(self, section: str) -> Iterator[Mistake]:
        """What does not fit together."""
        for index, endpoint in enumerate(self.endpoints):
            key = f"{section}.endpoints[{index}]"
            try:
                _, port = split_address(_address(endpoint), key)
            except SettingsInvalid:
                port = 0
            if not port:
                yield Mistake(
                    key, repr(endpoint), 'write "host:port" or "https://host:port" with a port from 1 to 65535, such as "127.0.0.1:2379"'
                )
        schemes = {endpoint.startswith(BY_TLS) for endpoint in self.endpoints if "://" in endpoint}
        if len(schemes) > 1 or (False in schemes and self.tls is not None):
            yield Mistake(
                f"{section}.endpoints", repr(list(self.endpoints)), "some are to be asked by TLS and some in clear: make them alike"
            )
        if bool(self.certificate) != bool(self.key):
            missing = "key" if self.certificate else "certificate"
            yield Mistake(f"{section}.{missing}", '""', "certificate and key belong together: give the path of the PEM file")
        if self.password and not self.username:
            yield Mistake(f"{section}.username", '""', "a password without a user name: give both or neither")
        if self.username and not self.password:
            yield Mistake(f"{section}.password", '""', "a user name without a password: give both or neither")


def _address(endpoint: str) -> str:
    return endpoint.removeprefix(IN_CLEAR).removeprefix(BY_TLS).rstrip("/")
