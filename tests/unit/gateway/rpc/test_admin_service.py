"""AdminService over a real door."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from gateway.dispatch.member import NodeState
from gateway.ledger.port import Begin, Change, Conclusion, Parked, QueueCount
from gateway.rpc.admin_port import NodeView, QueueView, Resolution, SettingsView
from mailgate import errors
from mailgate.api.admin.v1 import admin_service_pb2 as pb
from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2
from mailgate.ids import format_job
from mailgate.mail import Lane, RecipientState
from mailgate.rpc.status import from_rpc_error


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return from_rpc_error(failed.value)


async def test_nodes_as_this_gateway_sees_them(gateway, as_):
    """Every field."""
    view = NodeView(
        "n1",
        "127.0.0.1:1",
        NodeState.SUSPECT,
        "2 load reports are missing",
        "0.1",
        5,
        2,
        20,
        100,
        90,
        0.0015,
        0.25,
        False,
        ("source s1: no PTR",),
    )
    gateway.operations.seen = (view, NodeView("n2", "127.0.0.1:2", NodeState.CONNECTING))
    first, second = (await gateway.admin.ListNodes(pb.ListNodesRequest(), **as_("operate"))).nodes
    assert (first.node_id, first.state, first.reason) == ("n1", pb.NODE_STATE_SUSPECT, "2 load reports are missing")
    assert (first.in_flight, first.committed, first.warm, first.offered, first.delivered) == (5, 2, 20, 100, 90)
    assert (first.service_time.nanos, first.heard_ago.nanos, first.registered) == (1_500_000, 250_000_000, False)
    assert (list(first.warnings), list(second.warnings)) == (["source s1: no PTR"], [])
    assert not second.HasField("heard_ago")


async def test_the_settings_that_the_gateway_runs_by(gateway, as_):
    """What is in force, what was refused, what waits for a restart; and what each node has."""
    gateway.operations.run_by = SettingsView("v2", 1_790_000_000_500, "limits.x = 1: cure\nroutes: cure", ("gateway.listen",))
    gateway.operations.seen = (NodeView("n1", "127.0.0.1:1", NodeState.READY, settings_version="v1"),)
    answer = await gateway.admin.ListNodes(pb.ListNodesRequest(), **as_("operate"))
    assert (answer.settings.version, answer.settings.load_time.seconds) == ("v2", 1_790_000_000)
    assert (answer.settings.refusal, answer.settings.restart_keys) == ("limits.x = 1: cure\nroutes: cure", ["gateway.listen"])
    assert answer.nodes[0].settings_version == "v1"


async def mails(gateway, as_, count):
    parts, sender = mail_pb2.Parts(text="x"), mail_pb2.Address(email="a@example.com")
    shared = mail_pb2.Mail(from_address=sender, parts=parts)
    entries = [mail_service_pb2.BatchEntry(to=[mail_pb2.Address(email=f"u{i}@example.org")]) for i in range(count)]
    await gateway.mail.BatchSendMail(mail_service_pb2.BatchSendMailRequest(shared=shared, entries=entries), **as_("send"))
    return await gateway.queue.take(lambda _lane, _key: 1000)


async def test_what_waits(gateway, as_):
    """Ready jobs by lane and route, and those that nothing brings."""
    gateway.operations.queued = QueueView((QueueCount(Lane.BULK, "relay", "relay", 3, 0, 1_790_000_000_500),), 5, 2, 3)
    answer = await gateway.admin.GetQueue(pb.GetQueueRequest(), **as_("operate"))
    (queue,) = answer.queues
    assert (queue.lane, queue.route, queue.ready, queue.deferred) == (mail_pb2.LANE_BULK, "relay", 3, 0)
    assert (queue.oldest_time.seconds, queue.oldest_time.nanos) == (1_790_000_000, 500_000_000)
    assert (answer.in_flight, answer.in_doubt, answer.dead) == (5, 2, 3)


async def test_doubts_are_paged_and_complete(gateway, as_):
    """Oldest mail first, each once."""
    jobs = await mails(gateway, as_, 5)
    await gateway.ledger.begin([Begin(job, "n1", b"b" * 16, 77) for job in jobs])
    changes = (Change((0,), RecipientState.IN_DOUBT),)
    parked = [Conclusion(j.fence, 99, changes, replace(j, attempt=1), parked=Parked.IN_DOUBT, reason="lost after COMMIT") for j in jobs]
    await gateway.ledger.record(parked)
    seen, request = [], pb.ListDoubtsRequest(page_size=2)
    while True:
        answer = await gateway.admin.ListDoubts(request, **as_("operate"))
        seen += answer.doubts
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert [doubt.doubt_id for doubt in seen] == [format_job(job_id) for job_id in sorted(job.id for job in jobs)]
    assert {(doubt.tenant, doubt.node_id, doubt.reason, doubt.attempt) for doubt in seen} == {("acme", "n1", "lost after COMMIT", 1)}
    assert all(doubt.emails and doubt.start_time.nanos == 77_000_000 for doubt in seen)


async def test_a_doubt_is_decided(gateway, as_):
    """By its name from ListDoubts."""
    job_id = bytes(range(16)) + b"\0\3"
    for number, resolution in ((pb.RESOLUTION_RESEND, Resolution.RESEND), (pb.RESOLUTION_BOUNCED, Resolution.BOUNCED)):
        await gateway.admin.ResolveDoubt(pb.ResolveDoubtRequest(doubt_id=format_job(job_id), resolution=number), **as_("operate"))
        assert gateway.operations.resolved[-1] == (job_id, resolution)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ResolveDoubtRequest(doubt_id="nonsense", resolution=pb.RESOLUTION_RESEND), "doubt_id"),
        (pb.ResolveDoubtRequest(doubt_id=format_job(bytes(18))), "resolution"),
        (pb.ResolveDoubtRequest(doubt_id=format_job(bytes(18)), resolution=9), "resolution"),
    ],
)
async def test_bad_decisions_decide_nothing(gateway, as_, request_, field):
    """The field is named."""
    error = await refusal(gateway.admin.ResolveDoubt(request_, **as_("operate")))
    assert [violation.field for violation in error.violations] == [field]
    assert gateway.operations.resolved == []


async def test_a_doubt_that_is_none(gateway, as_):
    """What dispatch says reaches the operator."""
    gateway.operations.error = errors.WrongState("it is not in doubt any more")
    request = pb.ResolveDoubtRequest(doubt_id=format_job(bytes(18)), resolution=pb.RESOLUTION_RESEND)
    assert type(await refusal(gateway.admin.ResolveDoubt(request, **as_("operate")))) is errors.WrongState


@pytest.mark.parametrize(("change", "field"), [({"page_size": -1}, "page_size"), ({"page_token": "x"}, "page_token")])
async def test_bad_pages(gateway, as_, change, field):
    """Sizes and tokens."""
    error = await refusal(gateway.admin.ListDoubts(pb.ListDoubtsRequest(**change), **as_("operate")))
    assert [violation.field for violation in error.violations] == [field]
