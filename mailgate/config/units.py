"""Durations and sizes as people write them in settings: "30s", "1h30m", "25MiB". Pure."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
"""In microseconds, which is what a timedelta counts."""

_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}

_PIECE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?\s*([A-Za-z]{0,3})")

DURATION_CURE = 'write a duration such as "250ms", "30s", "5m", "48h" or "1h30m"'
SIZE_CURE = 'write a size such as 1048576, "256MB" (10^6) or "25MiB" (2^20)'


def parse_duration(text: str) -> timedelta:
    """What `text` says: one or more of a number and ms, s, m, h or d, largest unit first.

    Raises:
        ValueError: it says none; the text of the error is the cure.
    """
    compact = text.strip().lower()
    micros, at, last = 0, 0, None
    while at < len(compact):
        piece = _PIECE.match(compact, at)
        if piece is None:
            raise ValueError(DURATION_CURE)
        whole, fraction, unit = piece.groups()
        scale = _DURATION_UNITS[unit]
        if last is not None and scale >= last:
            raise ValueError(DURATION_CURE)
        micros += int(whole) * scale + _part(fraction, scale)
        at, last = piece.end(), scale
    if last is None:
        raise ValueError(DURATION_CURE)
    try:
        return timedelta(microseconds=micros)
    except OverflowError:
        raise ValueError("that is longer than can be counted; " + DURATION_CURE) from None


def format_duration(value: timedelta) -> str:
    """The shortest text that `parse_duration` reads back to the same, to the microsecond; not for negative ones."""
    micros = value // timedelta(microseconds=1)
    pieces = []
    for unit in ("d", "h", "m", "s"):
        count, micros = divmod(micros, _DURATION_UNITS[unit])
        if count:
            pieces.append(f"{count}{unit}")
    if micros:
        count, rest = divmod(micros, 1_000)
        pieces.append(f"{count}.{rest:03d}".rstrip("0") + "ms" if rest else f"{count}ms")
    return "".join(pieces) or "0s"


def parse_size(text: str) -> int:
    """Octets: a whole number, or a number and B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (of 1024).

    Raises:
        ValueError: it says none; the text of the error is the cure.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(SIZE_CURE)
    whole, fraction, unit = found.groups()
    scale = _SIZE_UNITS.get(unit.lower())
    if scale is None or (fraction and scale == 1):
        raise ValueError(SIZE_CURE)
    return int(whole) * scale + _part(fraction, scale)


def format_size(octets: int) -> str:
    """The shortest exact text that `parse_size` reads back; a bare number where no unit divides it."""
    for unit in ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "kB"):
        scale = _SIZE_UNITS[unit.lower()]
        if octets and octets % scale == 0:
            return f"{octets // scale}{unit}"
    return str(octets)


def _part(digits: str | None, scale: int) -> int:
    return int(digits) * scale // 10 ** len(digits) if digits else 0
