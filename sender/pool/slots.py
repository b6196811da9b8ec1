"""A path's connections, counted and decided on: which one takes the next mail, when to dial, when to close. No I/O, no clock.

A slot's way: EMPTY ─plan─▶ DIALING ─dialled─▶ IDLE ─take─▶ RESERVED ─began─▶ BUSY ─done─▶ RESETTING ─freed─▶ IDLE; from everywhere
─closing─▶ CLOSING ─closed─▶ EMPTY; DIALING ─failed─▶ EMPTY. A slot is the route's until its connection is closed for good, so there
are never more connections than `Route.connections`.

How many are wanted says sizing.py: what is missing is dialled, DIALS_AT_ONCE at a time and more where many hold; what is too many is
closed when nobody has used it for `idle_timeout`. What has been idle for long is asked whether it still lives before a mail is put on it
(idle.py). The last tenth is for mail that is not bulk.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from mailgate.verdict import Phase, Reply
from sender.pool.choosing import choose
from sender.pool.circuits import Circuits
from sender.pool.idle import Idle
from sender.pool.path import Path
from sender.pool.plan import IN_USE, USABLE, Counts, Dial, Plan, Slot, State
from sender.pool.relays import Relays, refuses_login, spoken
from sender.pool.shortcomings import Shortcomings
from sender.pool.sizing import Sizing
from sender.pool.skills import Skills
from sender.smtp.classes import CLOSING

DIALS_AT_ONCE, MOST_AT_ONCE = 8, 32
"""Of one route; half as many as are open, up to the most. TLS handshakes cost the loop a millisecond each."""
RESTED = 5.0
"""Seconds. A server that closes an idle connection sooner has failed; later it was tidying up."""
_IDLE, _RESERVED, _BUSY, _RESETTING, _CLOSING = State.IDLE, State.RESERVED, State.BUSY, State.RESETTING, State.CLOSING
"""For the hot path: a member of an enum costs 60 ns each time it is looked up by its class."""
_HUNG_UP = Reply(Phase.EHLO, 0, "4.4.2", "the server closes connections as soon as they are made", "connect")


class Slots:
    """See the module. Times are seconds of one monotonic clock; `jitter` is from [0, 1)."""

    def __init__(self, path: Path, shortcomings: Shortcomings | None = None, circuits: Circuits | None = None) -> None:
        self.path, self.route = path, (route := path.route)
        self.skills = Skills(route, shortcomings or Shortcomings())
        self.relays = Relays(route, circuits, path.source)
        self.retired = False
        self.sizing = Sizing(route.min_idle, route.connections)
        self._slots = [Slot() for _ in range(route.connections)]
        self._resting = Idle()
        self._idle = self._resting.fresh
        self.busy = 0
        """Connections with a mail on them, or something to tidy up."""
        self._ended: dict[Slot, None] = {}
        """BUSY, the body out, and not followed yet."""
        self._counts = Counts()
        self._set_limits()

    def __repr__(self) -> str:
        states = " ".join(f"{name.lower()}={count}" for name, count in self.stats().slots.items() if count)
        return f"<Slots {self.path.key}{' retired' if self.retired else ''} {states} {self.sizing!r}>"

    # ---- the hot path: no allocation, no loop

    def take(self, *, bulk: bool = False) -> Slot | None:
        """The idle slot used last, now RESERVED; else, with all connections there, one whose mail can be followed by another, still BUSY.

        None: there is none now; more connections are wanted then.
        """
        if self._idle and not (bulk and self.busy >= self._bulk_most):
            slot = self._idle.pop()
            slot.state = _RESERVED
            self.busy += 1
            return slot
        sizing = self.sizing
        if sizing.wanted < sizing.most:
            if self._resting.stale:
                self._resting.asked += 1
            else:
                sizing.missed(self.warm)
        elif self._ended:
            slot, _ = self._ended.popitem()
            slot.followed = True
            return slot
        else:
            self._resting.asked += 1
        return None

    def began(self, slot: Slot, now: float) -> None:
        """A mail is under way on it."""
        if slot.state is _RESERVED:
            slot.since = now
        slot.state = _BUSY

    def not_begun(self, slot: Slot) -> None:
        """The mail for which it was taken can't be sent on it: it is as before `take`."""
        if slot.state is _RESERVED:
            slot.state = _IDLE
            self.busy -= 1
            self._idle.append(slot)
        else:
            slot.followed = False
            self._ended[slot] = None

    def ended(self, slot: Slot, now: float) -> None:
        """The body of its mail is out, and another mail may follow it."""
        if slot.mails + 1 < self.skills.mails and not self.retired and self.skills.following(slot, now):
            self._ended[slot] = None

    def alone(self, slot: Slot) -> None:
        """No mail may follow the body of its mail any more."""
        self._ended.pop(slot, None)

    def done(self, slot: Slot, *, answered: bool) -> None:
        """Its mail is judged, by the server's answers or by its silence; one may have followed, or there may be something to tidy up."""
        if slot.state is not _CLOSING:
            slot.state = _BUSY if slot.followed else _RESETTING
        if slot.follows and answered:
            slot.followers = True
        slot.follows, slot.followed = slot.followed, False
        slot.mails += answered
        self._ended.pop(slot, None)

    def freed(self, slot: Slot, now: float) -> bool:
        """It could take the next mail, and is IDLE. False: it must be closed instead, and is CLOSING."""
        self.sizing.used += now - slot.since
        if self.retired or slot.mails >= self.skills.mails or now - slot.dialled_at >= self._max_age:
            self.closing(slot, now)
            return False
        slot.state = _IDLE
        slot.since = now
        self.busy -= 1
        self._idle.append(slot)
        return True

    # ---- everything else

    def dialled(self, slot: Slot, now: float) -> bool:
        """The dial succeeded: IDLE. False: it is not wanted any more, and is CLOSING."""
        self._counts.dialled += 1
        self._counts.mails += slot.mails
        slot.dialled_at = slot.since = now
        slot.mails, slot.follows, slot.followers = 0, False, False
        self.relays.answered(slot.relay, now)
        if self.retired:
            self.closing(slot, now)
            return False
        slot.state = State.IDLE
        self._idle.append(slot)
        return True

    def failed(
        self, slot: Slot, now: float, jitter: float, reply: Reply, address: str, *, of_source: bool = False, of_node: bool = False
    ) -> bool:
        """The dial failed: EMPTY, and its relay rests, unless it only has enough of us. False: nothing new, or nothing that is trouble."""
        slot.state = State.EMPTY
        self._counts.failed += 1
        if self.warm and (reply.code == CLOSING or reply.bounce_class == "rate_limited"):
            self.sizing.too_many(now, self.warm)
            return False
        self._counts.refused += refuses_login(reply)
        return self.relays.failed(slot.relay, slot.since, now, jitter, reply, address, of_source=of_source, of_node=of_node)

    def spurned(self, slot: Slot, now: float, jitter: float, reply: Reply, address: str) -> tuple[Slot, ...]:
        """Its relay wants no mail of ours now: the relay rests. Its idle connections, CLOSING now; the others close when they are freed."""
        self.relays.failed(slot.relay, slot.since, now, jitter, reply, address)
        mine = [each for each in self._slots if each.relay == slot.relay and each.state in USABLE]
        idle = tuple(each for each in mine if each.state is State.IDLE)
        for each in mine:
            each.dialled_at = float("-inf")
        for each in idle:
            self.closing(each, now)
        return idle

    def given_up(self, slot: Slot) -> None:
        """The dial was cancelled: EMPTY."""
        slot.state, self._counts.begun = State.EMPTY, self._counts.begun - 1

    def closing(self, slot: Slot, now: float) -> None:
        """No mail may take it any more."""
        if slot.state is State.CLOSING:
            return
        slot.rested = slot.followed = False
        self._ended.pop(slot, None)
        if slot.state is State.IDLE:
            slot.rested = now - slot.since >= RESTED
            self._resting.remove(slot)
        elif slot.state in IN_USE:
            self.busy -= 1
        slot.state = State.CLOSING

    def closed(self, slot: Slot, now: float, jitter: float, *, by_server: bool) -> None:
        """Its connection is gone: EMPTY.

        `by_server`: it was not we who wanted that. Before the first mail and within RESTED of the dial it counts as a failed dial, else a
        server that greets and hangs up would be dialled for ever.
        """
        self.closing(slot, now)
        slot.state = State.EMPTY
        self._counts.closed += 1
        if by_server and not slot.rested and not slot.mails and now - slot.dialled_at < RESTED:
            self.relays.failed(slot.relay, slot.dialled_at, now, jitter, _HUNG_UP)

    def dismissed(self, slot: Slot, reply: Reply, now: float) -> None:
        """Its server closes it by 421. Told before `closing`: a server that tidies up what is idle has not enough of us."""
        idle = slot.state is State.IDLE and now - slot.since >= RESTED
        if not idle and (not slot.mails or reply.bounce_class == "rate_limited"):
            self.sizing.too_many(now, self.warm)

    def serves(self, path: Path) -> bool:
        """Its connections serve this path too: the same relays, from the same source, spoken to in the same way."""
        return spoken(self.route) == spoken(path.route) and self.path.source == path.source

    def resize(self, path: Path) -> None:
        """The same relays and credentials under other numbers."""
        self.path, self.route = path, (route := path.route)
        self.skills.route = route
        self.sizing.resize(route.min_idle, route.connections)
        self._set_limits()
        self._slots += [Slot() for _ in range(route.connections - len(self._slots))]

    def retire(self) -> None:
        """The route is gone or became another: dial no more, close what is idle, and the rest when it is freed."""
        self.retired = True

    def plan(self, now: float) -> Plan:
        """What is to be dialled, probed and closed now. Ask after every dial and loss, after a `take` in vain, and once a second."""
        self._prove(now)
        self.sizing.look(now, self.busy)
        close = self._overdue(now)
        for slot in close:
            self.closing(slot, now)
        return Plan(tuple(self._dials(now)), close, self._probes(now))

    def capacity(self, now: float) -> int:
        """Connections usable, being dialled, or dialled on demand; not what a relay that rests would have.

        0 until the first dial is over, where some are kept warm: a node that starts is not given mail before it has them.
        """
        if self.retired or (self.route.min_idle and not self._counts.dialled and not self._counts.failed):
            return 0
        if self.relays.well(now):
            return self.sizing.most
        return self.warm + self._counts.dialing

    @property
    def warm(self) -> int:
        """Connections that are open and usable."""
        return self.busy + len(self._resting)

    @property
    def empty(self) -> bool:
        """Nothing is open or being dialled."""
        return self._counts.begun == self._counts.failed + self._counts.closed

    @property
    def asleep(self) -> bool:
        """`plan` has nothing to do before the next `take`. Must be cheap: ten thousand are asked each second."""
        return self.empty and self.sizing.at_rest

    def stats(self, now: float = 0.0) -> Counts:
        """A copy of the counts as of now."""
        return self._counts.with_slots(self._slots, self.relays.count_resting(now))

    def _set_limits(self) -> None:
        self._bulk_most = self.route.connections - self.route.connections // 10
        self._max_age = self.route.max_age / timedelta(seconds=1)

    def _prove(self, now: float) -> None:
        """Relays are well again when a connection of theirs carried a mail or held for RESTED."""
        for slot in self._slots:
            if slot.state in USABLE and (slot.mails or now - slot.dialled_at >= RESTED):
                self.relays.proved(slot.relay, slot.dialled_at)
                self.skills.proved(slot)

    def _overdue(self, now: float) -> tuple[Slot, ...]:
        if self.retired:
            return tuple(self._resting.all())
        return self._resting.overdue(now - self.route.idle_timeout / timedelta(seconds=1), self.sizing.most - self.busy)

    def _probes(self, now: float) -> tuple[Slot, ...]:
        """They are RESETTING, and then as new."""
        probes = self._resting.to_probe(now)
        for slot in probes:
            slot.state, slot.since = _RESETTING, now
        self.busy += len(probes)
        return tuple(probes)

    def _dials(self, now: float) -> Iterable[Dial]:
        dialing, usable = self._counts.dialing, self.warm
        at_once = min(max(DIALS_AT_ONCE, usable // 2), MOST_AT_ONCE)
        missing = 0 if self.retired else min(self.sizing.wanted - dialing - usable, at_once - dialing)
        empty = (slot for slot in self._slots if slot.state is State.EMPTY)
        for slot in empty:
            if missing <= 0 or (place := choose(self.route.relays, self.relays, self._slots, now)) is None:
                return
            missing -= 1
            self._counts.begun += 1
            slot.state, slot.relay, slot.since = State.DIALING, place, now
            yield Dial(slot, self.route.relays[place], place)
