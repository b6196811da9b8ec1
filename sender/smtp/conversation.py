"""One connection's side of SMTP after the handshake: bytes in, events out, transaction after transaction. No I/O, no clock.

A transaction's way (RFC 5321 3.3), in one write where PIPELINING allows it (RFC 2920), else step by step:

    IDLE ─start─▶ COMMANDS ─354─▶ READY ─finish─▶ BODY ─last piece out─▶ ENDED ─reply─▶ IDLE
                     │  refused         │ withdraw                          └ silence: nobody can know (RFC 1047)
                     ├────────▶ RESETTING ─250─▶ IDLE
                     └ every RCPT refused and yet 354: a lone dot ─▶ EMPTIED ─any reply─▶ IDLE   (RFC 2920 3.1)

With CHUNKING (RFC 3030) the message leaves by BDAT before READY: a short one among the COMMANDS, a long one in a step of its own, CHUNKS,
between COMMANDS and READY. All that `finish` lets go is an empty LAST; `withdraw` leads to RESETTING, and costs no connection.

The group of the next transaction may follow a body at once (RFC 2920 3.1), by `start` while ENDED: the reply to the body then leads to
COMMANDS instead of IDLE, and a round trip is saved.

From everywhere: a lost connection, 421, a reply that is none, or one that nobody asked for ─▶ CLOSED. The end of the body leaves only
through `finish` and `more`; until the last piece has been handed out the mail is certainly unsent.
"""

from __future__ import annotations

from mailgate.verdict import Outcome, Phase, Reply
from sender.smtp import body, chunks
from sender.smtp.capabilities import Capabilities
from sender.smtp.classes import CLOSING, is_unknown
from sender.smtp.commands import DATA, commands_of, one_by_one
from sender.smtp.events import FLOW, IDLE, READY, Close, Done, Dsn, Event, Send, Stumble, Transaction
from sender.smtp.replies import ReplyParser, Rubbish, ServerReply
from sender.smtp.steps import AWAITED, LINES, WAITING, Step, Waiting
from sender.smtp.under_way import Next, UnderWay
from sender.smtp.verdicts import broken, outcome_of, understand

# A member of an enum costs 60 ns each time it is looked up by its class.
_IDLE, _COMMANDS, _CHUNKS, _READY, _BODY, _ENDED = Step.IDLE, Step.COMMANDS, Step.CHUNKS, Step.READY, Step.BODY, Step.ENDED
_WAIT, _READY_NEXT, _OUT, _OK, _MORE = Next.WAIT, Next.READY, (_BODY, _ENDED), 2, 3
_IN_DATA, _IN_BODY, _DELIVERED, _DEFERRED = Phase.DATA, Phase.BODY, Outcome.DELIVERED, Outcome.DEFERRED
_RESETTING, _EMPTIED, _QUITTING, _PROBING, _CLOSED = Step.RESETTING, Step.EMPTIED, Step.QUITTING, Step.PROBING, Step.CLOSED


class Conversation:
    """See the module. The caller writes what it is given, in order, and passes in whatever the server says, and its silence."""

    __slots__ = ("_following", "_leaving", "_mail", "_parser", "capabilities", "chunking", "dismissal", "dsn", "pipelining", "step")

    def __init__(self, capabilities: Capabilities, *, pipelining: bool = True, chunking: bool = True) -> None:
        self.capabilities = capabilities
        self.allow(pipelining=pipelining, chunking=chunking)
        self.step = _IDLE
        self._parser = ReplyParser()
        self._mail: UnderWay | None = None
        """From `start` until the connection is idle again."""
        self._following: UnderWay | None = None
        """Its group has followed the body of `_mail`."""
        self._leaving: body.Leaving | None = None
        """A long body; None while a body is out: it is short."""
        self.dismissal: Reply | None = None
        """The server's 421, once it has closed by that."""

    def __repr__(self) -> str:
        return f"<Conversation {self.step.name}{', step by step' if not self.pipelining else ', followed' if self._following else ''}>"

    def allow(self, *, pipelining: bool, chunking: bool, dsn: Dsn | None = None) -> None:
        """What of that is also offered is used from the next `start` on: groups of commands, BDAT, and what to report."""
        self.pipelining = pipelining and self.capabilities.pipelining
        self.chunking, self.dsn = chunking and self.capabilities.chunking, dsn if self.capabilities.dsn else None

    @property
    def waiting(self) -> Waiting:
        """The deadline that runs now; it begins anew with each thing heard, and with each written but what follows a body."""
        return Waiting.DATA if self.step is _COMMANDS and self._phase is _IN_DATA else WAITING[self.step]

    @property
    def ready(self) -> Transaction | None:
        """The one that may be finished; None: none may."""
        return self._mail.transaction if self.step is _READY and self._mail is not None else None

    @property
    def ending(self) -> Transaction | None:
        """The one whose body is under way or unanswered; None: there is none."""
        return self._mail.transaction if self.step in _OUT and self._mail is not None else None

    @property
    def under_way(self) -> tuple[list[UnderWay], bytes]:
        """For who looks on: the transaction that is not over, one that has followed its body, and what came of a reply's next line."""
        return [mail for mail in (self._mail, self._following) if mail is not None], self._parser.rest

    @property
    def takes_another(self) -> bool:
        """Another transaction may follow the body. Not a long one, which the server may have refused midway."""
        return self.step in _OUT and self.pipelining and self._following is None and self._leaving is None

    def start(self, transaction: Transaction) -> bytes | Done:
        """What to write to begin the transaction, while IDLE or where it `takes_another`; a body that was held comes first.

        Done when `commands_of` finds that it can't be sent here: nothing was begun.
        """
        if self.step is not _IDLE and not self.takes_another:
            raise RuntimeError(f"start while {self.step.name}")
        parts = chunks.Chunks(transaction) if self.chunking else None
        last = DATA if parts is None else parts.first
        group = commands_of(transaction, self.capabilities, last, self.dsn)
        if isinstance(group, Done):
            return group
        if self.step is not _IDLE:
            self._following = UnderWay(transaction, parts)
            return self.more() + group
        self._mail, self.step = UnderWay(transaction, parts), _COMMANDS
        if self.pipelining:
            return group
        return self._mail.go_alone(one_by_one(group, last))

    def finish(self, *, hold: bool = False) -> bytes:
        """Lets the end of the body go: what to write first, while READY. `more` goes on, when that is on its way.

        `hold`: what is one piece is left to `more` too, or to the `start` of a transaction that follows it at once, in the same write.
        """
        if self.step is not _READY or self._mail is None:
            raise RuntimeError(f"finish while {self.step.name}")
        message = self._mail.transaction.message
        if len(message) > body.PIECE_OCTETS and self._mail.chunks is None:
            self._leaving = body.Leaving(body.pieces(message))
        self.step = _BODY
        return b"" if hold and self._leaving is None else self.more()

    def more(self) -> bytes:
        """The next piece of a body, when the one before is on its way; empty when there is none."""
        parts = self._mail.chunks if self._mail is not None else None
        if self._mail is None or self.step is not _BODY:
            return parts.next() if parts is not None and self.step is _CHUNKS else b""
        if parts is not None:
            self.step = _ENDED
            return chunks.LAST
        mail, leaving = self._mail.transaction, self._leaving
        piece = body.wire(mail.message, clean=mail.clean) if leaving is None else leaving.next()
        if leaving is None or leaving.out:
            self.step = _ENDED
        return piece

    def withdraw(self, transaction: Transaction) -> list[Event]:
        """Gives the transaction up; nothing more is told of it.

        While its commands are under way the replies that are owed are awaited first: then RSET, or closing without a dot after 354. While
        READY: RSET after chunks, Close after 354. Later it is too late, and nothing happens.
        """
        mail, events = self._mail, list[Event]()
        if self._following is not None and self._following.transaction is transaction:
            self._following.told = True
        elif mail is not None and mail.transaction is transaction and self.step in (_COMMANDS, _CHUNKS, _READY):
            mail.told = True
            if self.step is _READY and mail.chunks is None:
                events += self._close("withdrawn after 354", ours=True)
            elif self.step is not _COMMANDS and mail.chunks is not None and mail.chunks.call_off():
                self._reset(mail, events)
        return events

    def ask(self, step: Step) -> bytes:
        """While idle. QUITTING: Close follows the server's answer. PROBING: is it still there? Idle follows then."""
        if self.step is not _IDLE:
            raise RuntimeError(f"{step.name} while {self.step.name}")
        self.step = step
        return LINES[step]

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes of the server mean. Ready or Idle comes last, and only if nothing after it spoiled it."""
        events: list[Event] = []
        for reply in self._parser.feed(data):
            step, mail = self.step, self._mail
            if isinstance(reply, Rubbish):
                events += self._rubbish(reply.why)
            elif mail is not None and (step is _COMMANDS or step is _CHUNKS):
                self._command_answered(mail, reply, events)
            elif step is _ENDED and mail is not None:
                self._body_answered(mail, reply, events)
            elif step is not _CLOSED:
                self._other_answered(reply, events)
        if self.step is _READY or self.step is _IDLE:
            events += self._rubbish("the server spoke out of turn") if self._parser.amid else (READY if self.step is _READY else IDLE,)
        return events

    def lost(self, why: str) -> list[Event]:
        """The connection is gone. Before the last piece was handed out: deferred; after it: in doubt."""
        return self._fail(broken(self._phase, why), why)

    def timed_out(self, seconds: float) -> list[Event]:
        """The deadline that `waiting` names has passed."""
        why = f"no reply to {AWAITED.get(self.step) or self._phase.name} within {seconds:g} s"
        return self._fail(broken(self._phase, why), why, reset=True)

    @property
    def _phase(self) -> Phase:
        """What the server's next reply would be to."""
        if self._mail is None or self.step is _COMMANDS:
            return Phase.UNKNOWN if self._mail is None else self._mail.phase
        return _IN_DATA if self.step in (_CHUNKS, _READY) else _IN_BODY

    def _command_answered(self, mail: UnderWay, reply: ServerReply, events: list[Event]) -> None:
        if reply.code == CLOSING:
            events += self._fail(understand(self._phase, reply), "the server closes (421)")
        elif (then := mail.answer(reply)) is _READY_NEXT:
            self.step = _READY
        elif then is _WAIT:
            pass
        elif then is Next.SEND:
            events.append(Send(mail.next_command()))
        elif then is Next.FLOW:
            self.step = _CHUNKS
            events.append(FLOW)
        elif then is Next.NONSENSE:
            self._nonsense(reply, events)
        elif then is Next.NO_BDAT:
            self._no_bdat(mail, reply, events)
        else:
            self._over(mail, then, events)

    def _over(self, mail: UnderWay, then: Next, events: list[Event]) -> None:
        events += mail.tell_refused()
        if then is Next.EMPTY:
            events.append(Send(body.END))
            self.step = _EMPTIED
        elif then is Next.CLOSE:
            events += self._close("354 to a mail that is not to be sent", ours=True)
        else:
            self._reset(mail, events)

    def _no_bdat(self, mail: UnderWay, reply: ServerReply, events: list[Event]) -> None:
        """Certainly unsent: it said no. It may have taken the message for commands, so nothing more is heard of it."""
        why = f"the server offers CHUNKING and answers BDAT with {reply.code} {understand(self._phase, reply).text}"
        events += mail.tell(_DEFERRED, broken(self._phase, why, "protocol"), answered=False)
        events += self._close(why, reset=True, stumbled=Stumble.NO_BDAT)

    def _body_answered(self, mail: UnderWay, reply: ServerReply, events: list[Event]) -> None:
        code = reply.code
        if code // 100 == _MORE:
            self._nonsense(reply, events)
            return
        if mail.chunks is not None and is_unknown(code):
            self._no_bdat(mail, reply, events)
            return
        said = understand(_IN_BODY, reply)
        events += mail.tell(_DELIVERED if code // 100 == _OK else outcome_of(_IN_BODY, said), said)
        if code == CLOSING:
            self.dismissal = said
            events += self._close("the server closes (421)")
        elif code // 100 != _OK and self._leaving is not None:
            # It may have refused midway; whether another reply is to come nobody can tell.
            events += self._close("a long body was refused", reset=True, ours=True)
        elif self._following is not None:
            self._mail, self._following = self._following, None
            self._mail.followed = True
            self.step = _COMMANDS
        else:
            self._rest()

    def _other_answered(self, reply: ServerReply, events: list[Event]) -> None:
        """Replies that carry no verdict: to RSET, QUIT and the lone dot; and those that nobody asked for."""
        step, kind = self.step, reply.code // 100
        if step is _BODY and kind > _MORE and self._mail is not None and self._mail.chunks is None:
            said = understand(_IN_BODY, reply)
            events += [*self._mail.tell(outcome_of(_IN_BODY, said), said), *self._close("refused amid the body", reset=True, ours=True)]
        elif step is _QUITTING:
            events += self._close("good-bye", ours=True)
        elif reply.code == CLOSING:
            events += self._fail(understand(self._phase, reply), "the server closes (421)")
        elif (step in (_EMPTIED, _PROBING) and kind != _MORE) or (step is _RESETTING and kind == _OK):
            self._rest()
        else:
            self._nonsense(reply, events)

    def _nonsense(self, reply: ServerReply, events: list[Event]) -> None:
        events += self._rubbish(f"a reply that makes no sense here: {reply.code} {understand(self._phase, reply).text}")

    def _rubbish(self, why: str) -> list[Event]:
        return self._fail(broken(self._phase, why, "protocol"), why)

    def _fail(self, reply: Reply, why: str, *, reset: bool = False) -> list[Event]:
        """Nothing more will be heard that could be understood."""
        if self.step is _CLOSED:
            return []
        self.dismissal = reply if reply.code == CLOSING else None
        mail, outcome = self._mail, Outcome.IN_DOUBT if self.step is _ENDED else _DEFERRED
        stumbled = Stumble.NO if mail is None else mail.stumble(self.step, reply, pipelining=self.pipelining)
        told = [] if mail is None else mail.tell(outcome, reply, answered=False)
        return [*told, *self._close(why, reset=reset or self.step in _OUT, stumbled=stumbled)]

    def _close(self, why: str, *, reset: bool = False, stumbled: Stumble = Stumble.NO, ours: bool = False) -> list[Event]:
        unsent = [] if self._following is None else self._following.tell(_DEFERRED, broken(Phase.MAIL, why), answered=False)
        self._rest()
        self.step, self._following = _CLOSED, None
        return [*unsent, Close(why, reset, stumbled, ours)]

    def _reset(self, mail: UnderWay, events: list[Event]) -> None:
        """After a transaction that nothing has ended. None was begun where MAIL was refused, unless chunks came after (RFC 3030 2)."""
        if mail.mail_refused and (mail.chunks is None or not mail.chunks.begun):
            self._rest()
        else:
            events.append(Send(b"RSET\r\n"))
            self.step = _RESETTING

    def _rest(self) -> None:
        self.step, self._mail, self._leaving = _IDLE, None, None
