"""Delivery status notifications: what MAIL and RCPT ask a server to report, where it offers DSN (RFC 3461). Pure.

A report that comes back names the mail by ENVID, and each recipient by ORCPT, as we know them: whoever reads reports need not guess.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailgate.route import DsnNotify, DsnReturn, Route
from sender.smtp.events import Dsn

MOST = 500
"""Characters of an ORCPT (RFC 3461 4.2): a longer one is left out."""

_RETURN = {DsnReturn.HEADERS: " RET=HDRS", DsnReturn.FULL: " RET=FULL"}
_XTEXT = re.compile(r"[^!-*,-<>-~]")
_UNITEXT = re.compile(r"[\x00-\x20+=\\\x7f]")


def dsn_of(route: Route) -> Dsn | None:
    """None: nothing is asked for, and servers do as they do. Cheap: it is looked up."""
    return _dsn(route.dsn_notify, route.dsn_return) if route.dsn_notify or route.dsn_return else None


@lru_cache(maxsize=100)
def _dsn(notify: tuple[DsnNotify, ...], returned: DsnReturn) -> Dsn:
    wanted = ",".join([each.name for each in DsnNotify if each in notify])
    return Dsn(_RETURN.get(returned, ""), f" NOTIFY={wanted}" if wanted else "", DsnNotify.NEVER not in notify)


def mail_parameters(dsn: Dsn, envelope_id: str) -> str:
    """For MAIL, a space before each. Of an id longer than 100 characters nothing is said (RFC 3461 4.4)."""
    written = xtext(envelope_id)
    return f"{dsn.mail} ENVID={written}" if dsn.named and 0 < len(written) <= 100 else dsn.mail  # noqa: PLR2004


def rcpt_parameters(dsn: Dsn, email: str) -> str:
    """For RCPT, a space before each. An address beyond ASCII goes by SMTPUTF8, and may then be written as it is (RFC 6533 3)."""
    if not dsn.named:
        return dsn.rcpt
    written = f"rfc822;{xtext(email)}" if email.isascii() else f"utf-8;{_unitext(email)}"
    return f"{dsn.rcpt} ORCPT={written}" if len(written.encode()) <= MOST else dsn.rcpt


def xtext(text: str) -> str:
    """ASCII with whatever could be misread as +XX (RFC 3461 4)."""
    return _XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)


def _unitext(text: str) -> str:
    r"""With whatever could be misread as \x{XX} (RFC 6533 3)."""
    return _UNITEXT.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", text)
