"""How well the relays of a route do: which of them rest after failures, and why a route has no connection. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from mailgate.route import Route
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply
from sender.pool.circuits import Circuits, Rest
from sender.pool.source import ANY, Source

_EARLY = (Phase.MAIL, Phase.RCPT, Phase.DATA)
_OWN = (Phase.TLS, Phase.AUTH)
"""Where a failure may be the route's own: its credentials, or what it demands of a certificate. The host is not to blame then."""
_REFUSED = (Outcome.DEFERRED, Outcome.BOUNCED)
_ENDS = (0, 421)
_MX_FAILOVER = ("connect",)
_FOR_NOW = 4
"""RFC 5321 4.2.1: the first digit of a reply that says "not now"."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a route has no usable connection: how the last dial failed, and when the first did of those that failed in a row."""

    reply: Reply
    remote_host: str
    remote_address: str
    since: float
    """Monotonic seconds."""
    failures: int = 1
    """Of that relay, in a row; dials that were under way together are one."""
    rests_until: float = float("-inf")
    """Monotonic seconds: the relay is not dialled before."""
    of_source: bool = False
    """It was the source that could not be dialled from: mail had better take another."""
    of_node: bool = False
    """This node lacks what the route needs, such as its secret: mail had better go to another node."""

    def told(self, now: float) -> str:
        """In words: what happened, and how long nobody will try."""
        pause = self.rests_until - now
        if pause < 1 or not self.failures:
            return self.reply.text
        times = "a failure" if self.failures == 1 else f"{self.failures} failures in a row"
        return f"not dialled for {pause:.0f} s after {times}: {self.reply.text}"


class Relays:
    """The record of each relay, by its place in the route. What it says of a host, other routes hear too that dial from this source."""

    def __init__(self, route: Route, circuits: Circuits | None = None, source: Source = ANY) -> None:
        self._circuits = circuits or Circuits()
        owns = [(relay.server, *spoken(route)[1:]) for relay in route.relays]
        self._keys = [((own[0], source.name), own, (*own, source.name)) for own in owns]
        """Of the host as this source sees it, of the host as this route speaks to it, and of both, where it takes no mail of ours."""
        self._hosts = [relay.host for relay in route.relays]
        self._limit = route.connect_timeout / timedelta(seconds=1)
        self._trouble: Trouble | None = None
        self._failed = 0
        """The relay of that trouble."""

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def trouble(self) -> Trouble | None:
        """The last that failed; None since a dial succeeded. It rests no longer than its circuits do, which somebody may have closed."""
        if self._trouble is None or (until := self.rests_until(self._failed)) >= self._trouble.rests_until:
            return self._trouble
        return replace(self._trouble, rests_until=until)

    def failed(
        self,
        place: int,
        began: float,
        now: float,
        jitter: float,
        reply: Reply,
        address: str = "",
        *,
        of_source: bool = False,
        of_node: bool = False,
    ) -> bool:
        """What was begun at `began`, a dial or a mail, failed. False: one that was under way with it told as much already."""
        host, own, ours = self._keys[place]
        key = own if reply.phase in _OWN else ours if reply.phase in _EARLY else host
        rest = Rest.BRIEF if of_source else Rest.LONG if refuses_login(reply) else Rest.SHORT
        news = self._circuits.failed(key, began, now, jitter, rest)
        since = self._trouble.since if self._trouble else now
        self._failed, self._trouble = place, Trouble(reply, self._hosts[place], address, since, *self.pause(place), of_source, of_node)
        return news

    def tried(self, place: int, now: float) -> None:
        """It is being dialled, to see whether it is well again: what waits for that need not hear of its rest."""
        if self._trouble is not None and place == self._failed:
            self._trouble = replace(self._trouble, rests_until=float("-inf"))
        for key in self._keys[place]:
            self._circuits.tried(key, now + self._limit)

    def answered(self, place: int, now: float) -> None:
        """A dial came through."""
        self._trouble = None
        for key in self._keys[place]:
            self._circuits.answered(key, now)

    def proved(self, place: int, dialled_at: float) -> None:
        """A connection dialled at `dialled_at` is of use."""
        for key in self._keys[place]:
            self._circuits.proved(key, dialled_at)

    def rests_until(self, place: int) -> float:
        """It is not to be dialled before."""
        return max(self._circuits.rests_until(key) for key in self._keys[place])

    def failures(self, place: int) -> int:
        """In a row, since it was last seen to be well."""
        return max(self._circuits.failures(key) for key in self._keys[place])

    def resting(self, place: int, now: float) -> bool:
        """It failed a short while ago, or another dial is finding out whether it still does: it is not to be dialled."""
        return now < self.rests_until(place)

    def suspect(self, place: int) -> bool:
        """It failed, and has not shown yet that it is well again."""
        return self.failures(place) > 0

    def pause(self, place: int) -> tuple[int, float]:
        """How many failures in a row, and until when it rests."""
        return self.failures(place), self.rests_until(place)

    def count_resting(self, now: float) -> int:
        """How many rest."""
        return sum(self.resting(place, now) for place in range(len(self._keys)))

    def well(self, now: float) -> bool:
        """At least one is neither resting nor suspect."""
        return any(not self.suspect(place) and not self.resting(place, now) for place in range(len(self._keys)))


def spoken(route: Route) -> tuple[object, ...]:
    """Where a route's connections lead and how they are spoken to: with another of these they are of no use to it. Numbers do not count."""
    tls = (route.tls, route.verify, route.server_name, route.certificates)
    return (tuple([relay.server for relay in route.relays]), tls, route.auth, route.username, route.secret)


def refuses_login(reply: Reply) -> bool:
    """The credentials were refused, or there are none here; not a relay that can't ask its directory now (454)."""
    return reply.phase is Phase.AUTH and reply.code // 100 != _FOR_NOW


def spurned(route: Route, verdicts: Sequence[RecipientVerdict]) -> bool:
    """Another relay may take what this one refused: for each recipient, before the mail's end, and for one of the route's reasons.

    A connection that broke or was closed is none: the next one to the same relay may do.
    """
    if len(route.relays) == 1:
        return False
    classes = _MX_FAILOVER if route.mx else route.failover
    return all(
        verdict.outcome in _REFUSED
        and verdict.reply.phase in _EARLY
        and verdict.reply.bounce_class in classes
        and not (verdict.reply.code in _ENDS and verdict.reply.bounce_class == "connect")
        for verdict in verdicts
    )
