"""FakeMailClient: a MailClient for the tests of programs that send mail. It sends nothing, and remembers everything.

    async with FakeMailClient() as client:
        client.bounce("gone@example.com", text="no such user")
        await program(client)
        assert [sent.mail.content.subject for sent in client.sent] == ["Welcome"]

For programs that block: `BlockingMailClient(client=FakeMailClient())`.
"""

from __future__ import annotations

from mailgate.client.fake_gateway import FakeGateway, Sent
from mailgate.client.gateways import Gateways
from mailgate.client.mail_client import MailClient
from mailgate.errors import MailgateError, Unanswered
from mailgate.mail import AttemptRecord, RecipientState
from mailgate.verdict import Phase

__all__ = ["FakeMailClient", "Sent"]


class FakeMailClient(MailClient):
    """A real MailClient before a gateway that is no process: receipts, idempotency, second tries and streams are as they are in earnest.

    What a gateway checks is checked as far as it needs no settings: neither keys, scopes, sender domains nor routes are known here, and
    templates are not rendered. Every recipient is DELIVERED at once, but for those that a test says something else of.
    """

    def __init__(self) -> None:
        self._fake = FakeGateway()
        self._begin(Gateways([self._fake]))

    @property
    def sent(self) -> list[Sent]:
        """What was accepted, in order; each entry of a batch as a mail of its own. Replays are not in it."""
        return self._fake.sent

    @property
    def contents(self) -> dict[str, bytes]:
        """What was uploaded, by digest."""
        return self._fake.contents

    def clear(self) -> None:
        """Forget mails, keys, contents, faults and what was said of recipients."""
        self._fake.clear()

    def bounce(self, email: str, *, code: int = 550, enhanced_code: str = "5.1.1", text: str = "no such user") -> None:
        """From now on this recipient is BOUNCED, by such a reply."""
        self._say(email, RecipientState.BOUNCED, code, enhanced_code, text, "unknown_user")

    def defer(self, email: str, *, code: int = 451, enhanced_code: str = "4.7.1", text: str = "try again later") -> None:
        """From now on this recipient is DEFERRED, by such a reply."""
        self._say(email, RecipientState.DEFERRED, code, enhanced_code, text, "greylisted")

    def fail(self, error: MailgateError, *, times: int = 1) -> None:
        """So many of the next mails and batches are refused like this; Unavailable is tried again, as it is in earnest."""
        self._fake.faults.extend([(error, False)] * times)

    def lose_answer(self, *, stored: bool = True, times: int = 1) -> None:
        """So many of the next calls break before their answer, their mail stored or not: the client asks again with the same key."""
        self._fake.faults.extend([(Unanswered("no answer (UNAVAILABLE): a test has lost it"), stored)] * times)

    def _say(self, email: str, state: RecipientState, code: int, enhanced_code: str, text: str, bounce_class: str) -> None:
        attempt = AttemptRecord(1, phase=Phase.RCPT, code=code, enhanced_code=enhanced_code, text=text, bounce_class=bounce_class)
        self._fake.fates[email] = state, attempt
