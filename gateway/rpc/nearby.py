"""What whoever asked for something that is not there is told of what is. Pure."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from difflib import get_close_matches

NAMED = 10
"""Names that are told."""
NEAR = 500
"""Names before and after the place where it would be that are compared with it: all of 20,000 took 0.8 s."""


def others(name: str, known: Iterable[str], what: str) -> str:
    """Those that are like it, else the first."""
    names = sorted(known)
    place = bisect(names, name)
    shown = get_close_matches(name, names[max(0, place - NEAR) : place + NEAR], NAMED, 0.5) or names[:NAMED]
    more = f", and {len(names) - len(shown):,} more" if len(shown) < len(names) else ""
    return f"the {what} are {', '.join(shown)}{more}" if names else f"there are no {what}"
