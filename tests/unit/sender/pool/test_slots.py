"""The slots of a route: rules one by one, and invariants over whole histories."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mailgate.route import Relay, Route
from mailgate.verdict import Phase, Reply
from sender.pool.idle import STALE
from sender.pool.path import Path
from sender.pool.plan import Slot, State
from sender.pool.shortcomings import CHANCES, Shortcomings, Skill
from sender.pool.sizing import RECOVER
from sender.pool.slots import DIALS_AT_ONCE, RESTED, Slots
from sender.smtp.events import Stumble

TOO_MANY = Reply(Phase.CONNECT, 421, "4.7.0", "Error: too many connections from 192.0.2.1", "rate_limited")
GONE = Reply(Phase.CONNECT, 421, "4.3.2", "going down", "connect")
FAILURE = Reply(Phase.CONNECT, 0, "", "refused", "connect")


def path(connections=20, relays=1, **changes) -> Path:
    """All of its connections are kept warm, unless it is told otherwise."""
    changes.setdefault("min_idle", connections)
    return Path("r", Route("r", tuple(Relay(f"mx{i}.example", preference=i) for i in range(relays)), connections=connections, **changes))


def warmed(slots: Slots, now: float = 0.0) -> list[Slot]:
    """Every dial of every plan succeeds; the slots that were dialled."""
    found = []
    while dials := slots.plan(now).dial:
        for dial in dials:
            assert slots.dialled(dial.slot, now)
            found.append(dial.slot)
    return found


def carry(slots: Slots, now: float = 0.0) -> bool:
    """A mail from start to end on one slot; False: the connection is used up."""
    slot = slots.take()
    slots.began(slot, 0.0)
    slots.done(slot, answered=True)
    return slots.freed(slot, now)


def test_warms_up_a_few_at_a_time():
    """At most DIALS_AT_ONCE dials are under way; as they succeed the next follow, up to the route's number."""
    slots = Slots(path(20))
    first = slots.plan(0.0).dial
    assert len(first) == DIALS_AT_ONCE
    assert slots.plan(0.0).dial == ()
    slots.dialled(first[0].slot, 0.1)
    (following,) = slots.plan(0.1).dial
    for dial in (*first[1:], following):
        slots.dialled(dial.slot, 0.1)
    warmed(slots, 0.2)
    assert (slots.warm, slots.busy, slots.capacity(0.2)) == (20, 0, 20)


def test_a_slot_taken_is_nobody_elses():
    """RESERVED from the moment of the decision."""
    slots = Slots(path(2))
    warmed(slots)
    one, two = slots.take(), slots.take()
    assert one is not two
    assert one.state is two.state is State.RESERVED
    assert slots.take() is None


def test_the_one_used_last_is_used_next():
    """So that what is too much rests, and can be closed."""
    slots = Slots(path(3))
    warmed(slots)
    slot = slots.take()
    slots.began(slot, 0.0)
    slots.freed(slot, 1.0)
    assert slots.take() is slot


def ended(slots: Slots) -> Slot:
    """A slot whose mail's body is out."""
    slot = slots.take()
    slots.began(slot, 0.0)
    slots.ended(slot, 0.0)
    return slot


def test_a_mail_follows_where_nothing_is_idle():
    """Once, and only while the one before is unanswered; idle slots come first."""
    slots = Slots(path(2))
    warmed(slots)
    slot = ended(slots)
    other = slots.take()
    assert other is not slot
    slots.began(other, 0.0)
    assert slots.take() is slot
    slots.began(slot, 0.0)
    assert slots.take() is None
    slots.done(slot, answered=True)
    assert slot.state is State.BUSY, "the mail that followed is still on it"
    slots.done(slot, answered=True)
    assert slots.freed(slot, 0.0)
    assert slots.stats().mails == 2
    slot = ended(slots)
    slots.done(slot, answered=True)
    slots.freed(slot, 0.0)
    assert slots.take() is slot
    assert slot.state is State.RESERVED
    assert slots.take() is None


def test_no_mail_follows_while_connections_are_missing():
    """More of them are dialled instead."""
    slots = Slots(path(20, min_idle=2))
    warmed(slots, 10.0)
    ended(slots)
    ended(slots)
    assert slots.take() is None
    assert len(slots.plan(10.0).dial) == 2


def test_the_last_mail_of_a_connection_is_not_followed():
    """`max_mails_per_connection` holds; so does a relay's record of ignoring what follows, and a slot that closes."""
    slots = Slots(path(1, max_mails_per_connection=2))
    warmed(slots)
    assert ended(slots)
    slot = slots.take()
    assert slot.state is State.BUSY
    slots.done(slot, answered=True)
    slots.ended(slot, 0.0)
    assert slots.take() is None
    slots = Slots(path(1))
    (slot,) = warmed(slots)
    for _ in range(3):
        slots.skills.stumbled(slot, Stumble.FOLLOWING, 0.0)
    ended(slots)
    assert slots.take() is None
    slots = Slots(path(1))
    warmed(slots)
    slots.closing(ended(slots), 0.0)
    assert slots.take() is None


def test_a_mail_proves_what_its_route_allows():
    """A route without chunks, to a relay that breaks them, does not wipe out what another has found."""
    known = Shortcomings()
    without, other = Slots(path(1, chunking=False), known), Slots(path(1), known)
    for slots in (without, other):
        warmed(slots)
    carry(without)
    for _ in range(CHANCES[Skill.CHUNKING]):
        other.skills.stumbled(Slot(), Stumble.CHUNK, 0.0)
        without.plan(0.0)
    assert not other.skills.chunking(Slot(), 0.0)
    known = Shortcomings()
    other = Slots(path(1), known)
    warmed(other)
    carry(other)
    for _ in range(CHANCES[Skill.CHUNKING]):
        other.skills.stumbled(Slot(), Stumble.CHUNK, 0.0)
        other.plan(0.0)
    assert other.skills.chunking(Slot(), 0.0)


@pytest.mark.parametrize("follows", [True, False])
def test_a_mail_that_followed_and_was_answered_proves_that_mails_may(follows: bool):
    """Connections that broke over it count in a row; a mail without one before it proves nothing."""
    slots = Slots(path(1))
    (slot,) = warmed(slots)
    for _ in range(CHANCES[Skill.FOLLOWING]):
        assert slots.skills.following(slot, 0.0)
        ended(slots)
        if follows:
            assert slots.take() is slot
            slots.done(slot, answered=True)
        slots.done(slot, answered=True)
        slots.freed(slot, 0.0)
        slots.plan(0.0)
        slots.skills.stumbled(slot, Stumble.FOLLOWING, 0.0)
    assert slots.skills.following(slot, 0.0) is follows


def test_who_sleeps_has_nothing_to_do():
    """A path that nobody uses is not looked at; one with a connection, a dial, a wish or a ceiling that is to rise is."""
    slots = Slots(path(4, min_idle=0))
    assert slots.asleep
    assert slots.take() is None
    assert not slots.asleep
    (dial,) = slots.plan(0.0).dial
    assert slots.dialled(dial.slot, 0.0)
    slots.dismissed(dial.slot, TOO_MANY, 0.0)
    slots.closed(dial.slot, 0.0, 0.0, by_server=True)
    slept, now = [], 0.0
    while not slots.asleep:
        now += 1.0
        slots.plan(now)
        slept.append(slots.sizing.most)
    assert slept[0] < slots.sizing.most == 4, "the ceiling rose first"
    assert not slots.plan(now + 100).dial
    assert Slots(path(4, min_idle=1)).asleep is False


def test_what_closes_is_not_in_use_whatever_becomes_of_its_mail():
    """Its transport was found closing when a mail was to follow; that the mail on it is lost is told afterwards."""
    slots = Slots(path(1))
    (slot,) = warmed(slots)
    slots.began(slots.take(), 1.0)
    slots.ended(slot, 1.0)
    assert slots.take() is slot
    slots.closing(slot, 1.0)
    slots.done(slot, answered=False)
    slots.closing(slot, 1.0)
    assert (slot.state, slots.busy) == (State.CLOSING, 0)
    slots.closed(slot, 1.0, 0.5, by_server=True)
    warmed(slots, 60.0)
    assert (slots.warm, slots.busy) == (1, 0)


def test_not_begun():
    """The mail was unfit for the server: idle is idle again, and what could be followed still can."""
    slots = Slots(path(1))
    (slot,) = warmed(slots)
    slots.not_begun(slots.take())
    assert slot.state is State.IDLE
    ended(slots)
    slots.not_begun(slots.take())
    assert slots.take() is slot


def test_closed_after_its_mails():
    """`max_mails_per_connection` ends it, and its slot is dialled anew once it is closed."""
    slots = Slots(path(1, max_mails_per_connection=2))
    (slot,) = warmed(slots)
    assert carry(slots)
    assert not carry(slots)
    assert slots.plan(0.0).dial == ()
    assert slot.state is State.CLOSING
    slots.closed(slot, 0.0, 0.5, by_server=False)
    assert len(slots.plan(0.0).dial) == 1
    assert slots.stats().mails == 2


def test_idle_too_long():
    """Closed, and only `min_idle` are dialled anew."""
    slots = Slots(path(20, min_idle=2, idle_timeout=timedelta(seconds=60)))
    busy = take_all(slots)
    assert slots.warm == slots.busy == 20
    for slot in busy:
        slots.done(slot, answered=True)
        assert slots.freed(slot, 5.0)
    for second in range(6, 65):
        assert slots.plan(float(second)).close == ()
    close = slots.plan(65.0).close
    assert len(close) == 20
    assert all(slot.state is State.CLOSING for slot in close)
    for slot in close:
        slots.closed(slot, 65.0, 0.5, by_server=False)
    warmed(slots, 65.0)
    assert slots.warm == slots.sizing.wanted == 2


def take_all(slots: Slots) -> list[Slot]:
    """Mails come until each connection that may be is dialled, and has one."""
    busy = []
    for _ in range(10):
        warmed(slots)
        while slot := slots.take():
            slots.began(slot, 0.0)
            busy.append(slot)
    return busy


def test_a_mail_in_vain_doubles_what_is_open():
    """Not what is wanted: ten mails that come while one dial is under way want no thousand connections."""
    slots = Slots(path(20, min_idle=2))
    for expected in (4, 8, 16, 20, 20):
        warmed(slots)
        while slots.take():
            pass
        for _ in range(10):
            assert slots.take() is None
        assert slots.sizing.wanted == expected
    assert slots.capacity(0.0) == 20


def test_the_last_tenth_is_not_for_bulk():
    """And is there for other mail, though bulk has all the rest."""
    slots = Slots(path(20))
    warmed(slots)
    taken = 0
    while slot := slots.take(bulk=True):
        slots.began(slot, 0.0)
        taken += 1
    assert taken == 18
    assert slots.take() is not None
    assert slots.take() is not None
    assert slots.take() is None


def test_what_was_idle_for_long_is_probed_before_a_mail():
    """One for each mail that found nothing else; it is nobody's until it answers, and no connection is dialled instead."""
    slots = Slots(path(20, min_idle=3))
    warmed(slots)
    assert slots.plan(STALE).probe == ()
    assert slots.take() is None
    plan = slots.plan(STALE)
    (slot,) = plan.probe
    assert plan.dial == ()
    assert slot.state is State.RESETTING
    assert slots.freed(slot, STALE + 0.1)
    assert slots.take() is slot


def test_a_stale_connection_may_close():
    """It is idle like others."""
    slots = Slots(path(2))
    first, _ = warmed(slots)
    slots.plan(STALE)
    slots.closing(first, STALE)
    slots.closed(first, STALE, 0.5, by_server=True)
    assert slots.warm == 1
    assert len(slots.plan(STALE).dial) == 1


def test_max_age():
    """Closed when it becomes free, however few mails it had."""
    slots = Slots(path(1, max_age=timedelta(minutes=1)))
    warmed(slots)
    assert carry(slots, 59.0)
    assert not carry(slots, 60.0)


def test_a_server_that_has_enough_of_us():
    """It says so to a dial: the relay does not rest, and no more are dialled; in time one more is tried."""
    slots = Slots(path(20))
    dials = slots.plan(0.0).dial
    for dial in dials[:6]:
        slots.dialled(dial.slot, 0.0)
    for dial in dials[6:]:
        slots.failed(dial.slot, 0.0, 0.5, TOO_MANY, "")
    assert slots.sizing.most == 4
    assert slots.capacity(0.0) == 4
    plan = slots.plan(0.0)
    assert plan.dial == ()
    assert len(plan.close) == 2
    for slot in plan.close:
        slots.closed(slot, 0.0, 0.5, by_server=False)
    slots.plan(RECOVER)
    assert slots.sizing.most == 5


@pytest.mark.parametrize(
    ("mails", "idle", "reply", "fewer"),
    [(0, 0.0, TOO_MANY, True), (1, 0.0, TOO_MANY, True), (1, 0.0, GONE, False), (0, 0.0, GONE, True), (0, RESTED, GONE, False)],
)
def test_421(mails: int, idle: float, reply: Reply, fewer: bool):
    """To an idle connection that rested it is tidying up; after mails it may be the end of a shift; else we are too many."""
    slots = Slots(path(20))
    slot = warmed(slots)[-1]
    slot.mails = mails
    slots.dismissed(slot, reply, idle)
    assert (slots.sizing.most < 20) == fewer


def test_a_server_that_tidies_up():
    """It closes idle connections that had rested: its relay is well. Sooner it is a loss, made good at once."""
    slots = Slots(path(20))
    for slot in warmed(slots):
        slots.closing(slot, RESTED)
        slots.closed(slot, RESTED, 0.5, by_server=True)
    assert slots.relays.well(RESTED)
    slots = Slots(path(20))
    warmed(slots)
    assert carry(slots)
    slot = slots.take()
    slots.began(slot, 0.0)
    slots.closed(slot, 1.0, 0.5, by_server=True)
    assert slots.sizing.wanted == 20
    assert len(slots.plan(1.0).dial) == 1


def test_relays_in_order():
    """The first that does not rest; when it has rested, new dials are its again, one at first."""
    slots = Slots(path(4, relays=2))
    for dial in slots.plan(0.0).dial:
        assert dial.relay.host == "mx0.example"
        slots.failed(dial.slot, 0.0, 0.5, FAILURE, "")
    assert {dial.relay.host for dial in slots.plan(0.5).dial} == {"mx1.example"}
    assert slots.capacity(0.5) == 4
    later = Slots(path(4, relays=1))
    for dial in later.plan(0.0).dial:
        later.failed(dial.slot, 0.0, 0.5, FAILURE, "192.0.2.1:25")
    assert later.capacity(0.5) == 0
    assert later.plan(0.5).dial == ()
    (probe,) = later.plan(1.5).dial
    assert later.capacity(1.5) == 1
    assert later.relays.trouble.remote_address == "192.0.2.1:25"
    later.dialled(probe.slot, 1.6)
    assert later.relays.trouble is None
    assert len(later.plan(1.6).dial) == 2
    assert len(later.plan(1.6 + RESTED).dial) == 1, "proved: all that is missing"


def test_there_is_no_room_before_the_first_dial_is_over():
    """A node that starts gets mail when it has a connection, or when it knows why it has none; where none is kept warm, at once."""
    slots = Slots(path(4))
    (first, *_) = slots.plan(0.0).dial
    assert slots.capacity(0.0) == 0
    slots.dialled(first.slot, 0.1)
    assert slots.capacity(0.1) == 4
    assert Slots(path(4, min_idle=0)).capacity(0.0) == 4


def test_a_relay_that_wants_no_mail_rests():
    """Its idle connections close, those in use when they are freed; the next is dialled; then it is tried by one."""
    slots = Slots(path(3, relays=2))
    warmed(slots)
    first, second = slots.take(), slots.take()
    slots.began(first, 0.5)
    slots.began(second, 0.5)
    slots.done(first, answered=True)
    (idle,) = slots.spurned(first, 1.0, 0.5, TOO_MANY, "192.0.2.1:25")
    assert idle.state is State.CLOSING
    assert not slots.freed(first, 1.0)
    slots.done(second, answered=True)
    assert not slots.freed(second, 1.1)
    for slot in (first, second, idle):
        slots.closed(slot, 1.2, 0.5, by_server=False)
    assert {dial.relay.host for dial in slots.plan(1.3).dial} == {"mx1.example"}
    assert slots.capacity(1.3) == 3


def test_trouble_says_since_when():
    """The time of the first failure in a row, the words of the last."""
    slots = Slots(path(1))
    for now in (0.0, 10.0, 100.0):
        (dial,) = slots.plan(now).dial
        slots.failed(dial.slot, now, 0.5, Reply(Phase.CONNECT, 0, "", str(now)), "")
    assert (slots.relays.trouble.since, slots.relays.trouble.reply.text) == (0.0, "100.0")


def test_hung_up_before_the_first_mail():
    """Counts as a failed dial. By our own wish, or after a mail, it does not."""
    for mails, by_server, rests in ((0, True, True), (0, False, False), (1, True, False)):
        slots = Slots(path(1))
        warmed(slots)
        for _ in range(mails):
            carry(slots)
        slot = slots.take()
        slots.began(slot, 0.0)
        slots.closed(slot, 1.0, 0.5, by_server=by_server)
        assert (slots.plan(1.0).dial == ()) is rests


def test_retired():
    """No dials, no capacity; what is idle closes now, what is busy when it is freed, what is being dialled when it succeeds."""
    slots = Slots(path(3))
    dials = slots.plan(0.0).dial
    for dial in dials[:2]:
        slots.dialled(dial.slot, 0.0)
    busy = slots.take()
    slots.began(busy, 0.0)
    slots.retire()
    assert slots.capacity(0.0) == 0
    plan = slots.plan(0.0)
    assert len(plan.close) == 1
    assert plan.dial == ()
    assert not slots.freed(busy, 0.0)
    assert not slots.dialled(dials[2].slot, 0.0)
    assert not slots.empty
    for slot in (busy, dials[2].slot, plan.close[0]):
        slots.closed(slot, 0.0, 0.5, by_server=False)
    assert slots.empty
    assert "retired" in repr(slots)


@pytest.mark.parametrize("connections", [1, 5])
def test_resized(connections):
    """More are dialled, or the idle ones too many are closed."""
    slots = Slots(path(3))
    warmed(slots)
    slots.resize(path(connections))
    plan = slots.plan(0.0)
    assert (len(plan.dial), len(plan.close)) == (max(0, connections - 3), max(0, 3 - connections))


def test_serves_only_the_same_relays_and_credentials():
    """Numbers may change under a connection; where it leads, and as whom, may not."""
    slots = Slots(path(3))
    assert slots.serves(path(9, idle_timeout=timedelta(seconds=1)))
    assert not slots.serves(path(3, relays=2))
    assert not slots.serves(path(3, username="x"))
    assert not slots.serves(path(3, verify=False))


class Histories(RuleBasedStateMachine):
    """Anything in any order: the counts always add up, and no slot is in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.slots = Slots(path(5, relays=2, max_mails_per_connection=3, idle_timeout=timedelta(seconds=30)))
        self.dialing: list = []
        self.open: list = []
        self.held: list = []
        self.probed: list = []
        self.closing: list = []
        self.followed: list = []

    def plan(self) -> None:
        plan = self.slots.plan(self.now)
        self.dialing += [dial.slot for dial in plan.dial]
        self.closing += plan.close
        assert all(dial.slot.state is State.DIALING for dial in plan.dial)
        assert all(slot not in self.held for slot in plan.close), "a connection with a mail on it was closed"
        assert all(slot in self.open and slot not in self.held for slot in plan.probe)
        self.probed += plan.probe

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 40.0]))
    def tick(self, seconds):
        self.now += seconds
        self.plan()

    @precondition(lambda self: self.dialing)
    @rule(data=st.data(), success=st.booleans())
    def dial_ends(self, data, success):
        slot = data.draw(st.sampled_from(self.dialing))
        self.dialing.remove(slot)
        if not success:
            self.slots.failed(slot, self.now, 0.5, FAILURE, "")
        else:
            self.open.append(slot)
            if not self.slots.dialled(slot, self.now):
                self.closing.append(slot)

    @precondition(lambda self: self.dialing)
    @rule()
    def dial_is_cancelled(self):
        self.slots.given_up(self.dialing.pop())

    @precondition(lambda self: self.probed)
    @rule()
    def probe_is_answered(self):
        slot = self.probed.pop()
        if not self.slots.freed(slot, self.now):
            self.closing.append(slot)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), reply=st.sampled_from([TOO_MANY, GONE]))
    def is_dismissed(self, data, reply):
        self.slots.dismissed(data.draw(st.sampled_from(self.open)), reply, self.now)

    @rule(bulk=st.booleans())
    def take(self, bulk):
        slot = self.slots.take(bulk=bulk)
        if slot is not None:
            assert slot in self.open
            assert slot not in self.closing
            assert (slot in self.held) == (slot.state is State.BUSY)
            assert slot not in self.followed
            if slot in self.held:
                self.followed.append(slot)
            else:
                self.held.append(slot)
            self.slots.began(slot, self.now)

    @precondition(lambda self: self.held)
    @rule()
    def body_is_out(self):
        if self.held[-1] not in self.followed:
            self.slots.ended(self.held[-1], self.now)

    @precondition(lambda self: self.held)
    @rule(answered=st.booleans())
    def mail_ends(self, answered):
        slot = self.held.pop()
        self.slots.done(slot, answered=answered)
        if slot in self.followed:
            self.followed.remove(slot)
            self.held.insert(0, slot)
        elif not self.slots.freed(slot, self.now):
            self.closing.append(slot)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), by_server=st.booleans(), told=st.booleans())
    def connection_ends(self, data, by_server, told):
        slot = data.draw(st.sampled_from(self.open))
        if told:
            self.slots.closing(slot, self.now)
        self.slots.closed(slot, self.now, 0.5, by_server=by_server)
        for place in (self.open, self.held, self.probed, self.closing, self.followed):
            if slot in place:
                place.remove(slot)
        self.plan()

    @rule(connections=st.integers(1, 8), min_idle=st.integers(0, 9))
    def resize(self, connections, min_idle):
        if not self.slots.retired:
            self.slots.resize(
                path(connections, relays=2, min_idle=min_idle, max_mails_per_connection=3, idle_timeout=timedelta(seconds=30))
            )

    @precondition(lambda self: self.now > 100)
    @rule()
    def retire(self):
        self.slots.retire()

    @invariant()
    def counts_add_up(self):
        counts = self.slots.stats()
        assert counts.dialled == counts.closed + len(self.open)
        assert counts.slots["DIALING"] == len(self.dialing) <= DIALS_AT_ONCE
        assert self.slots.busy == len(self.held) + len(self.probed)
        assert counts.slots["CLOSING"] == len(self.closing)
        assert self.slots.warm == len(self.open) - len(self.closing)
        assert self.slots.empty == (not self.open and not self.dialing)
        assert 0 <= self.slots.capacity(self.now) <= max(self.slots.route.connections, len(self.open) + len(self.dialing))
        assert self.slots.sizing.wanted <= self.slots.route.connections


Histories.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestHistories = Histories.TestCase
