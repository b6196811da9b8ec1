"""The span of an SMTP transaction, made when it is over, from what was heard at its connection. Pure.

Only the mails of sampled calls are listened to, and only where spans are exported: the others are not even asked about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mailgate.ids import format_id, mail_of
from mailgate.telemetry import names
from mailgate.telemetry.traces import Event, Role, Tracer, Value
from mailgate.verdict import Outcome, Tried
from sender.pool.handoff import Handoff
from sender.pool.relays import Trouble
from sender.pool.tap import Tap
from sender.pool.taps import Taps
from sender.smtp.dialogue import Said

_OK, _GO_ON = 2, 354


class Connections(Protocol):
    """What of the pool is needed here."""

    taps: Taps

    def start(self, handoff: Handoff) -> bool:
        """Put it on an idle connection. False: there is none now."""
        ...

    def withdraw(self, handoff: Handoff) -> None:
        """Give it up."""
        ...

    def trouble(self, key: str) -> Trouble | None:
        """Why a path has no connection."""
        ...


class Notes:
    """What was heard of one transaction: an Ear. `began_ns`: since the epoch, when its commands had left."""

    def __init__(self, began_ns: int, recipients: int) -> None:
        self.began_ns = began_ns
        self.tap: Tap | None = None
        """None: nothing is heard of it."""
        self._mail = 0
        self._recipients = recipients
        self._refused = 0
        self._events: dict[str, Event] = {}

    def begin(self, tap: Tap | None) -> None:
        """It is the newest transaction of this tap's dialogue."""
        self.tap = tap
        self._mail = tap.dialogue.mails if tap is not None else 0

    @property
    def events(self) -> list[Event]:
        """In the order of their times."""
        return sorted(self._events.values(), key=lambda event: event[1])

    def said(self, _tap: Tap, said: Said, now_ns: int) -> None:
        """A line of the connection's dialogue."""
        if said.mail == self._mail:
            self._wrote(said, now_ns) if said.ours else self._heard(said, now_ns)

    def closed(self, _tap: Tap, _why: str, now_ns: int) -> None:
        """The words may be the server's, and name somebody: they are not told."""
        self._note(names.EVENT_CLOSED, now_ns)

    def _wrote(self, said: Said, now_ns: int) -> None:
        if said.name == "LAST" or not said.text:
            self._note(names.EVENT_COMMIT, now_ns)
        elif said.text.startswith("<"):
            self._note(names.EVENT_BODY_SENT, now_ns)

    def _heard(self, said: Said, now_ns: int) -> None:
        code = said.code
        if not code:
            return
        if said.name == "RCPT":
            self._recipients -= 1
            self._refused += code // 100 != _OK
            if not self._recipients:
                self._note(names.EVENT_RCPT, now_ns, {names.REFUSED_COUNT: self._refused})
        elif said.name == "MAIL":
            self._note(names.EVENT_MAIL, now_ns, {names.SMTP_CODE: code})
        elif said.name in ("BODY", "LAST"):
            self._note(names.EVENT_REPLY, now_ns, {names.SMTP_CODE: code})
        elif code == _GO_ON or said.name == "BDAT":
            self._note(names.EVENT_READY, now_ns, {names.SMTP_CODE: code})

    def _note(self, name: str, now_ns: int, more: dict[str, Value] | None = None) -> None:
        self._events[name] = (name, now_ns, more or {})


class Transactions:
    """The pool as waiting mails see it, which listens to those that are to have a span. `clock`: nanoseconds since the epoch."""

    def __init__(self, pool: Connections, tracer: Tracer, clock: Callable[[], int]) -> None:
        self._pool, self._tracer, self._clock = pool, tracer, clock
        self._notes: dict[Handoff, Notes] = {}
        self.trouble = pool.trouble

    def __len__(self) -> int:
        return len(self._notes)

    def start(self, handoff: Handoff) -> bool:
        """As the pool's, which is what mails that nobody traces should be given."""
        if not self._pool.start(handoff):
            return False
        if self._tracer.wants(handoff.traceparent):
            self.forget(handoff)
            notes = self._notes[handoff] = Notes(self._clock(), len(handoff.recipients))
            notes.begin(self._pool.taps.hear_mail(handoff, notes))
        return True

    def withdraw(self, handoff: Handoff) -> None:
        """As the pool's."""
        self.forget(handoff)
        self._pool.withdraw(handoff)

    def forget(self, handoff: Handoff) -> Notes | None:
        """No more is to be heard of it: what was."""
        notes = self._notes.pop(handoff, None)
        if notes is not None and notes.tap is not None:
            self._pool.taps.unhear(notes.tap.connection, notes)
        return notes

    def over(self, handoff: Handoff, tried: Tried) -> None:
        """Make the span, which ends now. Costs next to nothing when the call was not sampled."""
        if self._tracer.wants(handoff.traceparent):
            trace(self._tracer, handoff, tried, self._clock(), self.forget(handoff))


def trace(tracer: Tracer, handoff: Handoff, tried: Tried, end_ns: int, notes: Notes | None = None) -> None:
    """The mail is sampled, and its transaction ended at `end_ns` since the epoch."""
    failed = [verdict.reply for verdict in tried.recipients if verdict.outcome is not Outcome.DELIVERED]
    reply = failed[0] if failed else tried.recipients[0].reply
    host, _, port = tried.remote_address.rpartition(":")
    attributes: dict[str, Value] = {
        names.NETWORK_PROTOCOL: "smtp",
        names.MAIL_ID: format_id(mail_of(handoff.fence.job_id)),
        names.ATTEMPT_NUMBER: handoff.fence.attempt,
        names.ROUTE: handoff.route,
        names.RECIPIENT_COUNT: len(handoff.recipients),
        names.MESSAGE_SIZE: len(handoff.message),
        names.SERVER_ADDRESS: tried.remote_host,
        names.SMTP_PHASE: reply.phase.name.lower(),
        names.SMTP_CODE: reply.code,
        names.SMTP_ENHANCED_CODE: reply.enhanced_code,
    }
    if port.isascii() and port.isdigit():
        attributes |= {names.PEER_ADDRESS: host.strip("[]"), names.PEER_PORT: int(port), names.SERVER_PORT: int(port)}
    if tried.tls:
        attributes[names.TLS_VERSION] = tried.tls.removeprefix("TLSv")
    error_type = failed[0].bounce_class or str(failed[0].code) if failed else ""
    tracer.span(
        names.SPAN_TRANSACTION,
        handoff.traceparent,
        end_ns - tried.duration_us * 1000 if notes is None else notes.began_ns,
        end_ns,
        attributes,
        role=Role.CLIENT,
        error_type=error_type,
        events=notes.events if notes is not None else (),
    )
