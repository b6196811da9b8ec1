"""What the load sends: a mail of some size to each recipient, and, if wanted, an idempotency key and variables of each one's own.

What all mails share is encoded once, as smtp-source makes its mail once: messages of protobuf merge by concatenation.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from email import message_from_bytes, policy

from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

LINE = "The quick brown fox jumps over the lazy dog and writes a line of seventy.\n"


class Letters:
    """Each has a number, and a recipient of its own. With `variables` subject, text and HTML name the recipient, `octets` in all.

    Keys are this object's own: another one with the same name sends other mails.
    """

    def __init__(
        self, name: str, domain: str, octets: int = 2048, *, hold: bool = False, keys: bool = False, variables: bool = False
    ) -> None:
        self._name, self._domain = name, domain
        self._salt = f"{name}-{secrets.token_hex(8)}" if keys else ""
        self._variables = variables
        self._shared = mail.Mail(
            from_address=mail.Address(email="sender@example.com"),
            parts=template_of(octets) if variables else mail.Parts(subject="A mail of the load", text=text_of(octets)),
            on_doubt=mail.ON_DOUBT_HOLD if hold else mail.ON_DOUBT_RESEND,
        )
        send = service.SendMailRequest(mail=self._shared)
        self._send = send.SerializeToString()
        self._streamed = service.StreamMailRequest(send=send).SerializeToString()

    def recipient(self, number: int) -> str:
        """The address."""
        return f"{self._name}.{number}@{self._domain}"

    def send(self, number: int) -> bytes:
        """A SendMailRequest."""
        return self._send + self._own(number).SerializeToString()

    def streamed(self, number: int) -> bytes:
        """A StreamMailRequest of one mail; the number is its sequence."""
        return self._streamed + service.StreamMailRequest(sequence=number, send=self._own(number)).SerializeToString()

    def batch(self, numbers: Iterable[int]) -> service.BatchSendMailRequest:
        """An entry each. The batch has a key; the entries' follow from it."""
        request = service.BatchSendMailRequest(shared=self._shared)
        for number in numbers:
            entry = request.entries.add()
            entry.to.add(email=self.recipient(number))
            if self._variables:
                entry.variables = variables_of(number)
            if self._salt and not request.idempotency_key:
                request.idempotency_key = f"{self._salt}.{number}"
        return request

    def _own(self, number: int) -> service.SendMailRequest:
        own = service.SendMailRequest()
        own.mail.to.add(email=self.recipient(number))
        if self._variables:
            own.mail.variables = variables_of(number)
        if self._salt:
            own.idempotency_key = f"{self._salt}.{number}"
        return own


def text_of(octets: int) -> str:
    """Plain 7-bit text of that size once its line ends are CRLF."""
    whole, rest = divmod(octets, len(LINE) + 1)
    return LINE * whole + "x" * max(0, rest - 2) + "\n"


def template_of(octets: int) -> mail.Parts:
    """Subject, text and HTML that name the recipient some times: about that size in all, rendered."""
    filling = text_of(max(0, octets - 360) // 2)
    order, close = "your order {{ number }} is on its way", "Until soon, {{ name }}"
    text = f"Dear {{{{ name }}}},\n\n{order}.\n\n{filling}\n{close}\n"
    html = f"<p>Dear {{{{ name }}}},</p><p>{order}.</p>\n<p>{filling}</p><p>{close}</p>\n"
    return mail.Parts(subject="Order {{ number }} of {{ name }}", text=text, html=html)


def variables_of(number: int) -> bytes:
    """Of one recipient."""
    return json.dumps({"name": name_of(number), "number": number}).encode()


def name_of(number: int) -> str:
    """One that HTML must escape."""
    return f"Ada & Sons, {number}"


def misrendered(message: bytes) -> bool:
    """Whether a letter with variables came otherwise than with the values of the recipient in its To."""
    found = message_from_bytes(message, policy=policy.default)
    number = int(str(found["To"]).partition("@")[0].rpartition(".")[2])
    name = name_of(number)
    text, html = (part.get_content() if (part := found.get_body((kind,))) is not None else "" for kind in ("plain", "html"))
    escaped, order = name.replace("&", "&amp;"), f"your order {number} is on its way"
    return not (
        found["Subject"] == f"Order {number} of {name}"
        and text.startswith(f"Dear {name},")
        and order in text
        and text.rstrip().endswith(f"Until soon, {name}")
        and html.startswith(f"<p>Dear {escaped},</p><p>{order}")
        and html.rstrip().endswith(f"Until soon, {escaped}</p>")
    )
