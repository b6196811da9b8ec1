"""A soak: the node's delivery and pool, many mails, a hostile receiver, and a gateway that changes its mind. A process of its own.

    python -m tests.chaos.soak --mails 200000 [--seed N]

It is Delivery that is driven, by a gateway's stream in this process: all that a node does after the link's frames, at a rate that lets a
million mails end within minutes; and what must be counted at each check (slots, sockets, tasks, memory) is seen from within. A mail has one
attempt, so that its outcome can be held against what the receiver took: delivered, taken once; deferred, bounced or given back, never;
in doubt, once or never. Retries are the gateway's, and are not here.

The last line on stdout is a Summary as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mmap
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import uvloop

from mailgate.job import Content, Envelope, Fence, JobRecipient
from mailgate.mail import Address, Lane, Raw
from mailgate.route import Relay, Route, TlsMode
from mailgate.rpc.jobs import decode_body, encode_content, encode_envelope
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.traces import Tracer
from mailgate.verdict import JobVerdict, Outcome, Tried
from sender.delivery.deliver import Delivery
from sender.delivery.keep import Kept, Known
from sender.delivery.work import Offer
from sender.pool.pool import Pool
from tests.chaos.hostile import MOST_RECIPIENTS, WAYS, Hostile

CONNECTIONS = 25
"""Of each route."""
LONG_EVERY = 250
"""One mail of so many is a long one."""
RECONNECT_EVERY = 7_000
"""Mails until the gateway's stream breaks and begins anew."""
WARM = 0.2
"""Of the mails: after them memory is not to grow."""
STUCK = 60.0
"""Seconds without a verdict: something has come to a halt."""
NOT_TRIED = 5
"""Beside the numbers of Outcome: given back, or taken back, unsent."""
WORDS = {**{int(outcome): outcome.name for outcome in Outcome}, NOT_TRIED: "NOT_TRIED", 0: "UNTOLD"}
TAKEN = {Outcome.DELIVERED: (1,), Outcome.IN_DOUBT: (0, 1)}
"""How often the receiver may have taken a recipient; (0,) where it is not said."""
OPEN = ("IDLE", "RESERVED", "BUSY", "RESETTING", "CLOSING")


@dataclass
class Summary:
    """What came of it."""

    mails: int = 0
    seconds: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    """Of recipients."""
    checks: int = 0
    dialled: int = 0
    wrong: list[str] = field(default_factory=list)
    """Whatever should not be, in words; the first of them."""
    warm_mb: float = 0.0
    end_mb: float = 0.0
    most_tasks: int = 0
    reconnects: int = 0
    faults: dict[str, int] = field(default_factory=dict)


def resident_mb() -> float:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def sockets() -> int:
    """That this process has open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            continue
    return found


class Mails:
    """What is sent, and an octet for what each recipient came to."""

    def __init__(self, count: int, rng: random.Random) -> None:
        self.count = count
        self.next = 0
        self.left = count
        self.outcomes = bytearray(count * MOST_RECIPIENTS)
        self._random = rng
        head = b"From: shop@example.com\r\nSubject: a mail of the soak\r\n\r\n"
        self._short = encode_content(Content(Address("shop@example.com"), body=Raw(head + b".a line of it\r\n" * 60)))
        self._long = encode_content(
            Content(Address("shop@example.com"), body=Raw(head + b"x" * 75 + b"\r\n" + (b"." * 75 + b"\r\n") * 8000))
        )

    def recipients(self, number: int) -> int:
        """How many mail `number` has: every fourth has more than one."""
        return 1 if number % 4 else 2 + number % 8 // 4

    def offer(self, route: str) -> Offer:
        """The next one."""
        number = self.next
        self.next += 1
        people = tuple([JobRecipient(place, f"{number}-{place}@example.net") for place in range(self.recipients(number))])
        name = number.to_bytes(16, "big")
        envelope = encode_envelope(Envelope(name, "shop@example.com", people))
        content = self._long if self._random.random() * LONG_EVERY < 1 else self._short
        return Offer(Fence(name, 1), route, Lane.BULK, frozenset(), envelope, content)

    def told(self, number: int, place: int, outcome: int) -> bool:
        """False: it had an outcome."""
        at = number * MOST_RECIPIENTS + place
        if self.outcomes[at]:
            return False
        self.outcomes[at] = outcome
        return True


class Gateway:
    """Delivery's Stream, and what a gateway does with it; over several streams. READYs are answered in the next turn of the loop."""

    gateway_id = "soak"

    def __init__(self, delivery: Delivery, routes: Sequence[str], mails: Mails, rng: random.Random, summary: Summary) -> None:
        self.delivery, self.routes, self.mails, self.summary = delivery, routes, mails, summary
        self.over = asyncio.Event()
        self.heard = time.monotonic()
        self._random = rng
        self._loop = asyncio.get_running_loop()
        self._in_hand: dict[Fence, str] = {}
        """And their routes."""
        self._by_route = dict.fromkeys(routes, 0)
        self._ready: list[Fence] = []
        self._settled: list[Fence] = []
        self._due = False
        self._reconnect_at = RECONNECT_EVERY
        delivery.attach(self)

    # ---- what delivery tells

    def ready(self, fence: Fence) -> None:
        self._ready.append(fence)
        self._soon()

    def verdict(self, fence: Fence, verdict: JobVerdict) -> None:
        self._settled.append(fence)
        self._end(fence, verdict)
        self._soon()

    def news(self) -> None:
        """A report is due."""

    def withdrawn(self, fence: Fence) -> None:
        self._end(fence, None)
        self._soon()

    def found(self, fence: Fence, kept: Kept | None) -> None:
        self.wrong(f"found was told of {fence}, and nobody asked")

    # ---- what a gateway does

    def wrong(self, what: str) -> None:
        """Keep the first of them."""
        if len(self.summary.wrong) < 20:
            self.summary.wrong.append(what)

    def _soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        ready, self._ready = self._ready, []
        settled, self._settled = self._settled, []
        now = []
        for fence in ready:
            chance = self._random.random()
            if chance < 0.90:
                now.append(fence)
            elif chance < 0.98:
                self._loop.call_later(0.03 * self._random.random(), self._commit, [fence])
            elif chance < 0.999:
                self.delivery.withdraw(self, [fence])
            else:
                self._loop.call_later(0.8, self._commit, [fence])  # which is too late
        self._commit(now)
        self.delivery.settled(settled)
        if self.mails.next >= self._reconnect_at:
            self._reconnect_at += RECONNECT_EVERY
            self._reconnect()
        self.top_up()

    def _commit(self, fences: list[Fence]) -> None:
        self.delivery.commit(self, [fence for fence in fences if fence in self._in_hand])

    def top_up(self) -> None:
        """Offer what the credit allows; now and then take one back at once."""
        credit = self.delivery.credit(self)
        for route in self.routes:
            room = min(credit.get((Lane.BULK, route), 0) - self._by_route[route], self.mails.count - self.mails.next)
            offers = [self.mails.offer(route) for _ in range(max(0, room))]
            for offer in offers:
                self._in_hand[offer.fence] = route
            self._by_route[route] += len(offers)
            self.delivery.offer(self, offers)
            if offers and self._random.random() < 0.01:
                self.delivery.withdraw(self, [offer.fence for offer in offers if offer.fence in self._in_hand])

    def _reconnect(self) -> None:
        """The stream breaks: what was not committed is unsent for sure, of the rest the inventory speaks, or a verdict to come."""
        self.summary.reconnects += 1
        self.delivery.detach(self)
        inventory = dict(self.delivery.attach(self))
        for fence in list(self._in_hand):
            kept = inventory.get(fence)
            if kept is None:
                self._end(fence, None)
            elif kept.known is Known.DONE and kept.verdict is not None:
                self.verdict(fence, kept.verdict)

    def _end(self, fence: Fence, verdict: JobVerdict | None) -> None:
        """None: it was given back."""
        if (route := self._in_hand.pop(fence, None)) is None:
            self.wrong(f"{fence} has a second end: {verdict}")
            return
        self.heard = time.monotonic()
        self._by_route[route] -= 1
        self.mails.left -= 1
        number = int.from_bytes(fence.job_id, "big")
        if isinstance(verdict, Tried):
            each = [(index, int(told.outcome)) for told in verdict.recipients for index in told.indexes]
        else:
            each = [(place, NOT_TRIED) for place in range(self.mails.recipients(number))]
        if sorted(place for place, _ in each) != list(range(self.mails.recipients(number))):
            self.wrong(f"{fence} has {self.mails.recipients(number)} recipients, and was told of {each}")
        for place, outcome in each:
            if not self.mails.told(number, place, outcome):
                self.wrong(f"recipient {place} of {fence} was told of twice")
        if not self.mails.left:
            self.over.set()


class Watch:
    """Looks once a second."""

    def __init__(self, pool: Pool, gateway: Gateway, most_connections: int) -> None:
        self._pool, self._gateway, self._most = pool, gateway, most_connections
        self._summary, self._mails = gateway.summary, gateway.mails
        self._tasks, self._sockets = len(asyncio.all_tasks()), sockets()

    async def run(self) -> None:
        """Until all mails have their outcome, or nothing happens any more."""
        while not self._gateway.over.is_set():
            await asyncio.sleep(1.0)
            self.look()
            if time.monotonic() - self._gateway.heard > STUCK:
                self._gateway.wrong(f"no verdict for {STUCK:g} s: {self._pool!r} {self._gateway.delivery!r}")
                return

    def look(self) -> None:
        """Dialled = closed + open, no more sockets than slots, no more tasks than dials and what is being composed."""
        summary, dialling = self._summary, 0
        summary.checks += 1
        summary.dialled = 0
        for route, counts in self._pool.stats().items():
            summary.dialled += counts.dialled
            dialling += counts.slots["DIALING"]
            opened = sum(counts.slots[state] for state in OPEN)
            if counts.dialled != counts.closed + opened:
                self._gateway.wrong(f"{route}: dialled {counts.dialled}, closed {counts.closed}, open {opened}")
        if (found := sockets() - self._sockets) > self._most:
            self._gateway.wrong(f"{found} sockets for {self._most} slots")
        tasks = len(asyncio.all_tasks()) - self._tasks
        summary.most_tasks = max(summary.most_tasks, tasks)
        done = 1 - self._mails.left / self._mails.count
        if done >= WARM and not summary.warm_mb:
            summary.warm_mb = resident_mb()

    async def at_the_end(self) -> None:
        """Everything is gone that was made on the way."""
        self._summary.end_mb = resident_mb()
        if not await self._pool.drain(10):
            self._gateway.wrong(f"not drained: {self._pool!r}")
        await asyncio.sleep(0)
        for what, now, before in (("sockets", sockets(), self._sockets), ("tasks", len(asyncio.all_tasks()), self._tasks)):
            if now != before:
                self._gateway.wrong(f"{what}: {before} at the beginning, {now} at the end")
        delivery = self._gateway.delivery
        if delivery.in_hand or delivery.unsettled:
            self._gateway.wrong(f"something is left: {delivery!r}")


def compare(mails: Mails, record: mmap.mmap, summary: Summary) -> None:
    """Outcomes against what the receiver took."""
    found: Counter[str] = Counter()
    for number in range(mails.count):
        for place in range(mails.recipients(number)):
            at = number * MOST_RECIPIENTS + place
            outcome, taken = mails.outcomes[at], record[at]
            found[WORDS[outcome]] += 1
            if (not outcome or taken not in TAKEN.get(outcome, (0,))) and len(summary.wrong) < 40:
                summary.wrong.append(f"recipient {number}-{place} is {WORDS[outcome]}, and was taken {taken} times")
    summary.outcomes = dict(sorted(found.items()))


def routes_to(ports: dict[str, int]) -> list[Route]:
    """One to each port, in a hurry: a stall costs a second or two."""
    hurry = timedelta(milliseconds=400)
    return [
        Route(
            way,
            (Relay("127.0.0.1", port),),
            tls=TlsMode.NONE,
            connections=CONNECTIONS,
            connect_timeout=timedelta(seconds=1),
            command_timeout=hurry,
            data_timeout=hurry,
            block_timeout=hurry,
            body_timeout=timedelta(seconds=1),
            idle_timeout=timedelta(seconds=3),
            max_mails_per_connection=300,
        )
        for way, port in ports.items()
    ]


async def soak(count: int, seed: int, ports: dict[str, int], summary: Summary) -> Mails:
    """All mails, to their ends."""
    rng = random.Random(seed)
    mails = Mails(count, rng)
    delivery = Delivery(decode_body, Tracer(TelemetryOptions(), "sender"), partial(Pool, secrets={}, helo="soak.example.com"))
    routes = routes_to(ports)
    async with delivery.pool as pool:
        sweeping = asyncio.create_task(delivery.sweep())
        gateway = Gateway(delivery, WAYS, mails, rng, summary)
        watch = Watch(pool, gateway, CONNECTIONS * len(routes))
        delivery.configure(gateway, routes)
        began = time.monotonic()
        gateway.top_up()
        await watch.run()
        summary.seconds = time.monotonic() - began
        await watch.at_the_end()
        sweeping.cancel()
        await delivery.close()
    return mails


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    summary = Summary(mails=options.mails)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        file = Path(name) / "taken"
        file.write_bytes(bytes(options.mails * MOST_RECIPIENTS))
        with Hostile(Path(name), options.seed, file) as hostile, file.open("r+b") as shared, mmap.mmap(shared.fileno(), 0) as record:
            mails = uvloop.run(soak(options.mails, options.seed, hostile.ports, summary))
            summary.faults = hostile.told()
            compare(mails, record, summary)
    sys.stdout.write(json.dumps(asdict(summary)) + "\n")


if __name__ == "__main__":
    main()
