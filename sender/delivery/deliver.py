"""A job on this node: decoded, composed, put on a connection, made READY, ended on COMMIT, its verdict kept until it is settled.

Everything is synchronous but the composing of large mails (composing.py): no task, timer or future a job.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from mailgate.job import Fence
from mailgate.mail import Lane
from mailgate.route import Route
from mailgate.telemetry.traces import Tracer
from mailgate.verdict import Expired, JobVerdict, NotTried, Tried
from sender.delivery.alarm import Alarm
from sender.delivery.announce import curbed, hear, turned_away
from sender.delivery.composing import Composing
from sender.delivery.credit import credits_of
from sender.delivery.direct import Direct
from sender.delivery.judge import goes_again, unknown
from sender.delivery.keep import UNSETTLED_LIMIT, Keep, Kept, Known
from sender.delivery.limits import Limits
from sender.delivery.lines import Lines
from sender.delivery.make import Decode, Made
from sender.delivery.outcomes import Outcomes
from sender.delivery.paths import Paths
from sender.delivery.placing import Elsewhere, Placing
from sender.delivery.resolver import Resolver, by_system
from sender.delivery.routes import MAX_CONNECTIONS, Routes
from sender.delivery.seen import Seen
from sender.delivery.sites import Sites
from sender.delivery.sources import Sources
from sender.delivery.tally import Tally
from sender.delivery.trace import Transactions
from sender.delivery.work import Offer, Stream, Work
from sender.pool.handoff import Handoff, Listener
from sender.pool.pool import Pool

COMMIT_VALID = 0.75
"""Seconds from READY in which a COMMIT may be acted on (promise 3)."""


def boottime() -> float:
    """Seconds, also while the machine sleeps or the process is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Delivery:
    """The pool's listener and the streams' counterpart."""

    def __init__(
        self,
        decode: Decode,
        tracer: Tracer,
        make_pool: Callable[[Listener], Pool],
        resolver: Resolver | None = None,
        max_connections: int = MAX_CONNECTIONS,
        sources: Sources | None = None,
    ) -> None:
        """`decode` raises MailgateError for bytes that are no job. `make_pool`: with its listener; who enters it is the caller's choice."""
        self.pool = pool = make_pool(self)
        self.sources = sources or Sources()
        self._keep = Keep()
        self._works: dict[Fence, Work] = {}
        self._streams: dict[str, Stream] = {}
        self.draining = False
        self.tally = Tally()
        self._composing = Composing(decode, self._resume, self.tally.compose_time)
        self._traced = Transactions(pool, tracer, time.time_ns)
        self._alarm = Alarm(self._ring)
        start = (self._traced if tracer.exports else pool).start
        self.limits = Limits(pool, time.monotonic, self._alarm.set, start)
        self.turned_away = partial(turned_away, self.limits)
        self._routes = Routes(max_connections, lambda route: len(self.sources.of(route)))
        self._lines, self._paths = Lines(self.limits), Paths(self.limits, self.sources, max_connections)
        self.sites = Sites(lambda domain, hosts: self.limits.shaping.find(domain, hosts).shape.name or None)
        direct = Direct(resolver or by_system(), self.sites, self._displace)
        self._placing = Placing(self._routes, self._paths, direct, time.monotonic, self.limits.is_elsewhere)
        self.outcomes = Outcomes(self._paths.opened)
        self.seen = Seen(pool, self._paths.opened, self._lines, self.outcomes, self.limits.held)

    def __repr__(self) -> str:
        return f"<Delivery works={len(self._works)} streams={len(self._streams)} {self._keep!r}>"

    @property
    def warm(self) -> int:
        """Open connections, over all routes."""
        return self._paths.warm

    @property
    def in_hand(self) -> int:
        """Jobs that are neither done nor dropped."""
        return len(self._works)

    @property
    def unsettled(self) -> int:
        """Verdicts that no gateway has settled."""
        return self._keep.all_unsettled

    # ------------------------------------------------------------------ the streams

    def attach(self, stream: Stream) -> list[tuple[Fence, Kept]]:
        """A gateway's stream begins; one that it had before must have been detached. Its inventory."""
        self._streams[stream.gateway_id] = stream
        self._routes.join(stream.gateway_id)
        return self._keep.inventory(stream.gateway_id)

    def detach(self, stream: Stream) -> None:
        """The stream is over: drop every uncommitted job of it at once."""
        if self._streams.get(stream.gateway_id) is stream:
            del self._streams[stream.gateway_id]
            self._routes.leave(stream.gateway_id, time.monotonic())
        for work in [work for work in self._works.values() if work.stream is stream and not work.committed]:
            self._drop(work)

    def drop_uncommitted(self) -> None:
        """Give back, unsent, whatever no server has the end of."""
        for work in [work for work in self._works.values() if not work.committed]:
            work.stream.withdrawn(work.offer.fence)
            self._drop(work)

    def configure(self, stream: Stream, routes: Iterable[Route], removed: Iterable[str] = ()) -> None:
        """Routes of the stream's gateway: all of them, or later on those that are new or changed, and names of those that are gone."""
        curbed(stream.gateway_id, self._routes.tell(stream.gateway_id, routes, removed))
        self._paths.configure(self._routes.served)

    def offer(self, stream: Stream, offers: Sequence[Offer]) -> None:
        """Make these ready."""
        now = time.monotonic()
        touched = set()
        for offer in offers:
            if not self._keep.hold(stream.gateway_id, offer.fence):
                self._again(stream, offer.fence)
            elif offer.route not in self._routes.served:
                self._refuse(stream, offer.fence, unknown(offer.route))
            else:
                work = self._works[offer.fence] = Work(offer, stream, now)
                if self._made(work, self._composing.compose(work)):
                    touched.add(self._lines.wait(work))
        for path in touched:
            self._lines.pump(path)

    def commit(self, stream: Stream, fences: Iterable[Fence]) -> None:
        """Write the end of these bodies, if their READY is not too long ago; the next mails may follow in the same write."""
        touched = set()
        for fence in fences:
            work = self._works.get(fence)
            if work is None or work.stream is not stream or work.ready_at is None or work.committed or work.handoff is None:
                continue  # lost or dropped here meanwhile: its word is on the way
            if work.ready_at < boottime() - COMMIT_VALID:  # asked for each: the process may be stopped between two
                self.tally.expired += 1
                self._traced.withdraw(work.handoff)
                self._finish(work, Expired())
            else:
                work.committed = True
                self._keep.commit(fence)
                self.pool.commit(work.handoff)
                touched.add(work.handoff.path)
        for path in touched:
            self._lines.pump(path)

    def withdraw(self, stream: Stream, fences: Iterable[Fence]) -> None:
        """Drop these, unless they are committed."""
        for fence in fences:
            work = self._works.get(fence)
            if work is not None and not work.committed:
                self._drop(work)
                stream.withdrawn(fence)

    def lookup(self, stream: Stream, fences: Iterable[Fence]) -> None:
        """Say what is known; what is only held is dropped thereby."""
        for fence in fences:
            kept = self._keep.get(fence)
            stream.found(fence, kept)
            work = self._works.get(fence)
            if kept is not None and kept.known is Known.HELD and work is not None:
                self._drop(work)

    def settled(self, fences: Iterable[Fence]) -> None:
        """Their verdicts are recorded."""
        self._keep.settle(fences)

    def credit(self, stream: Stream) -> dict[tuple[Lane, str], int]:
        """What the stream's gateway may have in hand."""
        if self.draining or self._keep.unsettled(stream.gateway_id) >= UNSETTLED_LIMIT:
            return {}
        return credits_of(self._paths.capacities(time.monotonic()), len(self._streams), self.limits.jobs())

    def all_credit(self) -> dict[tuple[Lane, str], int]:
        """What all gateways together may have in hand."""
        return {} if self.draining else credits_of(self._paths.capacities(time.monotonic()), 1, self.limits.jobs())

    # ------------------------------------------------------------------ the pool's listener

    def ready(self, handoff: Handoff) -> None:
        """The server has answered 354."""
        work = self._works.get(handoff.fence)
        if work is not None and work.handoff is handoff:
            work.ready_at = boottime()
            work.stream.ready(handoff.fence)

    def done(self, handoff: Handoff, tried: Tried) -> None:
        """Every recipient has its outcome."""
        work = self._works.get(handoff.fence)
        if work is None or work.handoff is not handoff:
            return
        if hear(self.limits, handoff.path, tried) and goes_again(work, tried, self._paths.get(handoff.path)):
            work.under_way, work.ready_at = False, None
            self._lines.again(work)
            return
        self.tally.tried(handoff.route, tried)
        self.outcomes.tried(handoff.path, tried)
        if handoff.traceparent:
            self._traced.over(handoff, tried)
        self._finish(work, tried)

    def idle(self, path: str) -> None:
        """A connection has become idle."""
        if self._paths.comes_up(path):
            for stream in self._streams.values():
                stream.news()
        self._lines.pump(path)

    # ------------------------------------------------------------------ a job's way

    def _made(self, work: Work, made: Made | Elsewhere | None) -> bool:
        """It may wait for a connection now. False: it may not yet, or it has its end, and the gateway was told."""
        if isinstance(made, Handoff):
            made = self._placing.place(work, made)
        if isinstance(made, NotTried | Tried):
            self._finish(work, made)
        elif isinstance(made, Elsewhere):
            self.withdraw(work.stream, [work.offer.fence])
        return isinstance(made, Handoff)

    def _displace(self, stranded: Iterable[Work]) -> None:
        """Each to another way out of its route as it is now, or to where its domain leads, or back to its gateway."""
        for work in stranded:
            if work.handoff is not None:
                self._resume(work, work.handoff)

    def _resume(self, work: Work, made: Made) -> None:
        """It has come to this only now: it waits for a connection, if it may."""
        if self._made(work, made):
            self._lines.pump(self._lines.wait(work))

    def _finish(self, work: Work, verdict: JobVerdict) -> None:
        """Keep the verdict and tell the gateway, if it has a stream now; else the next inventory does."""
        del self._works[work.offer.fence]
        if (stream := self._streams.get(self._keep.done(work.offer.fence, verdict))) is not None:
            stream.verdict(work.offer.fence, verdict)

    def _drop(self, work: Work) -> None:
        """Forget an uncommitted job: certainly unsent."""
        work.dropped = True
        del self._works[work.offer.fence]
        self._keep.drop(work.offer.fence)
        if work.under_way and work.handoff is not None:
            self._traced.withdraw(work.handoff)

    def _again(self, stream: Stream, fence: Fence) -> None:
        """Offered though it is here: a verdict is told again, what is under way will have one."""
        if (kept := self._keep.get(fence)) is not None and kept.verdict is not None:
            stream.verdict(fence, kept.verdict)

    def _refuse(self, stream: Stream, fence: Fence, verdict: NotTried) -> None:
        self._keep.done(fence, verdict)
        stream.verdict(fence, verdict)

    # ------------------------------------------------------------------ time

    async def sweep(self) -> None:
        """Looks round four times a second, until cancelled."""
        while True:
            await asyncio.sleep(0.25)
            self.look_round()

    def look_round(self) -> None:
        """What time alone brings: other sources, jobs whose way is gone or can't be reached, and jobs that have waited too long."""
        now = time.monotonic()
        if self._routes.prune(now, renewed=self.sources.renewed()):
            self._paths.configure(self._routes.served)
        self._displace(self._lines.stranded(self._paths.opened))
        self.sources.trouble(self._paths.troubles())
        for work, verdict in (*self._placing.late(now, self._lines.waiting), *self._lines.late(now)):
            self._finish(work, verdict)
        self.limits.prune()

    def _ring(self) -> None:
        """What a limit has held up may go now."""
        self._lines.ring()

    async def close(self) -> None:
        """Cancel what is being composed, and what waits for its time."""
        self._alarm.stop()
        await self._placing.close()
        await self._composing.close()
