"""One transaction that is under way: the replies to its commands as they come, and what they come to for each recipient. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply
from sender.smtp.chunks import Chunks, Said
from sender.smtp.classes import CLOSING
from sender.smtp.events import Done, Stumble, Transaction
from sender.smtp.replies import ServerReply
from sender.smtp.steps import Step
from sender.smtp.verdicts import outcome_of, shared, understand

_GO_ON, _OUT_OF_SEQUENCE = 354, 503
_OK, _MORE = 2, 3


class Next(IntEnum):
    """What a reply to one of its commands leads to."""

    WAIT = 0
    """More replies are to come."""
    SEND = 1
    """The next command."""
    FLOW = 2
    """Its chunks."""
    READY = 3
    RESET = 4
    """It is over, refused or withdrawn, and owed nothing more."""
    EMPTY = 5
    """It is over, nobody was accepted, and yet 354: a lone dot is due (RFC 2920 3.1)."""
    CLOSE = 6
    """It is over, and yet 354: there is no way back."""
    NONSENSE = 7
    NO_BDAT = 8
    """The server does not know BDAT."""


# A member of an enum costs 60 ns each time it is looked up by its class.
_WAIT, _SEND, _FLOW, _READY, _RESET, _NONSENSE = Next.WAIT, Next.SEND, Next.FLOW, Next.READY, Next.RESET, Next.NONSENSE
_BY_SAID = {Said.MORE: Next.WAIT, Said.UNKNOWN: Next.NO_BDAT, Said.NONSENSE: Next.NONSENSE}


class UnderWay:
    """Its outcome is told once, and not at all once it was withdrawn."""

    __slots__ = (
        "answered",
        "chunks",
        "commands",
        "count",
        "data_refused",
        "followed",
        "grouped",
        "mail_refused",
        "refused",
        "told",
        "transaction",
    )

    def __init__(self, transaction: Transaction, chunks: Chunks | None) -> None:
        self.transaction = transaction
        self.chunks = chunks
        """None: it goes by DATA."""
        self.told = False
        """Nothing is to be told any more: it was told, or it was withdrawn."""
        self.followed = False
        """It followed another, and no reply to it has come yet."""
        self.grouped = True
        """Its commands left in one write."""
        self.commands: Sequence[bytes] = ()
        """Step by step only: all of them; empty once the last was sent."""
        self.count = len(transaction.recipients)
        self.answered = 0
        """Of MAIL and the RCPTs."""
        self.mail_refused: ServerReply | None = None
        self.refused: dict[int, ServerReply] | None = None
        """RCPTs, by their place; None: none was."""
        self.data_refused: ServerReply | None = None
        """DATA, or a chunk."""

    @property
    def phase(self) -> Phase:
        """What the next reply is to."""
        return Phase.MAIL if self.answered == 0 else Phase.RCPT if self.answered <= self.count else Phase.DATA

    @property
    def nobody(self) -> bool:
        """Every RCPT was refused."""
        return self.refused is not None and len(self.refused) == self.count

    @property
    def hopeless(self) -> bool:
        """The end of the message must not be sent."""
        return self.told or self.mail_refused is not None or (self.refused is not None and self.nobody)

    def answer(self, reply: ServerReply) -> Next:
        """A reply, but not 421, to the first command that has none; before READY."""
        code = reply.code
        if self.answered > self.count:
            return self._data(reply) if self.chunks is None else self._chunk(self.chunks, reply)
        if code // 100 != _OK:
            if code // 100 == _MORE or (code == _OUT_OF_SEQUENCE and (self.followed or self._in_sequence)):
                return _NONSENSE
            self._refuse(reply)
        self.answered += 1
        self.followed = False
        if self.commands or (self.chunks is not None and self.answered > self.count and not self.chunks.first):
            return self._step()
        return _WAIT

    @property
    def _in_sequence(self) -> bool:
        """It is of a group, and all before it was accepted: 503 then says nothing of the mail.

        The server means another command, or has lost the thread. Who does so again and again is asked step by step, where it counts.
        """
        return self.grouped and self.mail_refused is None and not self.nobody

    def go_alone(self, commands: Sequence[bytes]) -> bytes:
        """Not in a group, but one by one: the first."""
        self.commands, self.grouped = commands, False
        return commands[0]

    def next_command(self) -> bytes:
        """What SEND asks for."""
        command = self.commands[self.answered]
        if self.answered > self.count:
            self.commands = ()
        return command

    def _step(self) -> Next:
        """Commands go one by one, or the chunks of a long message are next."""
        if self.hopeless:
            return _RESET
        return _SEND if self.answered < len(self.commands) else _FLOW

    def _data(self, reply: ServerReply) -> Next:
        if reply.code == _GO_ON:
            if not self.hopeless:
                return _READY
            return Next.EMPTY if self.nobody else Next.CLOSE
        if reply.code // 100 in (_OK, _MORE) or (reply.code == _OUT_OF_SEQUENCE and self._in_sequence):
            return _NONSENSE
        self.data_refused = reply
        return _RESET

    def _chunk(self, chunks: Chunks, reply: ServerReply) -> Next:
        said = chunks.answered(reply, wanted=self.mail_refused is None and not self.nobody)
        if said is not Said.ALL:
            return _BY_SAID[said]
        self.data_refused = chunks.refused
        return _RESET if self.hopeless or chunks.refused is not None else _READY

    def _refuse(self, reply: ServerReply) -> None:
        """MAIL, or the RCPT whose turn it is, was refused."""
        if self.answered == 0:
            self.mail_refused = reply
        elif self.refused is None:
            self.refused = {self.answered - 1: reply}
        else:
            self.refused[self.answered - 1] = reply

    def tell_refused(self) -> list[Done]:
        """The outcome of all when it is over before READY."""
        if self.data_refused is None:
            return self.tell(Outcome.DEFERRED, None)
        said = understand(Phase.DATA, self.data_refused)
        return self.tell(outcome_of(Phase.DATA, said), said)

    def tell(self, outcome: Outcome, reply: Reply | None, *, answered: bool = True) -> list[Done]:
        """The outcome of all. `outcome` and `reply` are of those that were not refused; None: all were. Empty: nothing is to be told."""
        if self.told:
            return []
        self.told = True
        if self.mail_refused is not None:
            reply = understand(Phase.MAIL, self.mail_refused)
            outcome = outcome_of(Phase.MAIL, reply)
        elif self.refused is not None:
            return [Done(self.transaction, shared(self._each(self.refused, outcome, reply)), answered)]
        assert reply is not None  # noqa: S101 - only with all of them refused there is none
        recipients = self.transaction.recipients
        indexes = (recipients[0].index,) if self.count == 1 else tuple([recipient.index for recipient in recipients])
        return [Done(self.transaction, (RecipientVerdict(indexes, outcome, reply),), answered)]

    def stumble(self, step: Step, why: Reply, *, pipelining: bool) -> Stumble:
        """What it broke over, in this step; `why`: what stands for the reply that is missing, or is none."""
        grouped = pipelining and step is Step.COMMANDS
        if why.code == CLOSING:
            return Stumble.NO
        if grouped and self.followed:
            return Stumble.FOLLOWING
        if self.chunks is not None and self._chunks_blamed(self.chunks, step, why, grouped=grouped):
            return Stumble.CHUNK
        return Stumble.GROUP if grouped else Stumble.NO

    def _chunks_blamed(self, chunks: Chunks, step: Step, why: Reply, *, grouped: bool) -> bool:
        """They may be the reason: a chunk was sent, and has no reply, or the last has none, or the replies do not fit."""
        if step is Step.COMMANDS:
            return chunks.owed > 0 and (grouped or self.phase is Phase.DATA)
        return step in (Step.CHUNKS, Step.ENDED) or why.bounce_class == "protocol"

    def _each(self, refused: dict[int, ServerReply], outcome: Outcome, reply: Reply | None) -> list[tuple[int, Outcome, Reply]]:
        each = []
        for place, recipient in enumerate(self.transaction.recipients):
            if (refusal := refused.get(place)) is not None:
                said = understand(Phase.RCPT, refusal)
                each.append((recipient.index, outcome_of(Phase.RCPT, said), said))
            elif reply is not None:
                each.append((recipient.index, outcome, reply))
        return each
