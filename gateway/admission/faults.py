"""Collects what is wrong with a request, all of it, so that a caller mends everything at once. Pure."""

from __future__ import annotations

from mailgate.errors import Invalid, TooLarge, Violation

MAX_REPORTED = 50
"""Violations kept; a status has room for about as many."""

MAX_SHOWN = 80
"""Characters of a value shown in a violation."""


class Faults:
    """The violations found so far. `full`: looking for more is of no use."""

    __slots__ = ("_found", "_only_large")

    def __init__(self) -> None:
        self._found: list[Violation] = []
        self._only_large = True

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """As many as are reported."""
        return len(self._found) >= MAX_REPORTED

    def add(self, field: str, description: str) -> None:
        """Something is wrong: where, and what to do about it."""
        self._only_large = False
        self._keep(field, description)

    def add_large(self, field: str, description: str) -> None:
        """Something is too large; when nothing else is wrong the reason is TOO_LARGE."""
        self._keep(field, description)

    def error(self) -> Invalid:
        """The error that tells of them; only when there are some."""
        return TooLarge(self._found) if self._only_large else Invalid(self._found)

    def _keep(self, field: str, description: str) -> None:
        if not self.full:
            self._found.append(Violation(field, description))


def show(value: str) -> str:
    """A caller's value, quoted, escaped and cut, for a violation."""
    return repr(value if len(value) <= MAX_SHOWN else value[:MAX_SHOWN] + "…")
