"""What a room tells telemetry when it is scraped: plain values under a name of names.py. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mailgate.telemetry.histogram import HistogramSnapshot
from mailgate.telemetry.names import Kind, Metric


class Mislabelled(ValueError):
    """A sample does not have exactly the labels of its metric, or is of the wrong kind: a mistake of ours, found by the first scrape."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a counter or gauge: `Sample(names.QUEUE_READY, 12, {"lane": "bulk", "route": "default"})`."""

    metric: Metric
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HistogramSample:
    """One histogram: `HistogramSample(names.COMMIT_SECONDS, histogram.snapshot())`."""

    metric: Metric
    value: HistogramSnapshot
    labels: Mapping[str, str] = field(default_factory=dict)


Reader = Callable[[], Iterable[Sample | HistogramSample]]
"""A room's `stats`: called on the event loop at each scrape, must be cheap: no I/O, well under a millisecond."""


def check(sample: Sample | HistogramSample) -> None:
    """Raises Mislabelled when the sample does not fit its metric."""
    metric = sample.metric
    if set(sample.labels) != set(metric.labels):
        raise Mislabelled(f"{metric.name} has the labels {sorted(metric.labels)}, not {sorted(sample.labels)}")
    if (metric.kind is Kind.HISTOGRAM) != isinstance(sample, HistogramSample):
        raise Mislabelled(f"{metric.name} is a {metric.kind.value}, and was given a {type(sample).__name__}")
