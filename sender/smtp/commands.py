"""The commands of one transaction: MAIL, each RCPT, DATA; or why this server can't be asked (RFC 5321 4.1.1, 1870, 3461, 6152, 6531)."""

from __future__ import annotations

from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply
from sender.smtp.capabilities import Capabilities
from sender.smtp.dsn import mail_parameters, rcpt_parameters
from sender.smtp.events import Done, Dsn, Transaction

DATA = b"DATA\r\n"


def commands_of(transaction: Transaction, offered: Capabilities, last: bytes = DATA, dsn: Dsn | None = None) -> bytes | Done:
    """All commands in one piece, a line each, `last` behind them; or what the transaction comes to without being sent.

    `dsn`: what the server is asked to report; it is known to offer that.

    Bounced that way: a mail or an address that needs SMTPUTF8 where it is not offered; octets beyond ASCII in the message where 8BITMIME
    is not (RFC 6152 3 forbids to send them, and to convert them here would break signatures); a message above the server's SIZE; an
    address with a control character.
    """
    message, utf8 = transaction.message, transaction.smtputf8
    parameters = ""
    if not message.isascii():
        if not offered.eight_bit_mime:
            return _unfit(transaction, "5.6.3", "the message has octets beyond ASCII and the server does not offer 8BITMIME", "unsupported")
        parameters = " BODY=8BITMIME"
    if offered.size:
        if 0 < offered.size_limit < len(message):
            text = f"the message has {len(message)} octets, the server takes {offered.size_limit}"
            return _unfit(transaction, "5.3.4", text, "too_large")
        parameters += f" SIZE={len(message)}"
    if utf8:
        parameters += " SMTPUTF8"
    if dsn is None:
        to = ">\r\nRCPT TO:<".join([recipient.email for recipient in transaction.recipients])
        text = f"MAIL FROM:<{transaction.return_path}>{parameters}\r\nRCPT TO:<{to}>\r\n"
    else:
        to = "\r\nRCPT TO:<".join([f"{each.email}>{rcpt_parameters(dsn, each.email)}" for each in transaction.recipients])
        parameters += mail_parameters(dsn, transaction.envelope_id)
        text = f"MAIL FROM:<{transaction.return_path}>{parameters}\r\nRCPT TO:<{to}\r\n"
    return _encoded(transaction, text, last, utf8 and offered.smtputf8)


def one_by_one(group: bytes, last: bytes = DATA) -> list[bytes]:
    """A group that `commands_of` made with this `last`, command by command. A chunk is one, with its octets."""
    lines = group[: len(group) - len(last)].splitlines(keepends=True)
    return [*lines, last] if last else lines


def _encoded(transaction: Transaction, text: str, last: bytes, utf8: bool) -> bytes | Done:
    lines = len(transaction.recipients) + 1
    if text.count("\n") != lines or text.count("\r") != lines or "\0" in text:
        return _unfit(transaction, "5.1.3", "an address has a control character", "unknown_user")
    if not utf8 and (transaction.smtputf8 or not text.isascii()):
        return _unfit(transaction, "5.6.7", "the mail needs SMTPUTF8, which the server does not offer", "unsupported")
    return text.encode() + last


def _unfit(transaction: Transaction, enhanced: str, text: str, bounce_class: str) -> Done:
    indexes = tuple([recipient.index for recipient in transaction.recipients])
    return Done(
        transaction, (RecipientVerdict(indexes, Outcome.BOUNCED, Reply(Phase.MAIL, 0, enhanced, text, bounce_class)),), answered=False
    )
