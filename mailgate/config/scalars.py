"""Single values of the settings: raw TOML, or the text of a variable, into one type; and how they are shown in a mistake. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from math import isfinite
from typing import Any, TypeVar

from mailgate.config.secret import Secret
from mailgate.config.sources import FromVariable
from mailgate.config.units import SIZE_CURE, format_duration, format_size, parse_duration, parse_size

Scalar = str | bool | int | float | timedelta | Secret
Bound = tuple[Any, Any]
"""The least and the greatest that a value may be; None: no bound on that side."""

SHOWN = 80
"""Characters of a wrong value that a mistake repeats."""

SHOWN_ITEMS = 8

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_SECRET_WORDS = ("token", "password", "secret")


def read_scalar(hint: object, raw: object, key: str) -> Scalar:
    """The value of the type `hint`. Sizes are ints whose key ends in `_bytes`.

    Raises:
        ValueError: `raw` is not of that type; the text of the error is the cure.
        TypeError: the type is none that settings can have.
    """
    read = _READERS.get(hint)
    if read is None:
        raise TypeError(f"{key}: settings of the type {hint!r} can't be read")
    return read(raw, key)


def outside(value: object, bound: Bound | None, key: str) -> str:
    """What is wrong with a value's size, or nothing. Without a bound numbers and durations may not be negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        return ""
    low, high = bound or (type(value)(0), None)
    if not _less(value, low) and not _less(high, value):
        return ""
    if low is not None and high is not None:
        return f"it must be from {_said(low, key)} to {_said(high, key)}"
    return f"it must be at least {_said(low, key)}" if low is not None else f"it must be at most {_said(high, key)}"


def show(raw: object) -> str:
    """A raw value as TOML has it, cut to what helps."""
    if isinstance(raw, bool):
        text = str(raw).lower()
    elif isinstance(raw, str):
        text = f'"{raw}"' if raw.isprintable() else repr(raw)
    elif isinstance(raw, Mapping):
        text = "{…}" if raw else "{}"
    elif isinstance(raw, list | tuple):
        text = "[" + ", ".join(show(item) for item in raw[:SHOWN_ITEMS]) + (", …]" if len(raw) > SHOWN_ITEMS else "]")
    else:
        text = str(raw)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def listed(names: Collection[object]) -> str:
    """A, B or C."""
    texts = [str(name) for name in names]
    return " or ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def is_sensitive(key: str) -> bool:
    """A value below this key is not repeated, whether the key is known or not."""
    lowered = key.lower()
    return any(word in lowered for word in _SECRET_WORDS) and not lowered.endswith("_file")


def _text(raw: object, key: str) -> str:
    if not isinstance(raw, str):
        raise ValueError('this is text: write it in quotes, "…"')
    return str(raw)


def _secret(raw: object, key: str) -> Secret:
    return Secret(_text(raw, key))


def _truth(raw: object, key: str) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, FromVariable) and raw.strip().lower() in _TRUE + _FALSE:
        return raw.strip().lower() in _TRUE
    raise ValueError("write true or false, without quotes")


def _whole(raw: object, key: str) -> int:
    size = key.endswith("_bytes")
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if size and isinstance(raw, str):
        return parse_size(raw)
    cure = SIZE_CURE if size else "write a whole number, without quotes"
    return _from_variable(int, raw, cure)


def _number(raw: object, key: str) -> float:
    cure = "write a number, without quotes"
    value = float(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else _from_variable(float, raw, cure)
    if not isfinite(value):
        raise ValueError(cure)
    return value


def _duration(raw: object, key: str) -> timedelta:
    if not isinstance(raw, str):
        raise ValueError('a duration has a unit: write "30s", "5m", "48h" or "250ms"')
    return parse_duration(raw)


_READERS: dict[object, Callable[[object, str], Scalar]] = {
    str: _text,
    bool: _truth,
    int: _whole,
    float: _number,
    timedelta: _duration,
    Secret: _secret,
}

N = TypeVar("N", int, float)


def _from_variable(kind: type[N], raw: object, cure: str) -> N:
    if isinstance(raw, FromVariable):
        try:
            return kind(raw.strip())
        except ValueError:
            pass
    raise ValueError(cure)


def _less(a: Any, b: Any) -> bool:  # noqa: ANN401
    return a is not None and b is not None and bool(a < b)


def _said(value: object, key: str) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    return format_size(value) if key.endswith("_bytes") and isinstance(value, int) else str(value)
