"""Durations and sizes: what is written reads back, and what is not understood says how to write it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("48h", 172_800), ("250ms", 0.25), ("1h30m", 5400), ("2d", 172_800), ("1.5s", 1.5), (" 10S ", 10)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """Every unit, compounds, fractions, any case and space around it."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "s", "5 parsecs", "30s5m", "1h1h", "-5s", "1..5s", "1e3s", "٣s", "9" * 16 + "s", "999999999999999d"]
)
def test_what_is_no_duration_is_refused_with_the_cure(text: str) -> None:
    """A number without its unit, units out of order or twice, signs, other scripts' digits, what can't be counted."""
    with pytest.raises(ValueError, match=r"write a duration such as"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_a_duration_reads_back_as_it_was_written(value: timedelta) -> None:
    """To the microsecond."""
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("25MiB", 25 * 2**20),
        ("256MB", 256 * 10**6),
        ("1.5 KiB", 1536),
        ("10b", 10),
        ("2gib", 2**31),
        ("1kB", 1000),
    ],
)
def test_sizes_are_read(text: str, octets: int) -> None:
    """Powers of 1000 and of 1024, any case, fractions of a unit."""
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["", "MiB", "1.5", "-1", "1 MiB or so", "1XiB", "1e6", "0x10", "٣MiB"])
def test_what_is_no_size_is_refused_with_the_cure(text: str) -> None:
    """Half an octet is none."""
    with pytest.raises(ValueError, match=r"write a size such as"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=2**55))
def test_a_size_reads_back_as_it_was_written(octets: int) -> None:
    """Exactly: the shortest form never rounds."""
    assert parse_size(format_size(octets)) == octets
