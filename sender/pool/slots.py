"""A route's connections, counted and decided on: which one takes the next mail, when to dial, when to close. No I/O, no clock.

A slot's way: EMPTY ─plan─▶ DIALING ─dialled─▶ IDLE ─take─▶ RESERVED ─began─▶ BUSY ─done─▶ RESETTING ─freed─▶ IDLE; from everywhere
─closing─▶ CLOSING ─closed─▶ EMPTY; DIALING ─failed─▶ EMPTY. A slot is the route's until its connection is closed for good, so there
are never more connections than `Route.connections`.

How many are kept warm (`wanted`): all at first, DIALS_AT_ONCE being dialled at a time. An idle connection that nobody used for
`idle_timeout`, or that its server closed after it had rested for RESTED, is not replaced, until a tenth of the slots, at least one, are
left: those are kept, being dialled anew. A mail that finds no idle connection doubles the number wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from mailgate.route import Route
from mailgate.verdict import Phase, Reply
from sender.pool.circuits import Circuits
from sender.pool.plan import Counts, Dial, Plan, Slot, State
from sender.pool.relays import Relays, Trouble, refuses_login, spoken
from sender.pool.shortcomings import Shortcomings, Skill
from sender.smtp.events import Stumble

DIALS_AT_ONCE = 8
"""Of one route. TLS handshakes cost the loop a millisecond each, and servers limit the rate of new connections."""
RESTED = 5.0
"""Seconds. A server that closes an idle connection sooner has failed; later it was tidying up."""


_IDLE, _RESERVED, _BUSY, _RESETTING = State.IDLE, State.RESERVED, State.BUSY, State.RESETTING
_FOLLOWING = Skill.FOLLOWING
"""For the hot path: a member of an enum costs 60 ns each time it is looked up by its class."""
_HUNG_UP = Reply(Phase.EHLO)
_USABLE = (State.IDLE, State.RESERVED, State.BUSY, State.RESETTING)
_OPEN = (*_USABLE, State.CLOSING)


class Slots:
    """See the module. Times are seconds of one monotonic clock; `jitter` is from [0, 1)."""

    def __init__(self, route: Route, shortcomings: Shortcomings | None = None, circuits: Circuits | None = None) -> None:
        self.route = route
        self.shortcomings = shortcomings or Shortcomings()
        self.relays = Relays(route, circuits)
        self.retired = False
        self.trouble: Trouble | None = None
        """The last dial that failed; None since a dial succeeded."""
        self.wanted = route.connections
        self._slots = [Slot() for _ in range(route.connections)]
        self._idle: list[Slot] = []
        """The longest idle first; taken from the end, so that what is too much stays idle."""
        self._ended: dict[Slot, None] = {}
        """BUSY, the body out, and not followed yet."""
        self._counts = Counts()

    def __repr__(self) -> str:
        states = " ".join(f"{name.lower()}={count}" for name, count in self.stats().slots.items() if count)
        return f"<Slots {self.route.name}{' retired' if self.retired else ''} {states} wanted={self.wanted}>"

    # ---- the hot path: no allocation, no loop

    def take(self) -> Slot | None:
        """The idle slot used last, now RESERVED; else, with all connections there, one whose mail can be followed by another, still BUSY.

        None: there is none now; more connections are wanted then.
        """
        if self._idle:
            slot = self._idle.pop()
            slot.state = _RESERVED
            return slot
        if self._ended and self.wanted >= self.route.connections:
            slot, _ = self._ended.popitem()
            slot.followed = True
            return slot
        self.wanted = min(self.route.connections, max(2 * self.wanted, 1))
        return None

    def began(self, slot: Slot) -> None:
        """A mail is under way on it."""
        slot.state = _BUSY

    def not_begun(self, slot: Slot) -> None:
        """The mail for which it was taken can't be sent on it: it is as before `take`."""
        if slot.state is _RESERVED:
            slot.state = _IDLE
            self._idle.append(slot)
        else:
            slot.followed = False
            self._ended[slot] = None

    def ended(self, slot: Slot, now: float) -> None:
        """The body of its mail is out, and another mail may follow it."""
        if slot.mails + 1 < self.route.max_mails_per_connection and not self.retired and not self._lacks(slot, _FOLLOWING, now):
            self._ended[slot] = None

    def alone(self, slot: Slot) -> None:
        """No mail may follow the body of its mail any more."""
        self._ended.pop(slot, None)

    def done(self, slot: Slot, *, answered: bool) -> None:
        """Its mail is judged, by the server's answers or by its silence; one may have followed, or there may be something to tidy up."""
        slot.state = _BUSY if slot.followed else _RESETTING
        slot.followed = False
        slot.mails += answered
        self._ended.pop(slot, None)

    def freed(self, slot: Slot, now: float) -> bool:
        """It could take the next mail, and is IDLE. False: it must be closed instead, and is CLOSING."""
        if self.retired or slot.mails >= self.route.max_mails_per_connection:
            self.closing(slot, now)
            return False
        slot.state = _IDLE
        slot.since = now
        self._idle.append(slot)
        return True

    # ---- everything else

    def dialled(self, slot: Slot, now: float) -> bool:
        """The dial succeeded: IDLE. False: it is not wanted any more, and is CLOSING."""
        self._counts.dialled += 1
        slot.dialled_at = slot.since = now
        slot.mails = 0
        self.relays.answered(slot.relay, now)
        if self.retired:
            self.closing(slot, now)
            return False
        self.trouble = None
        slot.state = State.IDLE
        self._idle.append(slot)
        return True

    def failed(self, slot: Slot, now: float, jitter: float, reply: Reply, address: str) -> bool:
        """The dial failed: EMPTY, and its relay rests. False: a dial that was under way with it told as much already."""
        slot.state = State.EMPTY
        since = self.trouble.since if self.trouble else now
        news = self.relays.failed(slot.relay, slot.since, now, jitter, reply)
        self.trouble = Trouble(reply, self.route.relays[slot.relay].host, address, since, *self.relays.pause(slot.relay))
        self._counts.failed += 1
        self._counts.refused += refuses_login(reply)
        return news

    def given_up(self, slot: Slot) -> None:
        """The dial was cancelled: EMPTY."""
        slot.state = State.EMPTY

    def closing(self, slot: Slot, now: float) -> None:
        """No mail may take it any more."""
        if slot.state is State.CLOSING:
            return
        slot.rested = slot.followed = False
        self._ended.pop(slot, None)
        if slot.state is State.IDLE:
            slot.rested = now - slot.since >= RESTED
            self._idle.remove(slot)
        slot.state = State.CLOSING

    def closed(self, slot: Slot, now: float, jitter: float, *, by_server: bool) -> None:
        """Its connection is gone: EMPTY.

        `by_server`: it was not we who wanted that. Before the first mail and within RESTED of the dial it counts as a failed dial, else a
        server that greets and hangs up would be dialled for ever.
        """
        self.closing(slot, now)
        slot.state = State.EMPTY
        self._counts.closed += 1
        self._counts.mails += slot.mails
        if by_server and slot.rested:
            self._want_fewer()
        elif by_server and not slot.mails and now - slot.dialled_at < RESTED:
            self.relays.failed(slot.relay, slot.dialled_at, now, jitter, _HUNG_UP)

    def stumbled(self, slot: Slot, stumble: Stumble, now: float) -> bool:
        """What its connection broke over. Groups and chunks count against its relay only if no mail was ever answered on it.

        True: `pipelining` or `chunking` of its relay say no from now on.
        """
        counts = not slot.mails or stumble in (Stumble.FOLLOWING, Stumble.NO_BDAT)
        return counts and self.shortcomings.stumbled(self.route.relays[slot.relay], stumble, now)

    def pipelining(self, slot: Slot, now: float) -> bool:
        """Groups of commands are allowed, and its relay has not shown of late that it can't take them."""
        return self.route.pipelining and not self._lacks(slot, Skill.PIPELINING, now)

    def chunking(self, slot: Slot, now: float) -> bool:
        """BDAT is allowed, and its relay has not shown of late that it can't take it."""
        return self.route.chunking and not self._lacks(slot, Skill.CHUNKING, now)

    def _lacks(self, slot: Slot, skill: Skill, now: float) -> bool:
        return self.shortcomings.any and self.shortcomings.lacks(self.route.relays[slot.relay], skill, now)

    def serves(self, route: Route) -> bool:
        """Its connections serve this route too: the same relays, spoken to in the same way."""
        return spoken(self.route) == spoken(route)

    def resize(self, route: Route) -> None:
        """The same relays and credentials under other numbers."""
        self.route = route
        self.wanted = route.connections
        self._slots += [Slot() for _ in range(route.connections - len(self._slots))]

    def retire(self) -> None:
        """The route is gone or became another: dial no more, close what is idle, and the rest when it is freed."""
        self.retired = True
        self.wanted = 0

    def plan(self, now: float) -> Plan:
        """What is to be dialled and closed now. Ask after every dial and loss, after a `take` in vain, and once a second."""
        self._prove(now)
        close = self._overdue(now)
        for slot in close:
            self.closing(slot, now)
        return Plan(tuple(self._dials(now)), close)

    def capacity(self, now: float) -> int:
        """Connections usable, being dialled, or dialled on demand; what a relay that rests would have is not counted."""
        if self.retired:
            return 0
        if self.relays.well(now):
            return self.route.connections
        return self._count(_USABLE) + self._count((State.DIALING,))

    @property
    def warm(self) -> int:
        """Connections that are open and usable."""
        return self._count(_USABLE)

    @property
    def busy(self) -> int:
        """Connections with a mail on them."""
        return self._count((State.RESERVED, State.BUSY, State.RESETTING))

    @property
    def empty(self) -> bool:
        """Nothing is open or being dialled."""
        return all(slot.state is State.EMPTY for slot in self._slots)

    def stats(self, now: float = 0.0) -> Counts:
        """A copy of the counts as of now."""
        slots = {state.name: self._count((state,)) for state in State}
        mails = self._counts.mails + sum(slot.mails for slot in self._slots if slot.state in _OPEN)
        return replace(self._counts, mails=mails, resting=self.relays.count_resting(now), slots=slots)

    def _count(self, states: Iterable[State]) -> int:
        return sum(slot.state in states for slot in self._slots)

    def _want_fewer(self) -> None:
        self.wanted = max(min(self.wanted, max(1, self.route.connections // 10)), self.wanted - 1)

    def _prove(self, now: float) -> None:
        """Relays are well again when a connection of theirs carried a mail or held for RESTED."""
        for slot in self._slots:
            if slot.state in _USABLE and (slot.mails or now - slot.dialled_at >= RESTED):
                self.relays.proved(slot.relay, slot.dialled_at)
                if slot.mails and self.shortcomings.any:
                    self._prove_skills(slot)

    def _prove_skills(self, slot: Slot) -> None:
        for skill, allowed in ((Skill.CHUNKING, self.route.chunking), (Skill.PIPELINING, self.route.pipelining)):
            if allowed:
                self.shortcomings.proved(self.route.relays[slot.relay], skill, slot.dialled_at)

    def _overdue(self, now: float) -> tuple[Slot, ...]:
        if self.retired:
            return tuple(self._idle)
        limit = now - self.route.idle_timeout / timedelta(seconds=1)
        overdue = tuple(slot for slot in self._idle if slot.since <= limit)
        for _ in overdue:
            self._want_fewer()
        too_many = self._count(_USABLE) - len(overdue) - self.route.connections
        rest = [slot for slot in self._idle if slot not in overdue]
        return overdue + tuple(rest[: max(too_many, 0)])

    def _dials(self, now: float) -> Iterable[Dial]:
        dialing = self._count((State.DIALING,))
        missing = 0 if self.retired else min(self.wanted - dialing - self._count(_USABLE), DIALS_AT_ONCE - dialing)
        empty = (slot for slot in self._slots if slot.state is State.EMPTY)
        for slot in empty:
            if missing <= 0 or (place := self._relay(now)) is None:
                return
            missing -= 1
            slot.state, slot.relay, slot.since = State.DIALING, place, now
            yield Dial(slot, self.route.relays[place], place)

    def _relay(self, now: float) -> int | None:
        """The first relay that may be dialled. One that failed is tried by a single dial, then by as many as it holds."""
        for place in range(len(self.route.relays)):
            if self.relays.resting(place, now):
                continue
            of_it = [slot for slot in self._slots if slot.relay == place]
            if not self.relays.suspect(place):
                return place
            usable = sum(slot.state in _USABLE for slot in of_it)
            if sum(slot.state is State.DIALING for slot in of_it) <= usable:
                if not usable:
                    self.relays.tried(place, now)
                return place
        return None
