"""Frames of a Deliver stream ⇄ what dispatch speaks. Small things first: a COMMIT never waits behind bodies."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from gateway.dispatch.link import Answer, Heard, Hello, Known, Load, NodeSource, Share
from gateway.rpc.shared import SharedContents, Sharing
from gateway.rpc.sites import lines_from_proto, reports_from_proto
from mailgate.api.node.v1 import node_pb2
from mailgate.errors import JobUnreadable
from mailgate.job import Fence, Job
from mailgate.mail import Lane
from mailgate.route import Route
from mailgate.rpc.verdicts import verdict_from_proto
from mailgate.shaping.shaping import Shaping
from mailgate.telemetry.logs import get_logger
from mailgate.verdict import JobVerdict

FRAME_OCTETS = 256 * 1024
"""Bodies in a frame; a larger job goes alone (design, section 5)."""
LANES = frozenset(int(lane) for lane in Lane)
KNOWN = frozenset(int(known) for known in Known)

log = get_logger(__name__)


class Outgoing:
    """What waits to be written to one node. `next_frame` takes as much as fits; synchronous, called by the link's writer alone."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._shared = SharedContents()
        self._routes: dict[str, Route | None] = {}
        """By name, as they are now; None: gone."""
        self._version: str | None = None
        self._shaping: Shaping | None = None
        self._commits: list[Fence] = []
        self._withdraws: list[Fence] = []
        self._settled: list[Fence] = []
        self._lookups: list[Fence] = []
        self._traces: Sequence[str] | None = None
        self._shares: dict[tuple[str, str], Share] = {}

    def __bool__(self) -> bool:
        waiting = self._jobs or self._commits or self._settled or self._withdraws or self._lookups or self._shares
        return bool(waiting) or self._version is not None or self._traces is not None

    def offer(self, job: Job) -> None:
        """After the routes that it needs."""
        self._jobs.append(job)

    def routes(self, version: str, routes: Iterable[Route], gone: Iterable[str]) -> None:
        """Before the jobs that wait here: those new or changed, names of those that are gone, and the version that the node has then."""
        self._version = version
        self._routes |= {route.name: route for route in routes} | dict.fromkeys(gone)

    def trace(self, site_keys: Sequence[str]) -> None:
        """In the next frame."""
        self._traces = site_keys

    def share(self, share: Share) -> None:
        """In the next frame, before the jobs that wait here."""
        self._shares[share.source, share.site_key] = share

    def shaping(self, shaping: Shaping) -> None:
        """With the routes that are told next."""
        self._shaping = shaping

    def commit(self, fences: Iterable[Fence]) -> None:
        """First in the next frame."""
        self._commits += fences

    def settled(self, fences: Iterable[Fence]) -> None:
        """In the next frame."""
        self._settled += fences

    def lookup(self, fences: Iterable[Fence]) -> None:
        """In the next frame."""
        self._lookups += fences

    def withdraw(self, fences: Iterable[Fence]) -> None:
        """In the next frame, and an offer that is still here is not sent."""
        fences = set(fences)
        waiting = {job.fence for job in self._jobs if job.fence in fences}
        if waiting:
            self._jobs = deque(job for job in self._jobs if job.fence not in waiting)
        self._withdraws += fences - waiting

    def next_frame(self) -> node_pb2.DeliverRequest:
        """Everything small, and bodies up to FRAME_OCTETS."""
        frame = node_pb2.DeliverRequest()
        put_fences(frame.commits, self._commits)
        put_fences(frame.settled, self._settled)
        put_fences(frame.withdraws, self._withdraws)
        put_fences(frame.lookups, self._lookups)
        self._commits, self._settled, self._withdraws, self._lookups = [], [], [], []
        if self._shaping is not None:
            frame.shaping.text, frame.shaping.version = self._shaping.text, self._shaping.version
            self._shaping = None
        if self._version is not None:
            self._put_routes(frame, self._version)
        for share in self._shares.values():
            frame.shares.add(source=share.source, site_key=share.site_key, part=share.part, parts=share.parts, spent=share.spent)
        self._shares = {}
        if self._traces is not None:
            frame.traces.SetInParent()
            frame.traces.site_keys.extend(self._traces)
            self._traces = None
        size = 0
        while self._jobs and (size == 0 or size + self._shared.octets(self._jobs[0]) <= FRAME_OCTETS):
            job = self._jobs.popleft()
            size += self._shared.octets(job)
            put_offer(frame, job, self._shared.share(job))
        frame.forget_contents.extend(self._shared.forget())
        return frame

    def _put_routes(self, frame: node_pb2.DeliverRequest, version: str) -> None:
        frame.settings_version = version
        frame.routes.extend([route_to_proto(route) for route in self._routes.values() if route is not None])
        frame.removed_routes.extend([name for name, route in self._routes.items() if route is None])
        self._routes, self._version = {}, None


def put_fences(field: object, fences: Iterable[Fence]) -> None:
    """Write fences into a repeated field."""
    add = field.add  # type: ignore[attr-defined]
    for job_id, attempt in fences:
        message = add()
        message.job_id, message.attempt = job_id, attempt


def put_offer(frame: node_pb2.DeliverRequest, job: Job, sharing: Sharing) -> None:
    """Write a job into a frame, and what it shares with others as far as the node has not got it."""
    offer = frame.jobs.add(route=job.route, lane=job.lane.value, job=job.envelope if sharing.content else job.envelope + job.content)
    if sharing.content:
        offer.content_id = sharing.content
    if sharing.files:
        offer.file_ids.extend(sharing.files)
    for digest, data in sharing.bring:
        frame.contents.add(id=digest, data=data)
    offer.fence.job_id, offer.fence.attempt = job.id, job.attempt
    if job.partial:
        offer.remaining.extend(job.recipients)
    if job.source:
        offer.source = job.source
    if job.site_key != job.route:
        offer.site_key = job.site_key


def route_to_proto(route: Route) -> node_pb2.RouteConfig:
    """A route, as the node needs it."""
    message = node_pb2.RouteConfig(
        name=route.name,
        tls=route.tls.value,  # type: ignore[arg-type]
        verify=route.verify,
        username=route.username,
        secret=route.secret,
        connections=route.connections,
        connect_timeout_ms=int(route.connect_timeout.total_seconds() * 1000),
        command_timeout_ms=int(route.command_timeout.total_seconds() * 1000),
        body_timeout_ms=int(route.body_timeout.total_seconds() * 1000),
        idle_timeout_ms=int(route.idle_timeout.total_seconds() * 1000),
        max_mails_per_connection=route.max_mails_per_connection,
        pipelining=route.pipelining,
        chunking=route.chunking,
        data_timeout_ms=int(route.data_timeout.total_seconds() * 1000),
        block_timeout_ms=int(route.block_timeout.total_seconds() * 1000),
        auth=route.auth.value,  # type: ignore[arg-type]
        server_name=route.server_name,
        certificates=route.certificates,
        failover=route.failover,
        min_idle=route.min_idle,
        max_age_ms=int(route.max_age.total_seconds() * 1000),
        sources=route.sources,
        dsn_notify=[each.value for each in route.dsn_notify],  # type: ignore[misc]
        dsn_return=route.dsn_return.value,  # type: ignore[arg-type]
        homed=route.homed,
    )
    if route.mx:
        message.mx_port = route.mx_port
    for relay in route.relays:
        message.relays.add(host=relay.host, port=relay.port, preference=relay.preference, weight=relay.weight)
    return message


def heard_from_proto(frame: node_pb2.DeliverResponse) -> Heard:
    """A node's frame. A verdict that this release cannot read is logged: the attempt ends as a doubt, not as a crash."""
    verdicts = [_verdict(message) for message in frame.verdicts]
    return Heard(
        hello=hello_from_proto(frame.hello) if frame.HasField("hello") else None,
        load=load_from_proto(frame.load) if frame.HasField("load") else None,
        verdicts=tuple([(fence, verdict) for fence, verdict in verdicts if verdict is not None]),
        unreadable=tuple([fence for fence, verdict in verdicts if verdict is None]),
        withdrawn=tuple([Fence(fence.job_id, fence.attempt) for fence in frame.withdrawn]),
        found=tuple([_answer(message) for message in frame.found]),
        ready=tuple([Fence(fence.job_id, fence.attempt) for fence in [ready.fence for ready in frame.ready]]),
        sites=tuple([(each.domain, each.site) for each in frame.sites]),
        sources=sources_from_proto(frame.sources.sources) if frame.HasField("sources") else None,
        traces=lines_from_proto(frame.traces) if frame.traces else (),
    )


def hello_from_proto(message: node_pb2.NodeHello) -> Hello:
    """The first frame's news."""
    inventory = tuple([_answer(answer) for answer in message.inventory])
    sources = sources_from_proto(message.sources)
    return Hello(message.node_id, message.boot_id, message.version, inventory, sources, message.protocol)


def sources_from_proto(messages: Iterable[node_pb2.Source]) -> tuple[NodeSource, ...]:
    """What a node sends from."""
    return tuple([NodeSource(each.name, each.pool, each.trouble, tuple(each.warnings), tuple(each.addresses)) for each in messages])


def load_from_proto(message: node_pb2.LoadReport) -> Load:
    """A load report."""
    credit = {(Lane(c.lane), c.site_key): c.jobs for c in message.credits if c.lane in LANES}
    sites = reports_from_proto(message.sites)
    return Load(message.draining, message.warm, message.service_time_us, credit, message.settings_version, sites, message.in_hand)


def _answer(message: node_pb2.LookupAnswer) -> Answer:
    fence = Fence(message.fence.job_id, message.fence.attempt)
    if message.state not in KNOWN:  # of another release: whatever it means, it does not say that nothing was sent
        return Answer(fence, Known.DONE)
    known = Known(message.state)
    return Answer(fence, known, _verdict(message.verdict)[1] if known is Known.DONE else None)


def _verdict(message: node_pb2.JobVerdict) -> tuple[Fence, JobVerdict | None]:
    try:
        return verdict_from_proto(message)
    except JobUnreadable as error:
        log.error("verdict_unreadable", reason=str(error))
        return Fence(message.fence.job_id, message.fence.attempt), None
