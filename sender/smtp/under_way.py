"""One transaction that is under way: the replies to its commands as they come, and what they come to for each recipient. Pure."""

from __future__ import annotations

from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply
from sender.smtp.events import Done, Transaction
from sender.smtp.replies import ServerReply
from sender.smtp.verdicts import outcome_of, shared, understand


class UnderWay:
    """Its outcome is told once, and not at all once it was withdrawn."""

    __slots__ = ("answered", "count", "mail_refused", "refused", "told", "transaction")

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.told = False
        """Nothing is to be told any more: it was told, or it was withdrawn."""
        self.count = len(transaction.recipients)
        self.answered = 0
        """Of MAIL and the RCPTs."""
        self.mail_refused: ServerReply | None = None
        self.refused: dict[int, ServerReply] | None = None
        """RCPTs, by their place; None: none was."""

    @property
    def phase(self) -> Phase:
        """What the next reply is to."""
        return Phase.MAIL if self.answered == 0 else Phase.RCPT if self.answered <= self.count else Phase.DATA

    @property
    def nobody(self) -> bool:
        """Every RCPT was refused."""
        return self.refused is not None and len(self.refused) == self.count

    def refuse(self, reply: ServerReply) -> None:
        """MAIL, or the RCPT whose turn it is, was refused."""
        if self.answered == 0:
            self.mail_refused = reply
        elif self.refused is None:
            self.refused = {self.answered - 1: reply}
        else:
            self.refused[self.answered - 1] = reply

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

    def _each(self, refused: dict[int, ServerReply], outcome: Outcome, reply: Reply | None) -> list[tuple[int, Outcome, Reply]]:
        each = []
        for place, recipient in enumerate(self.transaction.recipients):
            if (refusal := refused.get(place)) is not None:
                said = understand(Phase.RCPT, refusal)
                each.append((recipient.index, outcome_of(Phase.RCPT, said), said))
            elif reply is not None:
                each.append((recipient.index, outcome, reply))
        return each
