"""Frames of a Deliver stream ⇄ what delivery speaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mailgate import __version__
from mailgate.api.node.v1 import node_pb2
from mailgate.errors import Invalid
from mailgate.job import Fence
from mailgate.mail import Lane
from mailgate.route import EVEN, HASHED, LINE_TIMEOUT, MAX_AGE, MX_PORT, AuthMode, DsnNotify, DsnReturn, Relay, Route, TlsMode
from mailgate.rpc.verdicts import verdict_to_proto
from mailgate.verdict import JobVerdict
from sender.delivery.keep import Kept
from sender.delivery.seen import Site
from sender.delivery.sources import Standing
from sender.delivery.tracing import Line
from sender.delivery.work import Offer

FRAME_VERDICTS = 1000
"""Verdicts in a frame: some 100 KiB."""
TEXT = 512
"""Characters of what is told of a site."""
LANES = frozenset(int(lane) for lane in Lane)
TLS_MODES = frozenset(int(mode.value) for mode in TlsMode)
AUTH_MODES = frozenset(int(mode.value) for mode in AuthMode)
DSN_NOTIFY = frozenset(int(each.value) for each in DsnNotify)
DSN_RETURN = frozenset(int(each.value) for each in DsnReturn)


@dataclass(frozen=True, slots=True)
class Report:
    """How the node is, as of now."""

    draining: bool
    warm: int
    service_us: int
    credit: Mapping[tuple[Lane, str], int]
    settings_version: str = ""
    """As the stream's gateway said last."""
    sites: Sequence[Site] = ()
    """Of which the gateway is to be told."""
    now: float = 0.0
    """Monotonic seconds."""
    in_hand: int = 0
    """Jobs of all gateways."""


class Outgoing:
    """What waits to be written to one gateway. `next_frame` is called by the stream's writer alone."""

    def __init__(self) -> None:
        self._ready: list[Fence] = []
        self._verdicts: list[tuple[Fence, JobVerdict]] = []
        self._withdrawn: list[Fence] = []
        self._found: list[tuple[Fence, Kept | None]] = []
        self._sites: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._ready or self._verdicts or self._withdrawn or self._found or self._sites)

    def ready(self, fence: Fence) -> None:
        """The server has answered 354."""
        self._ready.append(fence)

    def verdict(self, fence: Fence, verdict: JobVerdict) -> None:
        """The attempt ended."""
        self._verdicts.append((fence, verdict))

    def withdrawn(self, fence: Fence) -> None:
        """Dropped as asked."""
        self._withdrawn.append(fence)

    def found(self, fence: Fence, kept: Kept | None) -> None:
        """The answer to a lookup."""
        self._found.append((fence, kept))

    def site(self, domain: str, site: str) -> None:
        """A domain belongs to it."""
        self._sites[domain] = site

    def next_frame(self, report: Report | None, standings: Iterable[Standing] | None = None) -> node_pb2.DeliverResponse:
        """What has gathered, the report if one is due, and the sources if they have changed."""
        frame = node_pb2.DeliverResponse()
        for job_id, attempt in self._ready:
            fence = frame.ready.add().fence
            fence.job_id, fence.attempt = job_id, attempt
        for job_id, attempt in self._withdrawn:
            frame.withdrawn.add(job_id=job_id, attempt=attempt)
        for fence_, kept in self._found:
            frame.found.append(answer(fence_, kept))
        verdicts, self._verdicts = self._verdicts[:FRAME_VERDICTS], self._verdicts[FRAME_VERDICTS:]
        frame.verdicts.extend([verdict_to_proto(fence_, verdict) for fence_, verdict in verdicts])
        for domain, site in self._sites.items():
            frame.sites.add(domain=domain, site=site)
        self._ready, self._withdrawn, self._found, self._sites = [], [], [], {}
        if report is not None:
            put_report(frame.load, report)
        if standings is not None:
            frame.sources.SetInParent()
            frame.sources.sources.extend(map(source_to_proto, standings))
        return frame


def hello(
    node_id: str, boot_id: bytes, protocol: int, inventory: Iterable[tuple[Fence, Kept]], standings: Iterable[Standing] = ()
) -> node_pb2.DeliverResponse:
    """The first frame."""
    message = node_pb2.NodeHello(node_id=node_id, boot_id=boot_id, version=__version__, protocol=protocol)
    message.sources.extend(map(source_to_proto, standings))
    message.inventory.extend([answer(fence, kept) for fence, kept in inventory])
    return node_pb2.DeliverResponse(hello=message)


def source_to_proto(standing: Standing) -> node_pb2.Source:
    """A source, for the gateway."""
    source = standing.source
    return node_pb2.Source(
        name=source.name,
        pool=source.pool,
        addresses=source.addresses,
        helo=source.helo,
        trouble=standing.trouble,
        warnings=standing.warnings,
    )


def answer(fence: Fence, kept: Kept | None) -> node_pb2.LookupAnswer:
    """What is known of an attempt."""
    message = node_pb2.LookupAnswer()
    message.fence.job_id, message.fence.attempt = fence
    message.state = node_pb2.LookupAnswer.STATE_UNKNOWN if kept is None else kept.known.value  # type: ignore[assignment]
    if kept is not None and kept.verdict is not None:
        message.verdict.CopyFrom(verdict_to_proto(fence, kept.verdict))
    return message


def put_report(message: node_pb2.LoadReport, report: Report) -> None:
    """Write a load report."""
    message.draining, message.warm, message.service_time_us = report.draining, report.warm, report.service_us
    message.settings_version, message.in_hand = report.settings_version, report.in_hand
    for (lane, site_key), jobs in report.credit.items():
        message.credits.add(site_key=site_key, lane=lane.value, jobs=jobs)
    for site in report.sites:
        put_site(message.sites.add(), site, report.now)


def put_site(message: node_pb2.SiteReport, site: Site, now: float) -> None:
    """Write how a site does; `now` in monotonic seconds."""
    standing = site.standing
    message.site_key, message.waiting = site.site_key, site.waiting
    message.warm, message.busy, message.dialing = standing.warm, standing.busy, standing.dialing
    message.wanted, message.limit = standing.wanted, standing.most
    message.mails, message.delivered, message.deferred = site.mails, site.delivered, site.deferred
    message.bounced, message.in_doubt = site.bounced, site.in_doubt
    message.trouble, message.reason = site.trouble[:TEXT], site.reason[:TEXT]
    message.wait_ms, message.rate = max(0, round((site.until - now) * 1000)), site.rate


def line_to_proto(line: Line) -> node_pb2.TraceLine:
    """A line of a dialogue."""
    return node_pb2.TraceLine(
        time_us=line.time_us,
        site_key=line.site_key,
        connection=line.connection,
        source=line.source,
        remote=line.remote,
        direction=line.direction.value,  # type: ignore[arg-type]
        text=line.text,
        lost=line.lost,
    )


class Contents:
    """What jobs of a stream share, as its gateway says: brought before the jobs that name it, and forgotten after those of a frame."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}

    def offers(self, frame: node_pb2.DeliverRequest) -> list[Offer]:
        """The jobs of a frame.

        Raises:
            Invalid: one names what was never brought. A new stream begins anew.
        """
        for each in frame.contents:
            self._kept[each.id] = each.data
        offers = [self._offer(message) for message in frame.jobs]
        for digest in frame.forget_contents:
            self._kept.pop(digest, None)
        return offers

    def _offer(self, message: node_pb2.JobOffer) -> Offer:
        """An unknown lane is taken for bulk."""
        lane = Lane(message.lane) if message.lane in LANES else Lane.BULK
        content = self._brought(message.content_id) if message.content_id else b""
        files = {digest: self._brought(digest) for digest in message.file_ids} if message.file_ids else {}
        fence, remaining = fence_from_proto(message.fence), frozenset(message.remaining)
        return Offer(fence, message.route, lane, remaining, message.job, content, files, message.source, message.site_key)

    def _brought(self, digest: bytes) -> bytes:
        if (data := self._kept.get(digest)) is None:
            raise Invalid.field("jobs.content_id", f"{digest.hex()} was not brought on this stream")
        return data


def fence_from_proto(message: node_pb2.Fence) -> Fence:
    """A fence."""
    return Fence(message.job_id, message.attempt)


def _relay_from_proto(message: node_pb2.Relay, place: int) -> Relay:
    """An older gateway sends no weights, and means an order."""
    if not message.weight:
        return Relay(message.host, message.port, place)
    return Relay(message.host, message.port, message.preference, message.weight)


def route_from_proto(message: node_pb2.RouteConfig) -> Route:
    """A route as the gateway has it. Raises Invalid for a TLS or AUTH mode of another release."""
    if message.tls not in TLS_MODES:
        raise Invalid.field("routes.tls", f"the route {message.name!r} has the unknown TLS mode {message.tls}")
    if message.auth and message.auth not in AUTH_MODES:
        raise Invalid.field("routes.auth", f"the route {message.name!r} has the unknown AUTH mode {message.auth}")
    return Route(
        name=message.name,
        relays=tuple([_relay_from_proto(relay, place) for place, relay in enumerate(message.relays)]),
        mx=message.mx_port > 0,
        mx_port=message.mx_port or MX_PORT,
        tls=TlsMode(message.tls),
        verify=message.verify,
        username=message.username,
        secret=message.secret,
        connections=message.connections,
        connect_timeout=timedelta(milliseconds=message.connect_timeout_ms),
        command_timeout=timedelta(milliseconds=message.command_timeout_ms),
        body_timeout=timedelta(milliseconds=message.body_timeout_ms),
        idle_timeout=timedelta(milliseconds=message.idle_timeout_ms),
        max_mails_per_connection=message.max_mails_per_connection,
        pipelining=message.pipelining,
        chunking=message.chunking,
        data_timeout=timedelta(milliseconds=message.data_timeout_ms) if message.data_timeout_ms else LINE_TIMEOUT,
        block_timeout=timedelta(milliseconds=message.block_timeout_ms) if message.block_timeout_ms else LINE_TIMEOUT,
        auth=AuthMode(message.auth or AuthMode.AUTO),
        server_name=message.server_name,
        certificates=message.certificates,
        failover=tuple(message.failover),
        min_idle=message.min_idle,
        max_age=timedelta(milliseconds=message.max_age_ms) if message.max_age_ms else MAX_AGE,
        sources=message.sources,
        dsn_notify=tuple([DsnNotify(each) for each in message.dsn_notify if each in DSN_NOTIFY]),
        policy=HASHED if message.homed else EVEN,
        dsn_return=DsnReturn(message.dsn_return) if message.dsn_return in DSN_RETURN else DsnReturn.UNSAID,
    )
