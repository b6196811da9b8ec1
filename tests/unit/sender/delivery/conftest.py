"""A delivery with a pool and streams that do what a test says, and clocks that it moves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from mailgate.ids import job_id
from mailgate.job import Content, Envelope, Fence, JobRecipient
from mailgate.mail import Address, Lane, Parts
from mailgate.route import Relay, Route
from mailgate.rpc.jobs import decode_body, encode_content, encode_envelope
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.traces import Tracer
from mailgate.verdict import JobVerdict, Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.delivery import deliver
from sender.delivery.deliver import Delivery
from sender.delivery.keep import Kept, Known
from sender.delivery.make import Decode
from sender.delivery.resolver import Resolver
from sender.delivery.work import Offer
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.relays import Trouble

ROUTE = "out"


class FakePool:
    """Connections by count; the test says what servers answer."""

    def __init__(self) -> None:
        self.idle = 10
        self.started: list[Handoff] = []
        self.committed: list[Handoff] = []
        self.on_commit: Callable[[], None] = lambda: None
        self.asked: Handoff | None = None
        """What was to be started last, also in vain."""
        self.withdrawn: list[Handoff] = []
        self.routes: dict[str, Route] = {}
        self.in_trouble: Trouble | None = None
        self.troubles: dict[str, Trouble] = {}
        """Of one path."""

    def open(self, path: Path) -> None:
        self.routes[path.key] = path.route

    def shut(self, key: str) -> None:
        self.routes.pop(key, None)

    def capacity(self, route: str) -> int:
        return 10

    def warm(self, route: str) -> int:
        return self.idle

    def asleep(self, key: str) -> bool:
        return not self.idle

    def trouble(self, route: str) -> Trouble | None:
        return self.troubles.get(route, self.in_trouble)

    def start(self, handoff: Handoff) -> bool:
        self.asked = handoff
        if not self.idle or handoff.path in self.troubles:
            return False
        self.idle -= 1
        self.started.append(handoff)
        return True

    def commit(self, handoff: Handoff) -> bool:
        self.committed.append(handoff)
        self.on_commit()
        return True

    def withdraw(self, handoff: Handoff) -> None:
        self.withdrawn.append(handoff)


class FakeStream:
    """A gateway's stream that keeps what it is told."""

    def __init__(self, gateway_id: str = "g") -> None:
        self.gateway_id = gateway_id
        self.said: list[tuple[str, Fence]] = []
        self.verdicts: list[tuple[Fence, JobVerdict]] = []
        self.answers: list[tuple[Fence, Known]] = []
        self.sites: dict[str, str] = {}
        self.told_news = 0

    def ready(self, fence: Fence) -> None:
        self.said.append(("ready", fence))

    def verdict(self, fence: Fence, verdict: JobVerdict) -> None:
        self.verdicts.append((fence, verdict))

    def news(self) -> None:
        self.told_news += 1

    def withdrawn(self, fence: Fence) -> None:
        self.said.append(("withdrawn", fence))

    def found(self, fence: Fence, kept: Kept | None) -> None:
        self.answers.append((fence, kept.known if kept else Known.UNKNOWN))

    def site(self, domain: str, site: str) -> None:
        self.sites[domain] = site


class Bench:
    """A delivery on the bench."""

    def __init__(self, clocks: SimpleNamespace, decode: Decode = decode_body, resolver: Resolver | None = None) -> None:
        self.clocks = clocks
        self.pool = FakePool()
        self.delivery = Delivery(decode, Tracer(TelemetryOptions(), "sender"), lambda _: self.pool, resolver)  # type: ignore[arg-type]
        self.stream = self.attach()
        self.delivery.configure(self.stream, [Route(ROUTE, (Relay("mx"),))])

    def attach(self, gateway_id: str = "g") -> FakeStream:
        stream = FakeStream(gateway_id)
        self.inventory = {fence: kept.known for fence, kept in self.delivery.attach(stream)}
        return stream

    def offer(self, number: int = 1, stream: FakeStream | None = None, **how) -> Fence:
        """Offer a mail; its fence."""
        offer = make_offer(number, **how)
        self.delivery.offer(stream or self.stream, [offer])
        return offer.fence

    def ready(self, place: int = -1) -> Handoff:
        """The server has answered 354 to the mail started last."""
        handoff = self.pool.started[place]
        self.delivery.ready(handoff)
        return handoff

    def pass_(self, seconds: float) -> None:
        self.clocks.now += seconds


def make_offer(
    number: int = 1, *, attempt: int = 1, route: str = ROUTE, lane: Lane = Lane.BULK, size: int = 0, remaining=(), recipients=1, domains=()
):
    """A mail as a frame brings it, to so many recipients of one domain, or one of each."""
    mail_id = number.to_bytes(16, "big")
    people = tuple(JobRecipient(index, f"r{index}@{domain}") for index, domain in enumerate(domains or ["example.net"] * recipients))
    envelope = encode_envelope(Envelope(mail_id, "shop@example.com", people, message_id="<1@example.com>"))
    content = encode_content(Content(Address("shop@example.com"), body=Parts("Hi", "Hello " * (size // 6))))
    return Offer(Fence(job_id(mail_id, 0), attempt), route, lane, frozenset(remaining), envelope + content)


def tried(handoff: Handoff, outcome: Outcome = Outcome.DELIVERED, phase: Phase = Phase.BODY, code: int = 250) -> Tried:
    """One outcome for all."""
    indexes = tuple(recipient.index for recipient in handoff.recipients)
    return Tried((RecipientVerdict(indexes, outcome, Reply(phase, code)),), "mx")


def dead(handoff: Handoff) -> Tried:
    """The connection turned out to be closed."""
    return tried(handoff, Outcome.DEFERRED, Phase.MAIL, 0)


@pytest.fixture
def bench(monkeypatch) -> Bench:
    """Delivery's clocks stand still until the test moves them."""
    clocks = SimpleNamespace(now=1000.0, CLOCK_BOOTTIME=7)
    clocks.monotonic = lambda: clocks.now
    clocks.perf_counter = lambda: 0.0
    clocks.time_ns = lambda: 0
    clocks.clock_gettime = lambda which: clocks.now if which == 7 else None
    monkeypatch.setattr(deliver, "time", clocks)
    return Bench(clocks)
