"""What servers offer and can't do, found out by connections that broke over it, and remembered for an hour. Pure: time is given.

A host, with its port, is spoken to in simpler words then: without chunks, command by command, no mail behind a body. After the hour one
more connection may try; if that breaks too, the next hour begins.
"""

from __future__ import annotations

from enum import IntEnum

from mailgate.route import Relay
from sender.smtp.events import Stumble

REMEMBERED = 3600.0
"""Seconds. Servers are mended and replaced; each new try may cost a mail its retry delay, and so an hour lies between two."""
MOST = 10_000
"""Of what is remembered; the oldest goes first. About 2 MB."""


class Skill(IntEnum):
    """What a server may lack."""

    CHUNKING = 0
    PIPELINING = 1
    FOLLOWING = 2
    """To take a mail's commands behind the body of another. Without it a round trip is lost, no more."""
    TLS = 3
    """To come to terms after STARTTLS. Without it mail goes in clear, where the route is opportunistic and has no credentials."""


CHANCES = {Skill.CHUNKING: 2, Skill.PIPELINING: 3, Skill.FOLLOWING: 3, Skill.TLS: 1}
"""Connections in a row that may break before it is given up: each defers a mail, and any may have broken for another reason. A handshake
that fails does so before any mail, and would cost each dial another."""
_BY_STUMBLE = {
    Stumble.CHUNK: Skill.CHUNKING,
    Stumble.NO_BDAT: Skill.CHUNKING,
    Stumble.GROUP: Skill.PIPELINING,
    Stumble.FOLLOWING: Skill.FOLLOWING,
}


class Shortcomings:
    """See the module. One for all routes of a node."""

    def __init__(self) -> None:
        self._stumbles: dict[tuple[tuple[str, int], Skill], tuple[int, float]] = {}
        """How many in a row, and when the last was."""
        self.any = False
        """Any stumble at all was ever remembered. It is asked for every mail, and so it is no more than this."""

    def __repr__(self) -> str:
        return f"<Shortcomings {len(self._stumbles)}>"

    def stumbled(self, relay: Relay, stumble: Stumble, now: float) -> bool:
        """A connection broke over it. A server that says itself that it does not know BDAT has no second chance.

        True: with this it `lacks` something, and did not before.
        """
        if (skill := _BY_STUMBLE.get(stumble)) is None:
            return False
        known, self.any = self.lacks(relay, skill, now), True
        self._remember(relay, skill, CHANCES[skill] if stumble is Stumble.NO_BDAT else 1, now)
        return not known and self.lacks(relay, skill, now)

    def no_tls(self, relay: Relay, now: float) -> None:
        """STARTTLS was offered, and came to nothing."""
        self._remember(relay, Skill.TLS, 1, now)

    def _remember(self, relay: Relay, skill: Skill, count: int, now: float) -> None:
        before = self._stumbles.pop((relay.server, skill), (0, now))[0]
        if len(self._stumbles) >= MOST:
            del self._stumbles[next(iter(self._stumbles))]
        self._stumbles[relay.server, skill] = (before + count, now)

    def proved(self, relay: Relay, skill: Skill, dialled_at: float) -> None:
        """A mail was answered on a connection dialled then, on which it was allowed: what broke before was for other reasons.

        Once it was given up only a connection dialled after the hour proves anything: an older one has done without.
        """
        if (found := self._stumbles.get((relay.server, skill))) is not None and (
            found[0] < CHANCES[skill] or dialled_at >= found[1] + REMEMBERED
        ):
            del self._stumbles[relay.server, skill]

    def lacks(self, relay: Relay, skill: Skill, now: float) -> bool:
        """It is not to be tried now."""
        count, at = self._stumbles.get((relay.server, skill), (0, now))
        return count >= CHANCES[skill] and now - at < REMEMBERED
