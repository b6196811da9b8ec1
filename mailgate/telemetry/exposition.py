"""From samples to Prometheus's families, gathered on the event loop for the thread that serves the page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mailgate import __version__
from mailgate.telemetry import names
from mailgate.telemetry.histogram import HistogramSnapshot
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.names import Kind, Metric
from mailgate.telemetry.sample import HistogramSample, Mislabelled, Reader, Sample, check

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the readers told in one scrape."""

    samples: Sequence[Sample | HistogramSample]


class Exposition(Collector):
    """A Prometheus collector over readers. `collect` runs in the thread of a scrape, the readers on the loop, all in one step.

    So one scrape sees all plain ints of a process at one moment. A loop that does not answer within `patience` seconds costs the scrape
    the readers' metrics, never the page: what the process says of itself, and the count of such failures, is still there.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        """`patience` in seconds."""
        self._loop = loop
        self._patience = patience
        self._readers: list[Reader] = []
        self._failures = {"late": 0, "broken": 0, "mislabelled": 0}
        self._lock = threading.Lock()

    def register(self, reader: Reader) -> None:
        """Ask it at each scrape, after those registered before it."""
        self._readers.append(reader)

    def describe(self) -> Iterable[Family]:
        """Nothing: the readers are not asked when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Family]:
        """The families of one scrape."""
        samples = [*self._gather(), Sample(names.BUILD, 1, {"version": __version__})]
        with self._lock:
            samples += [Sample(names.SCRAPE_FAILURES, count, {"reason": reason}) for reason, count in self._failures.items()]
        yield from families(samples)

    def _gather(self) -> Sequence[Sample | HistogramSample]:
        answer: Future[Gathered] = Future()
        try:
            self._loop.call_soon_threadsafe(self._read, answer)
            return answer.result(self._patience).samples
        except (TimeoutError, CancelledError, RuntimeError):  # RuntimeError: the loop is closed
            answer.cancel()
            self._count("late")
            return ()

    def _read(self, answer: Future[Gathered]) -> None:
        """On the loop."""
        if not answer.set_running_or_notify_cancel():
            return
        samples: list[Sample | HistogramSample] = []
        for reader in self._readers:
            try:
                told = list(reader())
                for sample in told:
                    check(sample)
            except Mislabelled as error:
                self._count("mislabelled")
                log.error("metrics_mislabelled", error=str(error))
            except Exception:  # one room's mistake must not blind the operator to the others
                self._count("broken")
                log.exception("metrics_reader_broken", reader=getattr(reader, "__qualname__", repr(reader)))
            else:
                samples += told
        answer.set_result(Gathered(samples))

    def _count(self, reason: str) -> None:
        with self._lock:
            self._failures[reason] += 1


def families(samples: Iterable[Sample | HistogramSample]) -> Iterator[Family]:
    """One family per metric, in the order of first appearance; samples with the same labels are added up."""
    made: dict[str, Family] = {}
    for sample in _merged(samples):
        family = made.get(sample.metric.name) or made.setdefault(sample.metric.name, _family(sample.metric))
        values = [sample.labels[label] for label in sample.metric.labels]
        if isinstance(family, HistogramMetricFamily) and isinstance(sample, HistogramSample):
            family.add_metric(values, buckets=_cumulative(sample.value), sum_value=sample.value.sum)
        elif isinstance(family, CounterMetricFamily | GaugeMetricFamily) and isinstance(sample, Sample):
            family.add_metric(values, sample.value)
    yield from made.values()


def _merged(samples: Iterable[Sample | HistogramSample]) -> Iterable[Sample | HistogramSample]:
    """Two rooms may count the same thing (two pools of one route): Prometheus refuses a page with one series twice."""
    merged: dict[tuple[str, frozenset[tuple[str, str]]], Sample | HistogramSample] = {}
    for sample in samples:
        key = (sample.metric.name, frozenset(sample.labels.items()))
        before = merged.get(key)
        if isinstance(before, Sample) and isinstance(sample, Sample):
            merged[key] = Sample(sample.metric, before.value + sample.value, sample.labels)
        elif isinstance(before, HistogramSample) and isinstance(sample, HistogramSample):
            merged[key] = HistogramSample(sample.metric, before.value + sample.value, sample.labels)
        else:
            merged[key] = sample
    return merged.values()


def _family(metric: Metric) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)


def _cumulative(snapshot: HistogramSnapshot) -> list[tuple[str, float]]:
    total = 0
    buckets = []
    for bound, count in zip([*map(str, snapshot.bounds), "+Inf"], snapshot.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
