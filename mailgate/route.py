"""One `[routes.NAME]` of the settings: where and how mail is handed off. The gateway owns it, nodes get it on the link. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import Any, Literal


class TlsMode(IntEnum):
    """How a relay is spoken to; numbers are those of the proto."""

    NONE = 1
    """In clear."""
    OPPORTUNISTIC = 2
    """STARTTLS where it is offered, in clear where it is not or fails."""
    REQUIRED = 3
    """STARTTLS, or nothing."""
    IMPLICIT = 4
    """TLS from the first byte."""


class AuthMode(IntEnum):
    """How a relay is logged in to; numbers are those of the proto."""

    AUTO = 1
    """The first of PLAIN, LOGIN and CRAM-MD5 that is offered."""
    PLAIN = 2
    LOGIN = 3
    XOAUTH2 = 4
    """With an access token."""


class DsnNotify(IntEnum):
    """When a server that takes a mail shall report on it (RFC 3461 4.1); numbers are those of the proto."""

    NEVER = 1
    """Alone."""
    SUCCESS = 2
    """It came to its mailbox, or left for where nobody reports."""
    FAILURE = 3
    DELAY = 4
    """It is not there yet, and is tried further."""


class DsnReturn(IntEnum):
    """What of the mail such a report shall contain (RFC 3461 4.3); numbers are those of the proto."""

    UNSAID = 0
    """As the server likes."""
    HEADERS = 1
    FULL = 2


LINE_TIMEOUT = timedelta(seconds=60)
"""Of what a server does without thinking long: its default, shorter than RFC 5321 asks for, since a silent server holds up a slot."""


MX_PORT = 25
"""RFC 5321 4.5.4.2: where servers of strangers are."""
MAX_AGE = timedelta(minutes=10)
"""Of a connection: its default."""


EVEN, HASHED = "least_connections", "consistent_hash"
"""The policies that are right for relays, and by MX; and the second is the one that has a key."""
HashBy = Literal["site", "tenant", "recipient", "hash_key"]

DEFAULT_POOL = "default"
"""The pool of a source that names none, and of a route that names none, where a node has it."""

FAILOVER = ("auth", "blocked", "connect", "rate_limited")
"""Classes of refusals that are about the sender and the server, not about the mail: another relay may see it otherwise."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A server that a route hands mail to."""

    host: str
    port: int = 25
    preference: int = 0
    """Relays of the same one share the load; those of a greater one are dialled only while none of these can be."""
    weight: int = 1
    """Its part of the connections among those of the same preference."""
    addresses: tuple[str, ...] = field(default=(), compare=False)
    """Where the node has looked them up and judged them: no others are dialled. Empty: the system looks the host up."""

    @property
    def server(self) -> tuple[str, int]:
        """What fails or lacks something as one, whatever route it is of."""
        return self.host, self.port


@dataclass(frozen=True, slots=True)
class Route:
    """Where mail goes and how it is spoken to. The name is the key of the table in the settings."""

    name: str
    relays: tuple[Relay, ...]
    """Tried in this order. In the settings: `relays = ["smtp://host:25", "smtps://host:465"]`. A list within it is of relays that share
    the load: in `[["smtp://a:25?weight=3", "smtp://b:25"], "smtp://c:25"]` `c` is dialled only while neither `a` nor `b` can be."""
    domains: tuple[str, ...] = ()
    """Recipients of these domains take this route (`*.example.com`: of its subdomains); empty: whatever no other route takes."""
    tls: TlsMode = TlsMode.OPPORTUNISTIC
    """`none`, `opportunistic`, `required` or `implicit`. The default works with every relay and is better than nothing (RFC 7435);
    `smtps://` means implicit."""
    verify: bool = True
    """With `required` and `implicit`: the certificate must be valid for the relay's name. `opportunistic` never verifies (RFC 7435)."""
    username: str = ""
    """AUTH; empty: none."""
    secret: str = ""
    """The name of the password or token, resolved on the node: `[secrets]` in its settings, `MAILGATE_SECRET_<NAME>` or `[tokens.NAME]`.
    Credentials that a relay refuses are not tried again for 30 s, then ever more seldom, for a quarter of an hour at the most."""
    policy: str = ""
    """How a node is chosen for a mail: `least_connections`, `consistent_hash` or `round_robin`; docs/balancing.md says which when. Empty:
    `consistent_hash` with `mx`, whose sites then keep their connections on one node, else `least_connections`."""
    hash_by: HashBy = "site"
    """With `consistent_hash`: mails that have this in common go by one node, as far as it has room. `site`: where they go; `tenant`;
    `recipient`: the first address; `hash_key`: what the mail itself says, or by site where it says nothing."""
    connections: int = 20
    """The most that each node keeps; how many are warm follows the demand. With 100 the handshake of READY and COMMIT costs nothing even on
    loopback (measured)."""
    min_idle: int = 2
    """Connections that each node keeps warm though there is nothing to send."""
    connect_timeout: timedelta = field(default=timedelta(seconds=10))
    """TCP, greeting, TLS and AUTH together. RFC 5321 4.5.3.2.1 allows 5 min for the greeting; a dead host must not hold up a slot."""
    command_timeout: timedelta = field(default=LINE_TIMEOUT)
    """The reply to MAIL, to each RCPT, to RSET and QUIT. RFC 5321 4.5.3.2.2 and .3 would wait 5 min."""
    body_timeout: timedelta = field(default=timedelta(minutes=10))
    """The reply to the final dot. RFC 5321 4.5.3.2.6: 10 min, since giving up sooner doubles mail."""
    idle_timeout: timedelta = field(default=timedelta(seconds=60))
    """An idle connection is closed after this, before servers do (Postfix: 300 s; many large providers less)."""
    max_mails_per_connection: int = 1000
    """A connection is closed after this many mails."""
    max_age: timedelta = field(default=MAX_AGE)
    """A connection is closed after this long: what its name led to may lead elsewhere by now."""
    pipelining: bool = True
    """Several commands in one packet (RFC 2920), where the server offers it. Who breaks it goes without for an hour by itself."""
    chunking: bool = True
    """BDAT instead of DATA (RFC 3030), where the server offers it: what is withdrawn at the last moment then costs no connection. Who
    breaks it goes without for an hour by itself."""
    data_timeout: timedelta = field(default=LINE_TIMEOUT)
    """The reply to DATA, or to the chunk of a short message. RFC 5321 4.5.3.2.4 would wait 2 min."""
    block_timeout: timedelta = field(default=LINE_TIMEOUT)
    """A long message makes no headway. RFC 5321 4.5.3.2.5 would wait 3 min."""
    auth: AuthMode = AuthMode.AUTO
    """`auto` (PLAIN, else LOGIN, else CRAM-MD5), `plain`, `login` or `xoauth2`, whose secret is an access token."""
    server_name: str = ""
    """The name that is asked for in TLS (SNI) and must be in the certificate. Empty: the relay's host."""
    certificates: str = ""
    """The name of authorities to believe, or of a certificate to show, resolved on the node: `[certificates.NAME]` in its settings. Empty:
    the system's authorities, and none to show."""
    mx: bool = False
    """Instead of relays: each recipient's domain is looked up in DNS, and its mail goes to the domain's own servers (RFC 5321 5.1). All
    numbers are then those towards each set of such servers, and nothing is kept warm without need."""
    mx_port: int = MX_PORT
    """With `mx`: the servers' port. Servers of strangers have no other; for tests."""
    sources: str = ""
    """The pool of sources that its mail leaves from, resolved on the node: each `[sources.NAME]` with this `pool` in its settings. A node
    that has none gets none of its mail. Empty: the pool `default` where the node has one, else what the system chooses."""
    failover: tuple[str, ...] = FAILOVER
    """Where there are several relays: a mail that one of them refuses for a reason of these classes, before its end was let go, is tried at
    the next at once, and the one that refused rests for seconds, then ever longer, up to a minute. Empty: never. With `mx` it is
    `connect` whatever is written here: who asks one server of a site after another that limits it is only limited more."""
    dsn_notify: tuple[DsnNotify, ...] = ()
    """Where the server offers DSN (RFC 3461): when it shall report to the return path what became of the mail, of `success`, `failure` and
    `delay`, or `["never"]`. The report names mail and recipient as Mailgate does. Empty: nothing is said, and servers report failures."""
    dsn_return: DsnReturn = DsnReturn.UNSAID
    """Where the server offers DSN: a report of failure has the mail's `headers` or all of it (`full`)."""

    @property
    def balancing(self) -> str:
        """The policy that it names, or that is right for its kind."""
        return self.policy or (HASHED if self.mx else EVEN)

    @property
    def balanced_by(self) -> str:
        """The same with its key, for people."""
        return f"{self.balancing} by {self.hash_by}" if self.balancing == HASHED else self.balancing

    @property
    def homed(self) -> bool:
        """All mail for one site goes by one node, its home, as far as the site's limits go."""
        return self.balancing == HASHED and self.hash_by == "site"


_MINUTES_10 = timedelta(minutes=10)

BOUNDS: Mapping[str, tuple[Any, Any]] = {
    "connections": (1, 1000),
    "min_idle": (0, 1000),
    "max_age": (timedelta(seconds=1), timedelta(days=1)),
    "connect_timeout": (timedelta(milliseconds=100), _MINUTES_10),
    "command_timeout": (timedelta(milliseconds=100), _MINUTES_10),
    "data_timeout": (timedelta(milliseconds=100), _MINUTES_10),
    "block_timeout": (timedelta(milliseconds=100), _MINUTES_10),
    "body_timeout": (timedelta(seconds=1), timedelta(hours=1)),
    "idle_timeout": (timedelta(seconds=1), timedelta(hours=1)),
    "max_mails_per_connection": (1, 1_000_000),
    "mx_port": (1, 65_535),
}
"""The least and the greatest of each number of a route. Wide enough for whatever makes sense: the settings refuse a value beyond as a slip
of the pen, and a node does not do what a gateway asks beyond them."""
