"""Which node gets a job: by its route's policy and key, over nodes that do their work."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from gateway.balancing.policies import make_picker
from gateway.balancing.ring import Ring
from gateway.dispatch.choice import Choice
from gateway.dispatch.keys import KeyOf, Keys, key_of
from gateway.dispatch.link import Load
from gateway.dispatch.member import Member
from gateway.dispatch.table import RouteTable
from gateway.registry.port import NodeRecord
from mailgate.job import Envelope, JobRecipient
from mailgate.route import Relay, Route
from mailgate.rpc.jobs import encode_envelope, read_keys
from mailgate.verdict import Expired, NotTried, Outcome
from tests.unit.gateway.dispatch.test_feeder import both
from tests.unit.gateway.dispatch.world import World, make_job, tried
from tests.unit.virtual_time import simulate

OUT = Route("out", (Relay("mx"),))


def member(node_id: str, warm: int = 1, boot: bytes = b"b" * 16) -> Member:
    made = Member(NodeRecord(node_id, boot, "h:1", "1"), 10**6)
    made.joined(boot, "1")
    made.report(Load(False, warm, 0, both("out", 1000)))
    return made


class Fleet:
    """Some nodes, and a choice over a table of routes."""

    def __init__(self, nodes: int, **route: object) -> None:
        self.members = [member(f"n{number}") for number in range(nodes)]
        self.table = RouteTable({"out": replace(OUT, **route)}, "v1")
        ring = Ring()
        self.choice = Choice(lambda name: make_picker(self.table.policy(name), Random(1).random, ring), self.key_of, ring)
        for each in self.members:
            self.choice.joined(each)

    def key_of(self, route: str) -> KeyOf | None:
        hash_by = self.table.hash_by(route)
        return key_of(hash_by, lambda envelope: Keys(*read_keys(envelope))) if hash_by else None

    def among(self, now: float = 0.0) -> list[str]:
        return [each.node_id for each in self.choice.among(self.members, now)]


def envelope(hash_key: str = "", email: str = "A@b.example") -> bytes:
    return encode_envelope(Envelope(b"m" * 16, "", (JobRecipient(0, email), JobRecipient(1, "c@d.example")), hash_key=hash_key))


@pytest.mark.parametrize(
    ("hash_by", "same", "other"),
    [
        ("site", {"key": "out/a.example"}, {"key": "out/b.example"}),
        ("tenant", {"tenant": "t"}, {"tenant": "u"}),
        ("recipient", {"envelope": envelope(email="a@b.example")}, {"envelope": envelope(email="x@b.example")}),
        ("hash_key", {"envelope": envelope("k", "y@z.example")}, {"envelope": envelope("l", "y@z.example")}),
    ],
)
def test_what_a_route_hashes_by(hash_by: str, same: dict[str, object], other: dict[str, object]):
    """The same key, the same node, whatever else differs; keys of all kinds are spread."""
    fleet = Fleet(8, policy="consistent_hash", hash_by=hash_by)
    tell = fleet.key_of("out")
    assert tell is not None

    def job(number: int, **more: object):
        base = replace(make_job(number, key=str(more.pop("key", "out"))), envelope=envelope(f"k{number}", f"u{number}@v.example"))
        return replace(base, tenant=f"t{number}") if not more else replace(base, **more)

    assert tell(job(1, **same)) == tell(job(2, **same)) != tell(job(1, **other))
    among = fleet.choice.among(fleet.members, 0.0)
    assert fleet.choice.pick(job(1, **same), among) is fleet.choice.pick(job(2, **same), among)
    if hash_by != "site":
        assert len({fleet.choice.pick(job(number), among).node_id for number in range(100)}) == 8


def test_a_mail_without_a_key_of_its_own_goes_by_its_site():
    """Also one whose bytes cannot be read: it is the node's to say that."""
    tell = key_of("hash_key", lambda envelope: Keys(*read_keys(envelope)))
    assert tell(replace(make_job(1, key="out/a.example"), envelope=envelope())) == "a.example"
    assert tell(replace(make_job(1, key="out/a.example"), envelope=b"\xff\xff")) == "a.example"
    assert tell(replace(make_job(1), envelope=envelope())) == "out"


def test_two_routes_to_one_site_have_one_home():
    """Its limits are counted there."""
    fleet = Fleet(8, policy="consistent_hash")
    among = fleet.choice.among(fleet.members, 0.0)
    first = fleet.choice.pick(make_job(1, key="out/a.example"), among)
    fleet.table.use({**fleet.table.routes, "other": replace(OUT, name="other", policy="consistent_hash")}, "v2")
    assert fleet.choice.pick(make_job(1, key="other/a.example", route="other"), among) is first


def test_the_policy_that_is_right_for_the_route():
    """Where it names none: by MX sites keep their node, relays share evenly. A route that is gone has no key."""
    table = RouteTable({"out": OUT, "direct": Route("direct", (), mx=True), "even": Route("even", (), mx=True, policy="round_robin")})
    assert [table.policy(name) for name in ("out", "direct", "even", "gone")] == [
        *("least_connections", "consistent_hash", "round_robin", "least_connections")
    ]
    assert [table.hash_by(name) for name in ("out", "direct", "even", "gone")] == [None, "site", None, None]


def test_another_policy_from_one_job_to_the_next():
    """SIGHUP, while jobs wait."""
    fleet = Fleet(4)
    among = fleet.choice.among(fleet.members, 0.0)
    jobs = [make_job(number, key="out/a.example") for number in range(12)]
    assert {fleet.choice.pick(job, among).node_id for job in jobs} == {"n0"}, "nobody has anything in hand"
    fleet.choice.reset(fleet.table.use({"out": replace(OUT, policy="round_robin")}, "v2"))
    fleet.choice.among(fleet.members, 100.0)
    assert [fleet.choice.pick(job, among).node_id for job in jobs[:4]] == ["n0", "n1", "n2", "n3"]
    fleet.choice.reset(fleet.table.use({"out": replace(OUT, policy="consistent_hash")}, "v3"))
    assert len({fleet.choice.pick(job, among).node_id for job in jobs}) == 1


FAULTS = [Expired(), NotTried("it could not look it up", of_node=True)]
NO_FAULTS = [NotTried("throttled: site=x"), NotTried("nonsense", hopeless=True), *(tried(make_job(1), outcome) for outcome in Outcome)]


@pytest.mark.parametrize("verdict", FAULTS + NO_FAULTS)
def test_whose_fault_it_is(verdict: object):
    """A site's word, and a wait for it, never count against a node."""
    fleet = Fleet(3)
    fleet.among()
    for _ in range(25):
        fleet.choice.done(fleet.members[0], verdict, 1.0)
    assert fleet.among(1.0) == (["n1", "n2"] if verdict in FAULTS else ["n0", "n1", "n2"])


def test_a_link_that_breaks_with_jobs_in_hand():
    """It counts when the same process comes back, and is over after a second; then the node starts slowly."""
    fleet = Fleet(3)
    fleet.among()
    flaky = fleet.members[0]
    fleet.choice.lost(flaky, 30, 20.0)
    assert fleet.among(20.5) == ["n1", "n2"]
    assert fleet.among(21.5) == ["n0", "n1", "n2"]
    assert flaky.ramp < 0.3
    assert fleet.members[1].ramp == 1.0
    fleet.choice.lost(flaky, 30, 30.0)
    flaky.joined(b"c" * 16, "1")
    fleet.choice.joined(flaky)
    assert fleet.among(30.0) == ["n0", "n1", "n2"]


def test_another_process_starts_slowly():
    """The one of before, whose link had broken, goes on as it was."""
    fleet = Fleet(2)
    fleet.among(0.0)
    assert [each.ramp for each in fleet.members] == [0.1, 0.1]
    fleet.among(20.0)
    one, other = fleet.members
    one.joined(b"b" * 16, "1")
    other.joined(b"n" * 16, "1")
    fleet.among(21.0)
    assert (one.ramp, other.ramp) == (1.0, 0.1)
    assert (one.weight, other.weight) == (1.0, 0.1)
    fleet.among(26.0)
    assert other.ramp == pytest.approx(0.55)


def test_a_node_that_is_always_late_is_left_alone_for_a_while():
    """From verdicts to picks, with the real dispatcher: a second without new jobs, though it has credit for them."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            late, well, _ = [await world.node(name, credit=100) for name in "abc"]
            await world.accept(*[make_job(number) for number in range(1, 91)])
            first = len(late.offers)
            assert first >= 20
            for job in list(late.offers):
                late.stream.verdict(job, Expired())
            assert world.dispatcher.choice.ejection.ejections("a") == 1
            for job in list(well.offers):
                well.stream.verdict(job)
            await world.accept(*[make_job(number) for number in range(100, 130)])
            assert len(late.offers) == first
            await asyncio.sleep(1.0)
            for number in range(200, 260):
                await world.accept(make_job(number))
            assert len(late.offers) > first

    simulate(main)
