"""Answers of GetMail and of the operator's door into plain values."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from mailgate.api.admin.v1 import admin_service_pb2 as admin_pb2
from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.client.site_views import Direction, Site, SiteState, TraceLine
from mailgate.client.views import Doubt, Drain, Fleet, MailStatus, Node, NodeState, Queue, Settings, Waiting
from mailgate.ids import parse_id
from mailgate.mail import Lane, OnDoubt
from mailgate.rpc.mails import counts_from_proto, recipient_from_proto
from mailgate.rpc.times import milliseconds

STATES = frozenset(int(state) for state in SiteState)
DIRECTIONS = frozenset(int(direction) for direction in Direction)


def status(message: mail_service_pb2.GetMailResponse) -> MailStatus:
    """A mail."""
    return MailStatus(
        mail_id=parse_id(message.mail_id, "mail_id"),
        batch_id=parse_id(message.batch_id, "batch_id") if message.batch_id else None,
        accept_ms=milliseconds(message.accept_time),
        expire_ms=milliseconds(message.expire_time),
        lane=Lane(message.lane),
        on_doubt=OnDoubt(message.on_doubt),
        tags=tuple(message.tags),
        metadata=dict(message.metadata),
        counts=counts_from_proto(message.counts),
        recipients=tuple(map(recipient_from_proto, message.recipients)),
    )


def node(message: admin_pb2.Node) -> Node:
    """A sender."""
    return Node(
        node_id=message.node_id,
        address=message.address,
        state=NodeState(message.state),
        reason=message.reason,
        version=message.version,
        in_flight=message.in_flight,
        committed=message.committed,
        warm=message.warm,
        offered=message.offered,
        delivered=message.delivered,
        service_ms=_ms(message.service_time),
        heard_ago_ms=_ms(message.heard_ago),
        registered=message.registered,
        warnings=tuple(message.warnings),
        settings_version=message.settings_version,
        in_hand=message.in_hand,
        drain=Drain(message.drain.reason, milliseconds(message.drain.drain_time)) if message.HasField("drain") else None,
        protocol=message.protocol,
        weight=message.weight,
        p50_ms=_ms(message.service_p50),
        p99_ms=_ms(message.service_p99),
        picks_per_second=message.picks_per_second,
        ejections=message.ejections,
    )


def fleet(message: admin_pb2.ListNodesResponse) -> Fleet:
    """All senders, and the settings."""
    said = message.settings
    settings = Settings(said.version, milliseconds(said.load_time), said.refusal, tuple(said.restart_keys))
    return Fleet(tuple(map(node, message.nodes)), settings)


def queue(message: admin_pb2.GetQueueResponse) -> Queue:
    """What waits."""
    return Queue(
        waiting=tuple(
            Waiting(
                lane=Lane(each.lane),
                route=each.route,
                ready=each.ready,
                deferred=each.deferred,
                oldest_ms=milliseconds(each.oldest_time) if each.HasField("oldest_time") else None,
            )
            for each in message.queues
        ),
        in_flight=message.in_flight,
        in_doubt=message.in_doubt,
        dead=message.dead,
    )


def site(message: admin_pb2.Site) -> Site:
    """How a site does."""
    return Site(
        site_key=message.site_key,
        state=SiteState(message.state) if message.state in STATES else SiteState.UNKNOWN,
        reason=message.reason,
        until_ms=milliseconds(message.until_time) if message.HasField("until_time") else None,
        warm=message.warm,
        busy=message.busy,
        dialing=message.dialing,
        wanted=message.wanted,
        limit=message.limit,
        mails_per_second=message.mails_per_second,
        rate_limit=message.rate_limit,
        mails=message.mails,
        delivered=message.delivered,
        deferred=message.deferred,
        bounced=message.bounced,
        in_doubt=message.in_doubt,
        ready=message.ready,
        later=message.later,
        waiting=message.waiting,
        oldest_ms=milliseconds(message.oldest_time) if message.HasField("oldest_time") else None,
        nodes=tuple((node.node_id, site(node.site)) for node in message.nodes),
    )


def trace_line(message: admin_pb2.TraceLine) -> TraceLine:
    """A line of a dialogue."""
    direction = Direction(message.direction) if message.direction in DIRECTIONS else Direction.NOTE
    time_us = message.time.seconds * 1_000_000 + message.time.nanos // 1000
    return TraceLine(time_us, message.node_id, message.connection, message.source, message.remote, direction, message.text, message.lost)


def doubt(message: admin_pb2.Doubt) -> Doubt:
    """A job of which nobody knows."""
    return Doubt(
        doubt_id=message.doubt_id,
        mail_id=parse_id(message.mail_id, "mail_id"),
        tenant=message.tenant,
        emails=tuple(message.emails),
        attempt=message.attempt,
        node_id=message.node_id,
        start_ms=milliseconds(message.start_time),
        reason=message.reason,
    )


def _ms(message: Duration) -> float:
    return message.seconds * 1000 + message.nanos / 1e6
