"""How fast old mail goes out while new mail comes in: as fast as leaves the event loop time for calls. Pure.

A call takes some ten turns of the loop before it is answered, and gRPC takes one call after the other, so when a backlog makes each turn
two milliseconds long, new mail waits for seconds though the machine could take it. Old mail has waited already: while calls come, it is fed
at a rate that falls when the loop is later than so many calls can bear, and rises when it is not (additive increase, multiplicative
decrease; it begins low). Without calls it goes as fast as it can, and what is young is never held back.
"""

from __future__ import annotations

OLD_MS = 1000
"""Milliseconds since its acceptance from which a job is old: what streams through is not."""
SHARE, LATEST = 0.3, 0.02
"""Seconds that a timer may come late in the mean: SHARE divided by the calls a second, which leaves each call three such turns; at most
LATEST. 200 calls a second bear 1.5 ms."""
BEGIN, SLOWEST, STEP = 1000.0, 1000.0, 100.0
"""Jobs a second: where a backlog begins, what it always gets, and what is added at each look at a loop that is in time. It begins low:
nodes that begin dial, which takes processors too."""
MORE = 1.25
"""A backlog gets at least so much more than comes in: yielding must not be what makes it grow. Mails count here, and calls above: a batch
keeps the loop from others no longer than a mail does, but brings a hundred."""
FORGET = 0.8
"""Of what is known of the rates of calls and mails, at each look; a second later a tenth of it is left."""
SILENCE = 5
"""Looks without a call after which old mail yields no more."""


class Yielding:
    """One a gateway. `look` ten times a second; `allows` before each job; `fed` after."""

    def __init__(self) -> None:
        self.rate: float | None = None
        """Jobs a second; None: as many as can."""
        self._calls = self._mails = 0.0
        self._silent = SILENCE
        self._fed = 0
        self._tokens = 0.0
        self._at = 0.0

    def look(self, seconds: float, late: float, calls: int, mails: int) -> None:
        """`late`: how late timers came in the mean, over the last `seconds`; `calls`, with so many `mails`, came in them."""
        fed, self._fed = self._fed / seconds, 0
        self._calls = FORGET * self._calls + (1 - FORGET) * calls / seconds
        self._mails = FORGET * self._mails + (1 - FORGET) * mails / seconds
        self._silent = 0 if calls else self._silent + 1
        slowest = max(SLOWEST, MORE * self._mails)
        if self._silent >= SILENCE:
            self.rate = None
        elif self.rate is None or not fed:
            self.rate = BEGIN
        elif self.rate < slowest:
            self.rate = min(self.rate + STEP, slowest)
        elif late > min(LATEST, SHARE / self._calls):
            self.rate = max(slowest, min(self.rate, fed) * 0.8)
        elif fed > self.rate / 2:
            self.rate += STEP

    def allows(self, now: float, waited_ms: int) -> bool:
        """A job that has waited so long may be fed now."""
        if self.rate is None or waited_ms < OLD_MS:
            return True
        self._tokens = min(self._tokens + (now - self._at) * self.rate, max(1.0, self.rate * 0.02))
        self._at = now
        return self._tokens >= 1

    def fed(self, waited_ms: int) -> None:
        """It was."""
        if waited_ms >= OLD_MS:
            self._fed += 1
            self._tokens -= 1
