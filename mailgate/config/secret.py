"""Secret: a value that is never printed by accident. Pure."""

from __future__ import annotations

import hmac

HIDDEN = "********"


class Secret:
    """A password or token. Only `reveal` gives it; repr, str and format hide it; it does not pickle; comparing takes constant time."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; whoever asks must not log it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})" if self._value else "Secret()"

    def __str__(self) -> str:
        return HIDDEN if self._value else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


NONE = Secret()
"""No secret is set."""
