"""What a server can do: the reply to EHLO, understood (RFC 5321 4.1.1.1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The extensions that matter to a hand-off."""

    pipelining: bool = False
    """RFC 2920."""
    chunking: bool = False
    """RFC 3030."""
    size: bool = False
    """RFC 1870: MAIL may declare a size."""
    size_limit: int = 0
    """Octets that the server takes at most; 0: it names no limit."""
    eight_bit_mime: bool = False
    """RFC 6152."""
    smtputf8: bool = False
    """RFC 6531."""
    dsn: bool = False
    """RFC 3461."""


def parse_capabilities(text: str) -> Capabilities:
    """Capabilities from the text of an EHLO reply: its lines without code, the first being the server's greeting.

    Never raises: a line that is not understood offers nothing. STARTTLS and AUTH are the dialer's, and over by then.
    """
    offered: dict[str, list[str]] = {}
    for line in text.splitlines()[1:]:
        name, _, parameters = line.strip().upper().partition(" ")
        offered.setdefault(name, []).extend(parameters.split())
    limit = offered.get("SIZE", [])
    return Capabilities(
        pipelining="PIPELINING" in offered,
        chunking="CHUNKING" in offered,
        size="SIZE" in offered,
        size_limit=int(limit[0]) if limit and limit[0].isascii() and limit[0].isdigit() and len(limit[0]) <= 20 else 0,  # noqa: PLR2004 - RFC 1870 4: 20 digits
        eight_bit_mime="8BITMIME" in offered,
        smtputf8="SMTPUTF8" in offered,
        dsn="DSN" in offered,
    )
