"""When to try again: the pauses. Pure."""

from __future__ import annotations

FIRST = 0.05
"""Seconds of the first pause; a gateway that was restarted on the same machine takes about half a second to be back."""

LONGEST = 5.0
"""Seconds. Beyond it waiting longer spares nobody anything."""

SPREAD = 0.5
"""The part of a pause that chance adds, so that callers who were refused together do not come back together."""


def pause(tries: int, chance: float, asked: float = 0.0) -> float:
    """Seconds until the next try, after so many (1 for the first): doubling, at least what the gateway `asked` for, and up to half more.

    `chance` is uniform in [0, 1).
    """
    doubled = FIRST * 2.0 ** min(max(tries - 1, 0), 16)
    return float(max(min(doubled, LONGEST), asked) * (1.0 + SPREAD * chance))
