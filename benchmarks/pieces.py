"""The small parts of the hot path, each alone on one core: microseconds a piece, and some of them against an obvious peer.

    python benchmarks/pieces.py [--quick] [--json]

All pieces alternate; the median of the rounds counts, `*_min_us` is the fastest. Each round has new inputs, made before the clock runs:
values decoded anew have no hash yet, as at a node. `fresh` composes a content never seen, `again` one of a batch.

A ratio is the peer's time by ours: above 1, ours is faster. Protobuf alone is no peer but the floor of `decode_body`; `pick_of_16_vs_2` is
near 1 when nodes cost nothing; `mask_growth` is the time of texts twice as long by that of texts once as long: 2 is linear.
"""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from email.headerregistry import Address as EmailAddress
from itertools import count, repeat
from pathlib import Path
from random import random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as PrometheusHistogram

from benchmarks.peers.email_package import shown, with_email
from benchmarks.report import Report, alternate, arguments, median
from gateway.admission.addresses import parse
from gateway.admission.drafting import Call, Drafter
from gateway.admission.limits import Limits
from gateway.admission.routing import Routes
from gateway.admission.tenants import Tenant
from gateway.balancing.least_connections import LeastConnections
from gateway.balancing.policies import make_picker
from gateway.dispatch.choice import Choice
from gateway.dispatch.feeder import Feeder
from gateway.dispatch.hand import Hand
from gateway.dispatch.link import Load
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member
from gateway.dispatch.retry import Backoff, conclude
from gateway.dispatch.window import Window
from gateway.events.hub import Hub
from gateway.ledger.fact import Fact
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.port import Accepted
from gateway.registry.port import NodeRecord
from mailgate.api.node.v1 import node_pb2
from mailgate.ids import RANDOM_OCTETS, mail_of
from mailgate.job import Job, JobBody
from mailgate.mail import Address, BatchEntry, EventType, Lane, Mail, Parts, RecipientState
from mailgate.route import Relay, Route
from mailgate.rpc.jobs import decode_body, encode_content, encode_envelope
from mailgate.rpc.verdicts import verdict_from_proto, verdict_to_proto
from mailgate.telemetry.histogram import LATENCIES, Histogram
from mailgate.telemetry.logs import configure, get_logger, mask
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.traces import Tracer
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.compose.message import compose

INPUTS = 256
"""Of a round: more than the contents that composing keeps, so that none of a round of fresh ones is found in the next."""
TINY = 2000
"""Of a round, where one takes less than a microsecond."""

AUTHOR = Address("news@example.com", "Example News")
TEXT = Parts("Your order is on its way", "Dear customer, what you have ordered is on its way to you; it comes soon.\n" * 27)
HTML = Parts(TEXT.subject, TEXT.text, "<p>Grüße aus Köln: was Sie <b>bestellt</b> haben, ist unterwegs zu Ihnen.</p>\n" * 39)
"""2 KB of text, and with it 3 KB of HTML."""

NOW_MS = 1_790_000_000_000
TENANT = Tenant("acme", ("example.com",))
DRAFTER = Drafter(Routes([Route("out", (Relay("127.0.0.1"),))]), Limits(), encode_envelope, encode_content)
BACKOFF = Backoff(60_000, 1_800_000, 0.2)
SERIAL = count()
"""Tells an input from all before it."""


def tried(outcome: Outcome, reply: Reply) -> Tried:
    """A verdict as nodes give it."""
    return Tried((RecipientVerdict((0,), outcome, reply),), "mx.example.net", "192.0.2.1:25", "TLSv1.3", 12_345)


DELIVERED = tried(Outcome.DELIVERED, Reply(Phase.BODY, 250, "2.0.0", "Ok: queued as 4XyZ12abcd"))
DEFERRED = tried(Outcome.DEFERRED, Reply(Phase.RCPT, 451, "4.7.1", "try again later", "greylisted"))


@dataclass(frozen=True)
class Piece:
    """What a round times: `work` on each of the inputs that `make` gives for it, `of` things in each."""

    work: Callable[[Any], object]
    make: Callable[[], Iterable[Any]]
    of: int = 1

    def __call__(self) -> float:
        """Microseconds a thing, of which the loop takes some 0.01 and calling a lambda 0.03."""
        inputs, work = list(self.make()), self.work
        gc.disable()
        start = time.perf_counter()
        for each in inputs:
            work(each)
        seconds = time.perf_counter() - start
        gc.enable()
        return seconds / len(inputs) / self.of * 1e6


def address() -> Address:
    """A recipient whom nobody has written to, at one of 50 domains."""
    number = next(SERIAL)
    return Address(f"someone.else{number}@mail{number % 50}.example.org")


def entries() -> list[BatchEntry]:
    """A batch to one each."""
    return [BatchEntry((address(),)) for _ in range(INPUTS)]


def draft(parts: Parts, of: Sequence[BatchEntry]) -> list[Job]:
    """Admission without the ledger: a batch checked, routed, and encoded."""
    call = Call(TENANT, NOW_MS, os.urandom(RANDOM_OCTETS * (len(of) + 1)))
    _, drafted = DRAFTER.batch(call, Mail(AUTHOR, content=parts), of)
    return [job for each in drafted if isinstance(each, Accepted) for job in each.jobs]


def jobs() -> list[Job]:
    """Of one batch."""
    return draft(TEXT, entries())


def data() -> list[bytes]:
    """What a node is offered."""
    return [job.envelope + job.content for job in jobs()]


def again(parts: Parts) -> list[JobBody]:
    """Decoded jobs of a batch that a node has sent a mail of before."""
    first, *rest = [decode_body(job.envelope + job.content) for job in draft(parts, entries())]
    compose(first)
    return rest


def fresh(parts: Parts) -> list[JobBody]:
    """Decoded jobs, each of a content of its own."""
    found = []
    for entry in entries():
        serial = next(SERIAL)
        own = Parts(f"{parts.subject}: {serial}", f"{parts.text}{serial}\n", f"{parts.html}<p>{serial}</p>\n" if parts.html else "")
        found += [decode_body(job.envelope + job.content) for job in draft(own, [entry])]
    return found


def personal() -> list[JobBody]:
    """Decoded jobs of a batch with variables, its templates compiled."""
    own = Parts(f"{HTML.subject}, {{{{ name }}}}", f"Dear {{{{ name }}}}\n{HTML.text}", f"<h1>{{{{ name }}}}</h1>{HTML.html}")
    named = [replace(entry, variables=b'{"name": "Ann %d"}' % next(SERIAL)) for entry in entries()]
    first, *rest = [decode_body(job.envelope + job.content) for job in draft(own, named)]
    compose(first)
    return rest


def facts() -> Iterable[tuple[Fact, ...]]:
    """Frames of what became durable."""
    frame = tuple(Fact(job.tenant, mail_of(job.id), 0, 2, EventType.DELIVERED, RecipientState.DELIVERED, NOW_MS) for job in jobs()[:100])
    return repeat(frame, 100)


def nodes(number: int) -> list[Member]:
    """Ready ones, with some jobs in hand."""
    found = []
    for index in range(number):
        member = Member(NodeRecord(f"n{index:02}", bytes([index]) * 16, "127.0.0.1:1", "1"), 1 << 30)
        member.load = Load(1, False, 20, 0, 0)
        for job in jobs()[: index * 7 % 16]:
            member.hand.offer(job)
        found.append(member)
    return found


def crowd(keys: int) -> Piece:
    """A job leaves a hand and the next of its key goes, while so many keys wait without room on two nodes."""
    window, (model, *_), in_hand = Window(1 << 20, 1 << 40), jobs(), deque[tuple[Member, Job]]()
    members = [Member(NodeRecord(name, name.encode() * 16, "127.0.0.1:1", "1"), 1 << 30) for name in "ab"]

    def offer(member: Member, job: Job) -> None:
        member.hand.offer(job)
        in_hand.append((member, job))

    feeder = Feeder(window, Losses(2, 3), Choice(lambda _: make_picker("least_connections", random)), offer, lambda _: True)
    for member in members:
        member.joined(member.boot_id, "1")
        member.report(Load(False, 1, 0, {(lane, "direct/"): 2 for lane in Lane}))
    made = [replace(model, id=next(SERIAL).to_bytes(18, "big"), route="direct", site_key=f"direct/{n % keys}") for n in range(6 * keys)]
    window.put(made)
    feeder.feed(members, time.monotonic())

    def leave(left: tuple[Member, Job]) -> None:
        member, job = left
        member.hand.settle(job.fence)
        window.put([job])
        feeder.feed(members, time.monotonic())

    return Piece(leave, lambda: [in_hand.popleft() for _ in range(INPUTS // 4)])


def rubbish(octets: int) -> list[dict[str, Any]]:
    """Texts that make an expression for addresses slow if anything does."""
    texts = ("a" * octets, '"' * octets, "a@" * (octets // 2), '"a' * (octets // 2) + "@")
    return [{"exception": f"{text} @"} for text in texts]


def at_the_gateway() -> dict[str, Piece]:
    """From a call to the offer, and from a verdict to the conclusion."""
    hand, hub, overheard = Hand(1 << 30), Hub(MemoryLedger().describe), Hub(MemoryLedger().describe)
    overheard.watch("other")
    picker, two, sixteen = LeastConnections(random), nodes(2), nodes(16)

    def through(job: Job) -> None:
        hand.offer(job)
        hand.begin(job.fence)
        hand.commit(job.fence)
        hand.settle(job.fence)

    return {
        "parse": Piece(parse, lambda: [address().email for _ in range(TINY)]),
        "parse_by_email": Piece(lambda text: EmailAddress(addr_spec=text), lambda: [address().email for _ in range(INPUTS)]),
        "batch_entry": Piece(lambda batch: draft(TEXT, batch), lambda: [entries()], INPUTS),
        "hand": Piece(through, jobs),
        "pick_of_2": Piece(picker.pick, lambda: repeat(two, TINY)),
        "pick_of_16": Piece(picker.pick, lambda: repeat(sixteen, TINY)),
        "feed_among_5000_keys": crowd(5000),
        "conclude_delivered": Piece(lambda job: conclude(job, DELIVERED, "n1", NOW_MS, BACKOFF, 0.5), jobs),
        "conclude_deferred": Piece(lambda job: conclude(job, DEFERRED, "n1", NOW_MS, BACKOFF, 0.5), jobs),
        "publish_frame_to_nobody": Piece(hub.publish, facts),
        "publish_fact_to_others": Piece(overheard.publish, facts, 100),
    }


def on_the_link() -> dict[str, Piece]:
    """Between values and bytes."""
    message = node_pb2.JobVerdict.FromString
    wires = [verdict_to_proto(job.fence, DELIVERED).SerializeToString() for job in jobs()]
    return {
        "encode_envelope": Piece(encode_envelope, lambda: [decode_body(each).envelope for each in data()]),
        "decode_body": Piece(decode_body, data),
        "decode_body_of_a_batch": Piece(lambda job: decode_body(job.envelope, job.content), jobs),
        "decode_by_protobuf": Piece(node_pb2.JobBody.FromString, data),
        "encode_verdict": Piece(lambda job: verdict_to_proto(job.fence, DELIVERED).SerializeToString(), jobs),
        "decode_verdict": Piece(lambda wire: verdict_from_proto(message(wire)), lambda: wires),
    }


def composing() -> dict[str, Piece]:
    """At the node."""
    for body in fresh(TEXT)[:1] + fresh(HTML)[:1]:
        if shown(compose(body)) != shown(with_email(body)):
            raise RuntimeError(f"not the same mail:\n{compose(body).decode()}\n\n{with_email(body).decode()}")
    return {
        "compose_text_fresh": Piece(compose, lambda: fresh(TEXT)),
        "compose_text_again": Piece(compose, lambda: again(TEXT)),
        "compose_text_by_email": Piece(with_email, lambda: fresh(TEXT)[:32]),
        "compose_html_fresh": Piece(compose, lambda: fresh(HTML)),
        "compose_html_again": Piece(compose, lambda: again(HTML)),
        "compose_html_with_variables": Piece(compose, personal),
        "compose_html_by_email": Piece(with_email, lambda: fresh(HTML)[:32]),
    }


def observing(tracer: Tracer) -> dict[str, Piece]:
    """What is there for operators, and is off or counted on the hot path."""
    configure(TelemetryOptions(), io.StringIO())
    log, standard = get_logger("pieces"), logging.getLogger("pieces")
    log.info("warm")
    ours, theirs = Histogram(LATENCIES), PrometheusHistogram("x", "x", buckets=LATENCIES, registry=CollectorRegistry())
    otel = TracerProvider(TraceIdRatioBased(0.001), shutdown_on_exit=False).get_tracer("pieces")
    seconds = [random() ** 4 for _ in range(TINY)]
    return {
        "observe": Piece(ours.observe, lambda: seconds),
        "observe_by_prometheus": Piece(theirs.observe, lambda: seconds),
        "trace_unsampled": Piece(lambda name: tracer.begin(name).end(), lambda: repeat("SendMail", TINY)),
        "trace_by_opentelemetry": Piece(lambda name: otel.start_span(name).end(), lambda: repeat("SendMail", INPUTS)),
        "log_off": Piece(lambda event: log.debug(event, email="a@b.example"), lambda: repeat("rcpt", TINY)),
        "log_by_logging": Piece(lambda event: standard.debug("%s %s", event, "a@b.example"), lambda: repeat("rcpt", TINY)),
        "mask_20k": Piece(lambda event: mask(None, "info", event), lambda: rubbish(20_000)),
        "mask_40k": Piece(lambda event: mask(None, "info", event), lambda: rubbish(40_000)),
    }


RATIOS = {
    "parse_vs_email": ("parse_by_email", "parse"),
    "compose_vs_email": ("compose_text_by_email", "compose_text_fresh"),
    "compose_again_vs_email": ("compose_text_by_email", "compose_text_again"),
    "compose_html_vs_email": ("compose_html_by_email", "compose_html_fresh"),
    "compose_with_variables_vs_email": ("compose_html_by_email", "compose_html_with_variables"),
    "compose_html_again_vs_email": ("compose_html_by_email", "compose_html_again"),
    "decode_vs_protobuf": ("decode_by_protobuf", "decode_body"),
    "observe_vs_prometheus": ("observe_by_prometheus", "observe"),
    "trace_vs_opentelemetry": ("trace_by_opentelemetry", "trace_unsampled"),
    "log_off_vs_logging": ("log_by_logging", "log_off"),
    "pick_of_16_vs_2": ("pick_of_2", "pick_of_16"),
    "mask_growth": ("mask_40k", "mask_20k"),
}


async def measure(report: Report, *, quick: bool) -> None:
    """All of it into the report. The endpoint is never dialled: nothing is sampled."""
    telemetry = TelemetryOptions(otlp_endpoint="http://127.0.0.1:9", sample_ratio=0.001)
    async with Tracer(telemetry, "gateway", random=lambda: 0.5) as tracer:
        pieces = at_the_gateway() | on_the_link() | composing() | observing(tracer)
        alternate(pieces, 3)
        rounds = alternate(pieces, 60 if quick else 300, seconds=30 if quick else 150)
    medians = {name: median(found) for name, found in rounds.items()}
    for name, found in rounds.items():
        report.figure(f"{name}_us", medians[name])
        report.figure(f"{name}_min_us", min(found))
    for name, (above, below) in RATIOS.items():
        report.ratio(name, medians[above] / medians[below])


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("pieces", json=options.json)
    asyncio.run(measure(report, quick=options.quick))
    report.finish()


if __name__ == "__main__":
    main()
