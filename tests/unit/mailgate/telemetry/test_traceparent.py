"""W3C Trace Context as section 3.2 of the recommendation has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.telemetry.traceparent import TraceContext, decide, format_traceparent, is_sampled, parse

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"

contexts = st.builds(TraceContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())


@given(contexts)
def test_what_is_written_is_read_again(context):
    """parse(format(x)) is x, and the flag is seen without parsing."""
    written = format_traceparent(context)
    assert parse(written) == context
    assert is_sampled(written) is context.sampled


def test_the_example_of_the_recommendation():
    """Section 3.2.2.5."""
    assert parse(GOOD) == TraceContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0xF067AA0BA902B7, True)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        GOOD[:-1],
        GOOD.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{GOOD}-more",
        f" {GOOD}",
        f"{GOOD}\n",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}-{SPAN}-٠١",
        f"01-{TRACE}-{SPAN}-01more",
    ],
)
def test_what_is_malformed_is_ignored(header):
    """As if it had not been sent: None, never an error."""
    assert parse(header) is None


@given(st.text())
def test_rubbish_is_ignored(header):
    """Whatever a caller sends, nothing is raised."""
    assert parse(header) is None
    is_sampled(header)


def test_a_later_version_is_read_as_far_as_ours_goes():
    """Section 3.2.4: what follows a dash is not ours to understand."""
    assert parse(f"cc-{TRACE}-{SPAN}-01-what-is-to-come") == parse(GOOD)


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True), ("fe", False)])
def test_only_the_lowest_flag_counts(flags, sampled):
    """Other bits are other people's."""
    header = f"00-{TRACE}-{SPAN}-{flags}"
    context = parse(header)
    assert context is not None
    assert context.sampled is sampled
    assert is_sampled(header) is sampled


@pytest.mark.parametrize(
    ("parent", "ratio", "chance", "traced"),
    [
        (None, 0.0, 0.0, False),
        (None, 0.5, 0.49, True),
        (None, 0.5, 0.5, False),
        (None, 1.0, 0.999, True),
        (TraceContext(1, 1, True), 0.0, 0.9, True),
        (TraceContext(1, 1, False), 1.0, 0.0, False),
    ],
)
def test_the_caller_decides_and_else_chance(parent, ratio, chance, traced):
    """A caller's flag is obeyed both ways; the ratio is for calls without one."""
    assert decide(parent, ratio, chance) is traced
