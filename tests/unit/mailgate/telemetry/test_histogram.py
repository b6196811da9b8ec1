"""The histogram counts like Prometheus's, in plain values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as Theirs

from mailgate.telemetry.histogram import LATENCIES, Histogram

seconds = st.floats(0, 1e6, allow_nan=False)


@given(st.lists(st.one_of(seconds, st.sampled_from(LATENCIES))))
def test_buckets_are_those_of_prometheus(observations):
    """An observation equal to a bound belongs below it (`le`), as in Prometheus's own histogram."""
    ours, theirs = Histogram(LATENCIES), Theirs("x", "x", buckets=LATENCIES, registry=CollectorRegistry())
    for each in observations:
        ours.observe(each)
        theirs.observe(each)
    want = [sample.value for family in theirs.collect() for sample in family.samples if sample.name == "x_bucket"]
    snapshot = ours.snapshot()
    assert [sum(snapshot.counts[: i + 1]) for i in range(len(snapshot.counts))] == want
    assert snapshot.count == len(observations)
    assert snapshot.sum == pytest.approx(sum(observations))


def test_equal_observations_are_counted_in_one_call():
    """`times` is that many observations."""
    histogram = Histogram((1.0, 2.0))
    histogram.observe(1.5, 3)
    assert histogram.snapshot().counts == (0, 3, 0)
    assert histogram.snapshot().sum == 4.5


def test_a_snapshot_does_not_change():
    """What a scrape holds is of one moment."""
    histogram = Histogram((1.0,))
    before = histogram.snapshot()
    histogram.observe(0.5)
    assert before.count == 0
    assert histogram.snapshot().count == 1


def test_snapshots_add_up_when_their_bounds_agree():
    """Two rooms that measure the same thing make one histogram; with other bounds that is a mistake."""
    histogram = Histogram((1.0,))
    histogram.observe(0.5)
    both = histogram.snapshot() + histogram.snapshot()
    assert (both.counts, both.sum) == ((2, 0), 1.0)
    with pytest.raises(ValueError, match="different bounds"):
        histogram.snapshot() + Histogram((2.0,)).snapshot()


@pytest.mark.parametrize("bounds", [(), (1.0, 1.0), (2.0, 1.0)])
def test_bounds_must_rise(bounds):
    """Bounds that do not rise strictly are refused where the histogram is made."""
    with pytest.raises(ValueError, match="rise strictly"):
        Histogram(bounds)


def test_repr_is_a_status_line():
    """Whoever prints it sees count and mean."""
    histogram = Histogram()
    histogram.observe(0.5, 2)
    assert repr(histogram) == "<Histogram count=2 mean=0.500000s>"
