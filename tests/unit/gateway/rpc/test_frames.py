"""Frames of the gateway's side: what goes first, what is never sent, and what a node's frame of another release does."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.link import Answer, Known, NodeSource
from gateway.rpc.frames import FRAME_OCTETS, Outgoing, heard_from_proto
from mailgate.api.node.v1 import node_pb2
from mailgate.errors import Invalid
from mailgate.job import Fence, File
from mailgate.mail import Lane
from mailgate.route import AuthMode, DsnNotify, DsnReturn, Relay, Route, TlsMode
from mailgate.rpc.verdicts import put_fence, verdict_to_proto
from mailgate.verdict import Expired
from sender.delivery.sources import Standing
from sender.pool.source import Source
from sender.rpc.frames import Contents, hello, route_from_proto
from sender.rpc.frames import Outgoing as NodeOutgoing
from tests.unit.gateway.dispatch.world import after, make_job
from tests.unit.gateway.rpc.test_shared import job


def fences(field) -> list[Fence]:
    return [Fence(each.job_id, each.attempt) for each in field]


def offers(frame) -> list[Fence]:
    return fences(offer.fence for offer in frame.jobs)


def test_small_things_never_wait_behind_bodies():
    """COMMIT and the like are all in the next frame, which is capped; a larger job travels alone."""
    out = Outgoing()
    half = [make_job(n, octets=FRAME_OCTETS // 2) for n in range(1, 4)]
    huge = make_job(9, octets=3 * FRAME_OCTETS)
    for each in (*half, huge, make_job(10)):
        out.offer(each)
    out.commit([Fence(b"c", 1)])
    out.settled([Fence(b"s", 1)])
    out.lookup([Fence(b"l", 1)])
    out.withdraw([Fence(b"w", 1)])
    frame = out.next_frame()
    assert (fences(frame.commits), fences(frame.settled), fences(frame.lookups), fences(frame.withdraws)) == (
        [Fence(b"c", 1)],
        [Fence(b"s", 1)],
        [Fence(b"l", 1)],
        [Fence(b"w", 1)],
    )
    assert offers(frame) == [half[0].fence, half[1].fence]
    assert [offers(out.next_frame()) for _ in range(3)] == [[half[2].fence], [huge.fence], [make_job(10).fence]]
    assert not out


@given(st.lists(st.tuples(st.sampled_from(["offer", "withdraw", "frame"]), st.integers(1, 4)), max_size=40))
def test_a_withdrawn_offer_is_not_sent(steps: list[tuple[str, int]]):
    """In whatever order an attempt is offered, withdrawn and offered again: the node is told what is needed, and nothing else."""
    out = Outgoing()
    at_gateway: dict[int, bool] = {}
    at_node: set[int] = set()

    def write() -> None:
        frame = out.next_frame()
        for fence in fences(frame.withdraws):
            at_node.discard(fence.job_id[15])
        for fence in offers(frame):
            assert fence.job_id[15] not in at_node, "offered twice"
            at_node.add(fence.job_id[15])

    for action, n in steps:
        if action == "offer" and not at_gateway.get(n):
            out.offer(make_job(n))
            at_gateway[n] = True
        elif action == "withdraw" and at_gateway.get(n):
            out.withdraw([make_job(n).fence])
            at_gateway[n] = False
        elif action == "frame":
            write()
            assert at_node == {n for n, there in at_gateway.items() if there}
    write()
    assert at_node == {n for n, there in at_gateway.items() if there}


def test_an_offer_carries_what_the_node_needs():
    """Bytes once encoded, and the remaining recipients only where some are settled."""
    out = Outgoing()
    whole = make_job(1, recipients=3, lane=Lane.BULK, key="site")
    part = after(make_job(2), recipients=(1, 4), partial=True, attempt=7, source="s1")
    out.offer(whole)
    out.offer(part)
    first, second = out.next_frame().jobs
    assert (first.job, first.lane, first.route) == (whole.envelope + whole.content, 2, "out")
    assert list(first.remaining) == []
    assert (list(second.remaining), second.fence.attempt) == ([1, 4], 7)
    assert (first.source, second.source) == ("", "s1")


def test_a_route_survives_the_link():
    """Each field that a node needs; `domains`, `policy` and `hash_by` are the gateway's own."""
    seconds = [timedelta(seconds=n) for n in range(1, 5)]
    relays = (Relay("mx1", 2525, 0, 3), Relay("mx2", 465, 1, 1))
    route = Route(
        "r", relays, ("example.com",), TlsMode.IMPLICIT, False, "me", "key", "round_robin", "tenant", 7, 3, *seconds, 99, *seconds[:1],
        False, False, *seconds[:2], AuthMode.XOAUTH2, "mx.example", "partner", True, 2525, "marketing", ("connect",),
        (DsnNotify.SUCCESS, DsnNotify.DELAY), DsnReturn.FULL,
    )  # fmt: skip
    assert all(getattr(route, each.name) != each.default for each in fields(Route)), "a field with its default proves nothing"
    out = Outgoing()
    out.routes("v1", [route], [])
    (message,) = out.next_frame().routes
    read = route_from_proto(message)
    assert replace(read, domains=route.domains, policy=route.policy, hash_by=route.hash_by) == route


def test_what_a_newer_gateway_wants_reported():
    """What this release does not know of it is left out: mail goes all the same."""
    message = node_pb2.RouteConfig(name="r", tls=1, dsn_return=9)  # type: ignore[arg-type]
    message.dsn_notify.extend([77, DsnNotify.FAILURE.value])  # type: ignore[list-item]
    read = route_from_proto(message)
    assert (read.dsn_notify, read.dsn_return) == ((DsnNotify.FAILURE,), DsnReturn.UNSAID)


def test_relays_of_an_older_gateway_have_their_order():
    """It knows no preferences, and means that each is for while none before it can be dialled."""
    message = node_pb2.RouteConfig(name="r", tls=1, relays=[{"host": "a", "port": 25}, {"host": "b", "port": 26}])
    assert route_from_proto(message).relays == (Relay("a", 25, 0), Relay("b", 26, 1))


def test_a_verdict_of_another_release_is_told_apart():
    """The frame survives; the attempt ends as a doubt. What is unknown of an answer never reads as a word that nothing was sent."""
    frame = node_pb2.DeliverResponse()
    frame.verdicts.append(verdict_to_proto(Fence(b"a", 1), Expired()))
    put_fence(frame.verdicts.add(kind=77).fence, Fence(b"b", 1))
    answer = frame.found.add(state=Known.DONE.value)
    put_fence(answer.fence, Fence(b"c", 1))
    answer.verdict.kind = 77
    put_fence(frame.found.add(state=99).fence, Fence(b"d", 1))
    heard = heard_from_proto(frame)
    assert heard.verdicts == ((Fence(b"a", 1), Expired()),)
    assert heard.unreadable == (Fence(b"b", 1),)
    assert heard.found == (Answer(Fence(b"c", 1), Known.DONE, None), Answer(Fence(b"d", 1), Known.DONE, None))


def test_credit_of_an_unknown_lane_is_passed_over():
    """Whatever a later release adds."""
    frame = node_pb2.DeliverResponse()
    frame.load.credits.add(lane=1, site_key="a", jobs=5)
    frame.load.credits.add(lane=9, site_key="a", jobs=5)
    assert heard_from_proto(frame).load.credit == {(Lane.TRANSACTIONAL, "a"): 5}


def test_what_a_node_sends_from_arrives():
    """With the hello, and again when it has changed; None where nothing is said."""
    standings = (
        Standing(Source("s1", "mx.example.com", "192.0.2.7", pool="news"), "gone", ("no PTR",)),
        Standing(Source("s2", pool="default")),
    )
    there = (NodeSource("s1", "news", "gone", ("no PTR",), ("192.0.2.7",)), NodeSource("s2", "default"))
    greeting = heard_from_proto(hello("n1", b"b" * 16, 1, [], standings))
    assert greeting.hello is not None
    assert greeting.hello.sources == there
    assert greeting.sources is None
    out = NodeOutgoing()
    assert heard_from_proto(out.next_frame(None, standings)).sources == there
    assert heard_from_proto(out.next_frame(None, ())).sources == ()
    assert heard_from_proto(out.next_frame(None)).sources is None
    (message,) = hello("n1", b"b" * 16, 1, [], standings[:1]).hello.sources
    assert (list(message.addresses), message.helo) == (["192.0.2.7"], "mx.example.com")


@given(st.lists(st.tuples(st.integers(0, 6), st.lists(st.integers(0, 3), max_size=2, unique=True), st.booleans()), max_size=60))
def test_what_jobs_share_arrives_whole(jobs: list[tuple[int, list[int], bool]]):
    """However frames are cut: the node's offers have the job's own octets, its content's and its files'."""
    out, node, sent, got = Outgoing(), Contents(), [], []
    for number, (content, files, cut) in enumerate(jobs, 1):
        made = job(content, 300 + content, tuple(files))
        made = replace(made, id=number.to_bytes(18, "big"), envelope=f"envelope {number}".encode())
        sent.append((made.fence, made.envelope + made.content, {file.digest: file.data for file in made.files}))
        out.offer(made)
        while cut and out:
            got += node.offers(out.next_frame())
    while out:
        got += node.offers(out.next_frame())
    assert [(offer.fence, offer.job + offer.content, offer.files) for offer in got] == sent


def test_the_node_hears_what_a_job_left_from():
    """Of one that was tried before."""
    out = Outgoing()
    out.offer(after(make_job(1), source="s1"))
    out.offer(make_job(2))
    assert [offer.source for offer in Contents().offers(out.next_frame())] == ["s1", ""]


def test_a_batch_crosses_once():
    """A hundred mails with a content of 2 KB take little more than their envelopes, and a file of a megabyte comes with the first alone."""
    out = Outgoing()
    file = File(b"f" * 32, bytes(1_000_000))
    for number in range(1, 101):
        out.offer(replace(job(1, 2000), id=number.to_bytes(18, "big"), envelope=b"e" * 60, files=(file,)))
    frames = []
    while out:
        frames.append(out.next_frame())
    assert sum(len(frame.jobs) for frame in frames) == 100
    assert sum(frame.ByteSize() for frame in frames) < 1_000_000 + 100 * 250 + 4000


def test_a_job_whose_content_never_came_ends_the_stream():
    """Rather than the mail: a new stream begins anew."""
    frame = node_pb2.DeliverRequest()
    frame.jobs.add(content_id=b"c" * 32)
    with pytest.raises(Invalid, match="was not brought on this stream"):
        Contents().offers(frame)
