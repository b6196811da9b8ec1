"""Encoded words: how a header says what ASCII cannot (RFC 2047). Pure."""

from __future__ import annotations

import binascii

MAX_WORD = 75
"""RFC 2047 2: octets of one encoded word."""

_OVERHEAD = len("=?utf-8?q??=")


def _table(plain: str) -> dict[int, str]:
    kept = {ord(c): c for c in plain}
    return {n: kept.get(n, f"={n:02X}") for n in range(256)} | {0x20: "_"}


_ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_Q = _table(_ALNUM + "!*+-/")  # what RFC 2047 5 (3) admits in a phrase: safe everywhere


def encode_words(text: str, room: int) -> list[str]:
    """`text` as encoded words, to be joined by folding white space, which readers drop again.

    `room` is how many characters the line of the first word has left; the others have MAX_WORD. No word ends inside a character
    (RFC 2047 5).

    Raises:
        UnicodeEncodeError: a lone surrogate.
    """
    words = []
    limit = min(room, MAX_WORD)
    while text:
        head, word = _longest(text, limit)
        words.append(word)
        text = text[head:]
        limit = MAX_WORD
    return words


def _longest(text: str, limit: int) -> tuple[int, str]:
    """How many characters the next word takes, and the word. At least one is taken."""
    taken = min(len(text), max(1, limit - _OVERHEAD))
    while True:
        word = _word(text[:taken])
        if len(word) <= limit or taken == 1:
            return taken, word
        taken = max(1, min(taken - 1, taken * (limit - _OVERHEAD) // (len(word) - _OVERHEAD)))


def _word(text: str) -> str:
    """One encoded word: Q up to a quarter longer than B, since people can read it."""
    data = text.encode()
    quoted = data.decode("latin-1").translate(_Q)
    if len(quoted) <= (len(data) + 2) // 3 * 5:
        return f"=?utf-8?q?{quoted}?="
    return f"=?utf-8?b?{binascii.b2a_base64(data, newline=False).decode()}?="
