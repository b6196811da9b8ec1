"""One connection's side of SMTP after the handshake: bytes in, events out, transaction after transaction. No I/O, no clock.

A transaction's way (RFC 5321 3.3), in one write where PIPELINING allows it (RFC 2920), else step by step:

    IDLE ─start─▶ COMMANDS ─354─▶ READY ─finish─▶ BODY ─last piece out─▶ ENDED ─reply─▶ IDLE
                     │  refused         │ withdraw                          └ silence: nobody can know (RFC 1047)
                     ├────────▶ RESETTING ─250─▶ IDLE
                     └ every RCPT refused and yet 354: a lone dot ─▶ EMPTIED ─any reply─▶ IDLE   (RFC 2920 3.1)

From everywhere: a lost connection, 421, a reply that is none, or one that nobody asked for ─▶ CLOSED. The end of the body leaves only
through `finish` and `more`; until the last piece has been handed out the mail is certainly unsent.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply
from sender.smtp import body
from sender.smtp.capabilities import Capabilities
from sender.smtp.commands import Transaction, commands_of
from sender.smtp.events import IDLE, READY, Close, Done, Event, Send
from sender.smtp.replies import ReplyParser, Rubbish, ServerReply
from sender.smtp.steps import AWAITED, WAITING, Step, Waiting
from sender.smtp.verdicts import CLOSING, broken, outcome_of, shared, understand

_GO_ON = 354
_OK, _MORE = 2, 3

_IDLE, _COMMANDS, _READY, _BODY, _ENDED = Step.IDLE, Step.COMMANDS, Step.READY, Step.BODY, Step.ENDED
_RESETTING, _EMPTIED, _QUITTING, _CLOSED = Step.RESETTING, Step.EMPTIED, Step.QUITTING, Step.CLOSED


class Conversation:
    """See the module. The caller writes what it is given, in order, and passes in whatever the server says, and its silence."""

    __slots__ = (
        "_answered", "_commands", "_count", "_long", "_mail_refused", "_parser", "_pieces", "_pipelining", "_refused", "_transaction",
        "_upcoming", "capabilities", "step",
    )  # fmt: skip

    def __init__(self, capabilities: Capabilities, *, pipelining: bool = True) -> None:
        self.capabilities = capabilities
        self.step = _IDLE
        self._pipelining = pipelining and capabilities.pipelining
        self._parser = ReplyParser()
        self._transaction: Transaction | None = None
        """None: idle, withdrawn, or already judged."""
        self._count = 0
        """Its recipients."""
        self._answered = 0
        """Of its commands: MAIL, each RCPT, DATA."""
        self._commands: list[bytes] = []
        """Step by step only: all of them; empty once DATA was sent."""
        self._mail_refused: ServerReply | None = None
        self._refused: dict[int, ServerReply] = {}
        """RCPTs, by their place."""
        self._pieces: Iterator[bytes] | None = None
        self._upcoming = b""
        self._long = False

    def __repr__(self) -> str:
        return f"<Conversation {self.step.name}{', step by step' if not self._pipelining else ''}>"

    @property
    def waiting(self) -> Waiting:
        """The deadline that runs now; it begins anew with each thing written or heard."""
        return WAITING[self.step]

    @property
    def pipelined(self) -> bool:
        """Commands go out in groups."""
        return self._pipelining

    def start(self, transaction: Transaction) -> bytes | Done:
        """What to write to begin the transaction; Done when `commands_of` finds the server unfit: it was asked nothing and stays idle."""
        if self.step is not _IDLE:
            raise RuntimeError(f"start while {self.step.name}")
        group = commands_of(transaction, self.capabilities)
        if isinstance(group, Done):
            return group
        self._transaction, self._count, self._answered = transaction, len(transaction.recipients), 0
        self.step = _COMMANDS
        if self._pipelining:
            return group
        self._commands = group.splitlines(keepends=True)
        return self._commands[0]

    def finish(self) -> bytes:
        """Lets the end of the body go: what to write first, while READY. A long body goes on with `more`."""
        if self.step is not _READY or self._transaction is None:
            raise RuntimeError(f"finish while {self.step.name}")
        message = self._transaction.message
        if len(message) <= body.PIECE_OCTETS:
            self.step = _ENDED
            return body.wire(message)
        self._long = True
        self._pieces = body.pieces(message)
        self._upcoming = next(self._pieces)
        self.step = _BODY
        return self.more()

    def more(self) -> bytes:
        """The next piece of a long body, when the one before is on its way; empty when there is none."""
        if self.step is not _BODY or self._pieces is None:
            return b""
        piece, self._upcoming = self._upcoming, next(self._pieces, b"")
        if not self._upcoming:
            self.step, self._pieces = _ENDED, None
        return piece

    def withdraw(self) -> list[Event]:
        """Gives the transaction up; nothing more is told of it.

        While COMMANDS the replies that are owed are awaited first: then RSET, or closing without a dot after 354. While READY: Close.
        Later it is too late, and nothing happens.
        """
        if self.step is _COMMANDS:
            self._transaction = None
            return []
        return self._close("withdrawn after 354") if self.step is _READY else []

    def quit(self) -> bytes:
        """Says good-bye while idle; Close follows the server's answer."""
        if self.step is not _IDLE:
            raise RuntimeError(f"quit while {self.step.name}")
        self.step = _QUITTING
        return b"QUIT\r\n"

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes of the server mean. Ready or Idle comes last, and only if nothing after it spoiled it."""
        events: list[Event] = []
        for reply in self._parser.feed(data):
            if isinstance(reply, Rubbish):
                events += self._fail(broken(self._phase, reply.why, "protocol"), reply.why)
            elif self.step is _COMMANDS:
                self._command_answered(reply, events)
            elif self.step is _ENDED:
                self._body_answered(reply, events)
            elif self.step is not _CLOSED:
                self._other_answered(reply, events)
        step = self.step
        if step is _READY or step is _IDLE:
            if self._parser.amid:
                events += self._fail(broken(self._phase, "the server spoke out of turn", "protocol"), "the server spoke out of turn")
            else:
                events.append(READY if step is _READY else IDLE)
        return events

    def lost(self, why: str) -> list[Event]:
        """The connection is gone. Before the last piece was handed out: deferred; after it: in doubt."""
        return self._fail(broken(self._phase, why), why)

    def timed_out(self, seconds: float) -> list[Event]:
        """The deadline that `waiting` names has passed."""
        awaited = AWAITED.get(self.step) or self._phase.name
        why = f"no reply to {awaited} within {seconds:g} s"
        return self._fail(broken(self._phase, why), why, reset=True)

    @property
    def _phase(self) -> Phase:
        """What the server's next reply would be to."""
        if self.step is _COMMANDS:
            return Phase.MAIL if self._answered == 0 else Phase.RCPT if self._answered <= self._count else Phase.DATA
        return Phase.DATA if self.step is _READY else Phase.BODY if self.step in (_BODY, _ENDED) else Phase.UNKNOWN

    def _command_answered(self, reply: ServerReply, events: list[Event]) -> None:
        code, answered = reply.code, self._answered
        kind = code // 100
        if code == CLOSING:
            events += self._fail(understand(self._phase, reply), "the server closes (421)")
        elif answered > self._count:
            self._data_answered(reply, events)
        elif kind == _MORE:
            self._nonsense(reply, events)
        else:
            if kind != _OK:
                if answered:
                    self._refused[answered - 1] = reply
                else:
                    self._mail_refused = reply
            self._answered = answered + 1
            if self._commands:
                self._step_on(events)

    def _step_on(self, events: list[Event]) -> None:
        """Step by step: a reply is in, the next command goes out."""
        if self._transaction is None or self._mail_refused or len(self._refused) == self._count:
            self._judge(events, Outcome.DEFERRED, None)
            self._reset(events)
            return
        events.append(Send(self._commands[self._answered]))
        if self._answered > self._count:
            self._commands = []

    def _data_answered(self, reply: ServerReply, events: list[Event]) -> None:
        nobody = len(self._refused) == self._count
        if reply.code == _GO_ON:
            if nobody:
                self._judge(events, Outcome.DEFERRED, None)
                events.append(Send(body.END))
                self.step = _EMPTIED
            elif self._mail_refused or self._transaction is None:
                self._judge(events, Outcome.DEFERRED, None)
                events += self._close("354 to a mail that is not to be sent")
            else:
                self.step = _READY
        elif reply.code // 100 in (_OK, _MORE):
            self._nonsense(reply, events)
        else:
            said = understand(Phase.DATA, reply)
            self._judge(events, outcome_of(Phase.DATA, said), said)
            self._reset(events)

    def _body_answered(self, reply: ServerReply, events: list[Event]) -> None:
        if reply.code // 100 == _MORE:
            self._nonsense(reply, events)
            return
        said = understand(Phase.BODY, reply)
        self._judge(events, outcome_of(Phase.BODY, said), said)
        if reply.code == CLOSING:
            events += self._close("the server closes (421)")
        elif self._long and reply.code // 100 != _OK:
            # It may have refused midway; whether another reply is to come nobody can tell.
            events += self._close("a long body was refused", reset=True)
        else:
            self._clear()

    def _other_answered(self, reply: ServerReply, events: list[Event]) -> None:
        """Replies that carry no verdict: to RSET, QUIT and the lone dot; and those that nobody asked for."""
        step, code = self.step, reply.code
        if step is _BODY and code // 100 > _MORE:
            said = understand(Phase.BODY, reply)
            self._judge(events, outcome_of(Phase.BODY, said), said)
            events += self._close("refused amid the body", reset=True)
        elif step is _QUITTING:
            events += self._close("good-bye")
        elif code == CLOSING:
            events += self._fail(understand(self._phase, reply), "the server closes (421)")
        elif (step is _EMPTIED and code // 100 != _MORE) or (step is _RESETTING and code // 100 == _OK):
            self._clear()
        else:
            self._nonsense(reply, events)

    def _nonsense(self, reply: ServerReply, events: list[Event]) -> None:
        said = understand(self._phase, reply)
        why = f"a reply that makes no sense here: {said.code} {said.text}"
        events += self._fail(broken(self._phase, why, "protocol"), why)

    def _judge(self, events: list[Event], outcome: Outcome, reply: Reply | None, *, answered: bool = True) -> None:
        """Tells the outcome, unless the transaction was withdrawn. `reply` is of those that nothing else decided; None: there are none."""
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        if self._mail_refused:
            reply = understand(Phase.MAIL, self._mail_refused)
            outcome = outcome_of(Phase.MAIL, reply)
        elif self._refused:
            each: list[tuple[int, Outcome, Reply]] = []
            for place, recipient in enumerate(transaction.recipients):
                refusal = self._refused.get(place)
                said = understand(Phase.RCPT, refusal) if refusal else reply
                if said is not None:
                    each.append((recipient.index, outcome_of(Phase.RCPT, said) if refusal else outcome, said))
            events.append(Done(shared(each), answered))
            return
        if reply is not None:
            events.append(Done((RecipientVerdict(tuple([r.index for r in transaction.recipients]), outcome, reply),), answered))

    def _fail(self, reply: Reply, why: str, *, reset: bool = False) -> list[Event]:
        """Nothing more will be heard that could be understood."""
        if self.step is _CLOSED:
            return []
        events: list[Event] = []
        stumbled = self._pipelining and self.step is _COMMANDS and reply.code != CLOSING
        reset = reset or self.step in (_BODY, _ENDED)
        self._judge(events, Outcome.IN_DOUBT if self.step is _ENDED else Outcome.DEFERRED, reply, answered=False)
        return events + self._close(why, reset=reset, stumbled=stumbled)

    def _close(self, why: str, *, reset: bool = False, stumbled: bool = False) -> list[Event]:
        self._clear()
        self.step = _CLOSED
        return [Close(why, reset, stumbled)]

    def _reset(self, events: list[Event]) -> None:
        """After a transaction that DATA did not end. None was begun where MAIL was refused."""
        if self._mail_refused:
            self._clear()
        else:
            events.append(Send(b"RSET\r\n"))
            self._commands = []
            self.step = _RESETTING

    def _clear(self) -> None:
        self.step = _IDLE
        self._transaction = self._mail_refused = self._pieces = None
        self._upcoming, self._long = b"", False
        if self._refused:
            self._refused = {}
        if self._commands:
            self._commands = []
