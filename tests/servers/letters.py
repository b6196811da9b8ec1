"""Mails that servers have stumbled over, each with the headers that a server would else put in, and a name to find it by."""

from __future__ import annotations

import re

HEADERS = b"From: a@example.com\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <%s@example.com>\r\nSubject: %s\r\n"
NAME = re.compile(rb"^Subject: (\S+)\r?$", re.MULTILINE)


def letter(name: str, body: bytes = b"text\r\n") -> bytes:
    """A mail with this name and body."""
    return HEADERS % (name.encode(), name.encode()) + b"\r\n" + body


def sorts(prefix: str) -> dict[str, bytes]:
    """By name: dots at the beginnings of lines, lines as long as they may be, an empty body, no end of line, octets beyond ASCII, 5 MB."""
    bodies = {
        "short": b"text\r\n",
        "dots": b".\r\n..\r\n...three\r\n.\r\nend\r\n.\r\n",
        "smuggled": b"\r\n.\r\nMAIL FROM:<evil@example.com>\r\nBDAT 0 LAST\r\nQUIT\r\n",
        "wide": (b"w" * 998 + b"\r\n") * 3 + b"." + b"d" * 997 + b"\r\n",
        "empty": b"",
        "eight-bit": "Grüße aus Köln\r\n".encode(),
        "large": b".a line that begins with a dot, and is one of many\r\n" * 100_000,
        "last": b"text\r\n",
    }
    return {f"{prefix}-{name}": letter(f"{prefix}-{name}", body) for name, body in bodies.items()}


def named(mails: list[bytes]) -> dict[str, list[bytes]]:
    """Mails that arrived, by their names."""
    found: dict[str, list[bytes]] = {}
    for one in mails:
        name = NAME.search(one.replace(b"\r\n", b"\n"))
        found.setdefault(name[1].decode() if name else "?", []).append(one)
    return found
