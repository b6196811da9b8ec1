"""How a SHA-256 is written: `sha256:` and 64 hexadecimal digits. Pure."""

from __future__ import annotations

import re

DIGEST_OCTETS = 32

_FORM = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE | re.ASCII)


def format_digest(digest: bytes) -> str:
    """For people and protos."""
    return f"sha256:{digest.hex()}"


def parse_digest(text: str) -> bytes | None:
    """Its 32 octets; None: it is not written like one."""
    form = _FORM.fullmatch(text)
    return bytes.fromhex(form[1]) if form is not None else None
