"""How many connections a route keeps: as many as Little's law asks of what came lately, and no more than the server bears. Pure.

Connections in use are, in the mean, arrivals a second times the seconds that each is held (Little, 1961). Both are measured at once, as the
seconds in use of all connections together, divided by the seconds that passed. A margin of twice the square root is for arrivals by chance
(square-root staffing: Halfin and Whitt, 1981). Fast up: what is asked for is wanted at once, and a mail that finds no idle connection
doubles it. Slow down: by half a second, so that a thousand are forgotten in ten; and connections that are too many end by `idle_timeout`.

A server that says it has too many of us ends the growth (additive increase, multiplicative decrease): the ceiling falls to three quarters
of what was open, and rises by a twentieth of the most each RECOVER seconds.
"""

from __future__ import annotations

from math import ceil, sqrt

LESS = 0.75
"""Of what was open: the ceiling when a server says that it is too many."""
RECOVER = 10.0
"""Seconds until a twentieth more, at least one, may be tried."""
CALM = 1.0
"""Seconds in which a server's second word of too many is the same event as the first."""
SLOWER = 0.5
"""Of what is wanted, given up in a second without need."""


class Sizing:
    """`least` and `most` are the route's. Times are monotonic seconds."""

    def __init__(self, least: int, most: int) -> None:
        self.used = 0.0
        """Seconds that connections were in use, since the last look: whoever frees one adds to it."""
        self._ceiling: int | None = None
        self._fell = self._looked = float("-inf")
        self._least, self._most = min(least, most), most
        self.wanted = self._least
        self._missed = False
        """Since the last look: one connection at least is needed, though none may be in use yet."""

    def __repr__(self) -> str:
        return f"<Sizing {self.wanted} of {self._least} to {self.most}>"

    def resize(self, least: int, most: int) -> None:
        """The route has other numbers."""
        self._least, self._most = min(least, most), most
        if self._ceiling is not None and self._ceiling >= most:
            self._ceiling = None
        self.wanted = min(max(self.wanted, self._least), self.most)

    @property
    def most(self) -> int:
        """Connections that may be open now."""
        return self._most if self._ceiling is None else self._ceiling

    @property
    def least(self) -> int:
        """Connections that are kept without need."""
        return min(self._least, self.most)

    @property
    def at_rest(self) -> bool:
        """Nothing is wanted, and there is no ceiling that rises."""
        return not self.wanted and self._ceiling is None

    def missed(self, opened: int) -> None:
        """A mail found no idle connection, while so many were open: twice as many are wanted, once those that are dialled are there too."""
        self.wanted = min(self.most, max(self.wanted, 2 * opened, 1))
        self._missed = True

    def look(self, now: float, busy: int) -> None:
        """About once a second. `busy`: connections in use at the moment, which may be long ones that nobody has freed yet."""
        seconds = now - self._looked
        if self._ceiling is not None and now - self._fell >= RECOVER:
            self._fell = now
            raised = self._ceiling + max(1, self._most // 20)
            self._ceiling = raised if raised < self._most else None
        if seconds < CALM:
            return
        needed = max(self.used / seconds, busy)
        self.used, self._looked = 0.0, now
        asked = max(ceil(needed + 2 * sqrt(needed)), int(self._missed))
        lower = self.wanted - max(1, int(self.wanted * SLOWER))
        self.wanted, self._missed = min(max(asked, lower, self._least), self.most), False

    def too_many(self, now: float, opened: int) -> None:
        """The server said so, while so many were open."""
        if now - self._fell < CALM and self._ceiling is not None:
            return
        self._fell = now
        self._ceiling = max(1, int(min(opened, self.most) * LESS))
        self.wanted = min(self.wanted, self._ceiling)
