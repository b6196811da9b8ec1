"""The Prometheus page: what rooms told on the loop, at one moment, whatever one of them does."""

import asyncio
import socket
import threading
import time
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mailgate.errors import SettingsInvalid
from mailgate.telemetry import names
from mailgate.telemetry.histogram import Histogram
from mailgate.telemetry.metrics import Metrics
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.sample import HistogramSample, Mislabelled, Sample, check

ANY = TelemetryOptions(listen="127.0.0.1:0")
BULK = {"lane": "bulk", "route": "default"}


async def scrape(metrics):
    """The page, parsed as Prometheus would: {(name, labels): value}."""

    def read():
        with urlopen(f"http://{metrics.address}/metrics", timeout=10) as page:
            return page.read().decode()

    families = text_string_to_metric_families(await asyncio.to_thread(read))
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def series(name, **labels):
    return (name, tuple(sorted(labels.items())))


async def test_readers_are_asked_on_the_loop_at_each_scrape():
    """Values are of now, and no lock is needed: the reader runs in the loop's own thread."""
    threads, ready = [], 1

    def reader():
        threads.append(threading.current_thread())
        return [Sample(names.QUEUE_READY, ready, BULK)]

    metrics = Metrics(ANY)
    metrics.register(reader)
    async with metrics:
        assert (await scrape(metrics))[series("mailgate_queue_ready", **BULK)] == 1
        ready = 2
        assert (await scrape(metrics))[series("mailgate_queue_ready", **BULK)] == 2
    assert set(threads) == {threading.current_thread()}


async def test_a_histogram_is_told_in_cumulative_buckets():
    """As Prometheus wants it: `le`, `+Inf`, count and sum."""
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.5, 5.0):
        histogram.observe(seconds)
    async with Metrics(ANY) as metrics:
        metrics.register(lambda: [HistogramSample(names.COMMIT_SECONDS, histogram.snapshot())])
        page = await scrape(metrics)
    name = "mailgate_journal_commit_seconds"
    assert [page[series(f"{name}_bucket", le=le)] for le in ("0.1", "1.0", "+Inf")] == [1, 2, 3]
    assert page[series(f"{name}_count")] == 3
    assert page[series(f"{name}_sum")] == pytest.approx(5.55)


async def test_what_two_rooms_tell_of_the_same_thing_is_added_up():
    """One series appears once on a page, or Prometheus would refuse all of it."""
    histogram = Histogram((1.0,))
    histogram.observe(0.5)
    async with Metrics(ANY) as metrics:
        for _ in range(2):
            metrics.register(lambda: [Sample(names.COMMITS, 2), HistogramSample(names.COMMIT_SECONDS, histogram.snapshot())])
        page = await scrape(metrics)
    assert page[series("mailgate_commits_total")] == 4
    assert page[series("mailgate_journal_commit_seconds_count")] == 2


async def test_a_broken_reader_costs_its_own_metrics_alone():
    """Others are told, and the failure is counted."""

    def broken():
        yield Sample(names.COMMITS, 1)
        raise LookupError("a room's mistake")

    async with Metrics(ANY) as metrics:
        metrics.register(broken)
        metrics.register(lambda: [Sample(names.QUEUE_READY, 1, {"lane": "bulk"})])
        metrics.register(lambda: [Sample(names.WATCHERS, 7)])
        page = await scrape(metrics)
    assert page[series("mailgate_watchers")] == 7
    assert series("mailgate_commits_total") not in page
    assert page[series("mailgate_scrape_failures_total", reason="broken")] == 1
    assert page[series("mailgate_scrape_failures_total", reason="mislabelled")] == 1


async def test_a_loop_that_hangs_is_seen_and_does_not_hang_the_page():
    """The process's own metrics are there, and the failure is counted."""
    pages = []

    def read(address):
        with urlopen(f"http://{address}/metrics", timeout=10) as page:
            pages.append(page.read().decode())

    async with Metrics(ANY, patience=0.1) as metrics:
        metrics.register(lambda: [Sample(names.WATCHERS, 7)])
        scraper = threading.Thread(target=read, args=(metrics.address,))
        scraper.start()
        deadline = time.monotonic() + 10
        while not pages and time.monotonic() < deadline:  # holds the loop
            time.sleep(0.01)  # noqa: ASYNC251
        scraper.join()
    assert "process_resident_memory_bytes" in pages[0]
    assert "process_cpu_seconds_total" in pages[0]
    assert 'mailgate_scrape_failures_total{reason="late"} 1.0' in pages[0]
    assert "mailgate_watchers" not in pages[0]


async def test_a_value_of_a_label_is_escaped():
    """A route named by an operator in any script, with quotes, does not break the page."""
    odd = {"lane": "bulk", "route": 'a"b\\c\nd é'}
    async with Metrics(ANY) as metrics:
        metrics.register(lambda: [Sample(names.QUEUE_READY, 1, odd)])
        assert (await scrape(metrics))[series("mailgate_queue_ready", **odd)] == 1


async def test_without_listen_there_is_no_page():
    """Off is off: no thread, no port, and rooms need not know."""
    threads = threading.active_count()
    async with Metrics(TelemetryOptions()) as metrics:
        metrics.register(lambda: [])
        assert metrics.address == ""
        assert threading.active_count() == threads


async def test_a_taken_port_is_told_with_key_and_cure():
    """No traceback for an operator's mistake: the key, what stands there, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SettingsInvalid, match=rf'telemetry\.listen = "{listen}": this port is taken.*choose another'):
            async with Metrics(TelemetryOptions(listen=listen)):
                pass


@pytest.mark.parametrize("listen", ["8626", "203.0.113.1:0", "no.such.host.invalid:0"])
async def test_an_address_that_is_not_ours_is_told_with_its_key(listen):
    """Malformed, another machine's, or nobody's."""
    with pytest.raises(SettingsInvalid, match=r"telemetry\.listen"):
        async with Metrics(TelemetryOptions(listen=listen)):
            pass


async def test_the_port_is_free_again_after():
    """Leaving the context gives the port back, even right after a scrape."""
    async with Metrics(ANY) as metrics:
        await scrape(metrics)
        listen = metrics.address
    async with Metrics(TelemetryOptions(listen=listen)) as metrics:
        assert metrics.address == listen


async def test_who_only_writes_is_told_so():
    """The page is read-only."""
    async with Metrics(ANY) as metrics:
        reader, writer = await asyncio.open_connection(*metrics.address.split(":"))
        writer.write(b"POST / HTTP/1.0\r\n\r\n")
        assert b"405" in await reader.readline()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "sample",
    [
        Sample(names.QUEUE_READY, 1, {"lane": "bulk"}),
        Sample(names.WATCHERS, 1, {"lane": "bulk"}),
        Sample(names.COMMIT_SECONDS, 1),
        HistogramSample(names.WATCHERS, Histogram().snapshot()),
    ],
)
def test_a_sample_must_fit_its_metric(sample):
    """Labels exactly, and the kind."""
    with pytest.raises(Mislabelled, match=sample.metric.name):
        check(sample)
