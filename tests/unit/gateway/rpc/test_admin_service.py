"""AdminService over a real door."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import grpc
import pytest

from gateway.admission.tenants import Tenants
from gateway.dispatch.link import Direction, SiteReport, TraceLine
from gateway.dispatch.member import Member, NodeState
from gateway.ledger.port import Begin, Change, Conclusion, Parked, QueueCount
from gateway.registry.port import NodeRecord
from gateway.rpc import site_operations
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


def told(gateway, name, *reports):
    """A node that told this of its sites, and has a stream."""
    node = gateway.members[name] = Member(NodeRecord(name, b"b" * 16, "127.0.0.1:1", "1"), 1 << 20)
    node.sites.hear(reports, asyncio.get_running_loop().time())
    node.link = Listening()
    return node


class Listening:
    """A link that nobody reads."""

    def trace(self, site_keys):
        self.wanted = list(site_keys)


async def keys(gateway, as_, **request):
    """Over all pages."""
    found, token = [], ""
    while True:
        page = await gateway.admin.ListSites(pb.ListSitesRequest(page_token=token, **request), **as_("operate"))
        found += [site.site_key for site in page.sites]
        if not (token := page.next_page_token):
            return found


async def test_sites_are_added_up_over_nodes(gateway, as_):
    """And, where it is asked for, told of each; what waits is the queue's."""
    await mails(gateway, as_, 3)
    told(gateway, "n1", SiteReport("relay", warm=2, busy=1, limit=5, mails=4, delivered=3, deferred=1))
    told(gateway, "n2", SiteReport("relay", warm=1, limit=5, reason="suspended", wait_ms=60_000))
    (site,) = (await gateway.admin.ListSites(pb.ListSitesRequest(by_node=True), **as_("operate"))).sites
    assert (site.site_key, site.warm, site.busy, site.limit, site.delivered, site.ready) == ("relay", 3, 1, 10, 3, 3)
    assert (site.state, site.reason) == (pb.SITE_STATE_SLOWED, "on 1 of 2: suspended")
    assert site.HasField("oldest_time")
    assert [(node.node_id, node.site.warm, node.site.state) for node in site.nodes] == [
        ("n1", 2, pb.SITE_STATE_OK),
        ("n2", 1, pb.SITE_STATE_SUSPENDED),
    ]
    assert site.nodes[1].site.HasField("until_time")
    assert not site.nodes[1].site.site_key


async def test_sites_are_paged_in_both_orders(gateway, as_):
    """Each once, also where many have as much to wait for; a route is there though no node has told of it."""
    told(gateway, "n1", *(SiteReport(f"direct/{number}", waiting=number % 3) for number in range(25)))
    every = sorted(["relay", *(f"direct/{number}" for number in range(25))])
    for size in (0, 1, 7, 26, 1000):
        assert await keys(gateway, as_, page_size=size) == every
        found = await keys(gateway, as_, page_size=size, order_by=pb.SITE_ORDER_WAITING)
        assert sorted(found) == every
        assert found[:8] == sorted(f"direct/{number}" for number in range(25) if number % 3 == 2)
    assert await keys(gateway, as_, prefix="direct/2") == ["direct/2", "direct/20", "direct/21", "direct/22", "direct/23", "direct/24"]


async def test_a_page_with_nodes_is_bounded_by_them(gateway, as_, monkeypatch):
    """However many sites are asked for, there are only so many in it, those of nodes counted."""
    monkeypatch.setattr(site_operations, "MOST_TOLD", 12)
    every = sorted(["relay", *(f"direct/{number}" for number in range(9))])
    for name in ("n1", "n2"):
        told(gateway, name, *map(SiteReport, every))
    page = await gateway.admin.ListSites(pb.ListSitesRequest(page_size=100, by_node=True), **as_("operate"))
    assert [(site.site_key, len(site.nodes)) for site in page.sites] == [(key, 2) for key in every[:4]]
    assert await keys(gateway, as_, page_size=100, by_node=True) == every
    assert len((await gateway.admin.ListSites(pb.ListSitesRequest(page_size=100), **as_("operate"))).sites) == 10


@pytest.mark.parametrize(
    "request_", [pb.ListSitesRequest(order_by=9), pb.ListSitesRequest(order_by=2, page_token="x"), pb.ListSitesRequest(page_size=-1)]
)
async def test_a_list_that_cannot_be_made(gateway, as_, request_):
    """Refused with the field."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.admin.ListSites(request_, **as_("operate"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_trace_begins_with_nothing_and_ends_with_its_caller(gateway, as_):
    """An empty message says that from here on lines come; when the caller has gone, nodes are told."""
    node = told(gateway, "n1", SiteReport("direct/google"))
    call = gateway.admin.TraceSite(pb.TraceSiteRequest(site_key="direct/google"), **as_("operate"))
    assert not (await call.read()).lines
    assert node.link.wanted == ["direct/google"]
    gateway.dialogues.heard("n1", [TraceLine("direct/google", 1_500_000, 3, "s", "mx:25", Direction.RECEIVED, "250 ok", 7)])
    (line,) = (await call.read()).lines
    assert (line.node_id, line.connection, line.source, line.remote, line.text, line.lost) == ("n1", 3, "s", "mx:25", "250 ok", 7)
    assert (line.direction, line.time.seconds, line.time.nanos) == (pb.DIRECTION_RECEIVED, 1, 500_000_000)
    call.cancel()
    async with asyncio.timeout(5):
        while node.link.wanted:  # noqa: ASYNC110 - the other side of a call that was cancelled
            await asyncio.sleep(0.01)


async def test_a_trace_whose_key_is_revoked_tells_no_more(gateway, as_):
    """UNAUTHENTICATED in the place of the next lines, which have addresses; and its nodes are told."""
    node = told(gateway, "n1", SiteReport("relay"))
    call = gateway.admin.TraceSite(pb.TraceSiteRequest(site_key="relay"), **as_("operate"))
    await call.read()
    gateway.tenants.become(Tenants({}))
    gateway.dialogues.heard("n1", [TraceLine("relay", 1, 3, "", "mx:25", Direction.SENT, "RCPT TO:<a@example.org>")])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert not node.link.wanted


@pytest.mark.parametrize(
    ("request_", "told_of"),
    [
        (pb.TraceSiteRequest(site_key="direct/goggle"), "the sites are direct/google, and 1 more"),
        (pb.TraceSiteRequest(site_key="relay", node_id="n9"), "the nodes are n1"),
    ],
)
async def test_a_trace_of_what_is_not_there(gateway, as_, request_, told_of):
    """It names those that are like it."""
    told(gateway, "n1", SiteReport("direct/google"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.admin.TraceSite(request_, **as_("operate")).read()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert told_of in caught.value.details()


async def test_sites_are_for_operators(gateway, as_):
    """A dialogue has addresses in it."""
    for call in (gateway.admin.ListSites(pb.ListSitesRequest(), **as_("both")),):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.admin.TraceSite(pb.TraceSiteRequest(site_key="relay"), **as_("both")).read()
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_node_is_drained_and_resumed(gateway, as_):
    """Who said why, and since when; a reason is one line of at most 200 characters; one that is not here can be resumed."""
    node = (await gateway.admin.DrainNode(pb.DrainNodeRequest(node_id="n1", reason=" new kernel "), **as_("operate"))).node
    assert (node.state, node.drain.reason, node.drain.drain_time.seconds, node.in_hand) == (
        pb.NODE_STATE_DRAINING,
        "new kernel",
        1_790_000_000,
        3,
    )
    assert (await gateway.admin.ResumeNode(pb.ResumeNodeRequest(node_id="n1"), **as_("operate"))).node.state == pb.NODE_STATE_READY
    assert not (await gateway.admin.ResumeNode(pb.ResumeNodeRequest(node_id="n2"), **as_("operate"))).HasField("node")
    assert gateway.operations.drained == [("n1", "new kernel"), ("n1", None), ("n2", None)]
    for reason in ("x" * 201, "two\nlines"):
        error = await refusal(gateway.admin.DrainNode(pb.DrainNodeRequest(node_id="n1", reason=reason), **as_("operate")))
        assert isinstance(error, errors.Invalid)
        assert error.violations[0].field == "reason"
