"""Sites and dialogues between protos and values: as nodes tell them, and as operators are told."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.dispatch.dialogues import Told
from gateway.dispatch.link import Direction, SiteReport, TraceLine
from gateway.dispatch.seen import SiteState, SiteSum
from gateway.rpc.admin_port import SiteView
from mailgate.api.admin.v1 import admin_service_pb2 as pb
from mailgate.api.node.v1 import node_pb2
from mailgate.rpc.times import timestamp

DIRECTIONS = frozenset(int(direction) for direction in Direction)
COUNTS = (
    *("warm", "busy", "dialing", "wanted", "limit", "mails", "delivered", "deferred", "bounced", "in_doubt"),
    *("mails_per_second", "rate_limit", "waiting", "ready", "later"),
)
"""Fields that are the same in SiteSum and in the proto."""


def reports_from_proto(messages: Iterable[node_pb2.SiteReport]) -> tuple[SiteReport, ...]:
    """How a node's sites do."""
    return tuple(
        [
            SiteReport(
                each.site_key,
                *(each.warm, each.busy, each.dialing, each.wanted, each.limit, each.waiting),
                *(each.mails, each.delivered, each.deferred, each.bounced, each.in_doubt),
                *(each.trouble, each.reason, each.wait_ms, each.rate),
            )
            for each in messages
        ]
    )


def lines_from_proto(messages: Iterable[node_pb2.TraceLine]) -> tuple[TraceLine, ...]:
    """What a node heard. A line of another release, of which it can't be told whose it is, is a note."""
    return tuple(
        [
            TraceLine(
                *(each.site_key, each.time_us, each.connection, each.source, each.remote),
                Direction(each.direction) if each.direction in DIRECTIONS else Direction.NOTE,
                *(each.text, each.lost),
            )
            for each in messages
        ]
    )


def site_to_proto(view: SiteView, now_ms: int) -> pb.Site:
    """For operators."""
    message = pb.Site()
    _fill(message, view.total, now_ms)
    for node_id, part in view.nodes:
        node = message.nodes.add(node_id=node_id)
        _fill(node.site, part, now_ms)
        node.site.site_key = ""
    return message


def line_to_proto(told: Told) -> pb.TraceLine:
    """For operators."""
    line = told.line
    message = pb.TraceLine(
        node_id=told.node_id,
        connection=line.connection,
        source=line.source,
        remote=line.remote,
        direction=line.direction.value,  # type: ignore[arg-type]
        text=line.text,
        lost=line.lost,
    )
    if line.time_us:
        message.time.FromMicroseconds(line.time_us)
    return message


def _fill(message: pb.Site, site: SiteSum, now_ms: int) -> None:
    message.site_key, message.reason = site.site_key, site.reason
    message.state = site.state.value  # type: ignore[assignment]
    for name in COUNTS:
        setattr(message, name, getattr(site, name))
    if site.state is SiteState.SUSPENDED:
        message.until_time.CopyFrom(timestamp(now_ms + round(site.wait * 1000)))
    if site.oldest_ms is not None:
        message.oldest_time.CopyFrom(timestamp(site.oldest_ms))
