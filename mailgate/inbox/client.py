"""Asks a running inbox over HTTP, for the command line. Blocks, with a time limit; stands on the standard library alone."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from mailgate.errors import Invalid, NotFound, Unavailable

DOOR = "http://127.0.0.1:8025"
"""Where `mailgate up` opens the inbox's door."""

TIMEOUT = 5.0
"""Seconds for connecting and for each read: the inbox is on this machine."""


def list_mails(door: str = DOOR, limit: int = 50, after: int | None = None) -> dict[str, Any]:
    """`{"mails": [...], "next": id or None, "stats": {...}}`: the newest first; with `after`, those older than that mail.

    Raises:
        Unavailable: no inbox answers there.
        Invalid: `door` is no address, or what answers there is no inbox.
    """
    page: dict[str, Any] = json.loads(_get(door, f"/api/mails?limit={limit}" + (f"&after={after}" if after else "")))
    return page


def show_mail(door: str, mail_id: int | str) -> dict[str, Any]:
    """One mail taken apart: envelope, headers, text, html, attachments.

    Raises:
        NotFound: the inbox does not keep it (any more).
        Unavailable: no inbox answers there.
        Invalid: `door` is no address, or what answers there is no inbox.
    """
    mail: dict[str, Any] = json.loads(_get(door, f"/api/mails/{quote(str(mail_id), safe='')}"))
    return mail


def raw_mail(door: str, mail_id: int | str) -> bytes:
    """One mail byte for byte. Raises as `show_mail`."""
    return _get(door, f"/api/mails/{quote(str(mail_id), safe='')}/raw", "message/rfc822")


def _get(door: str, path: str, expected: str = "application/json") -> bytes:
    host, port = _address(door)
    connection = HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException) as error:
        # What http.client could not read stands in its error: octets of another protocol, which would steer a terminal.
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "what answers there speaks no HTTP"
        raise Unavailable(f"no inbox answers at {door} ({why}): start one with `mailgate up`, or name its door") from None
    finally:
        connection.close()
    if response.getheader("x-mailgate-inbox") is None or not response.getheader("content-type", "").startswith(
        ("application/json", expected)
    ):
        raise Invalid.field("door", f"{door} is answered by something that is no Mailgate inbox: name the inbox's door (by default {DOOR})")
    if response.status == 404:  # noqa: PLR2004
        raise NotFound(json.loads(body)["error"])
    if response.status != 200:  # noqa: PLR2004
        raise Invalid.field("inbox", json.loads(body)["error"])
    return body


def _address(door: str) -> tuple[str, int]:
    parts = urlsplit(door if "//" in door else f"//{door}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("", "http"):
        raise Invalid.field("door", f"{door!r} is no door of an inbox: give it as {DOOR}")
    return host, port or 8025
