"""Pages of lists: sizes and tokens that callers hand back. Pure."""

from __future__ import annotations

from mailgate.errors import Invalid

DEFAULT_SIZE = 100
MAX_SIZE = 1000
MAX_TOKEN = 10


def page_size(given: int) -> int:
    """0 is the default; more than the most is the most.

    Raises:
        Invalid: it is negative.
    """
    if given < 0:
        raise Invalid.field("page_size", f"{given} is negative: give 1 to {MAX_SIZE}, or 0 for {DEFAULT_SIZE}")
    return min(given, MAX_SIZE) if given else DEFAULT_SIZE


def page_after(token: str) -> int:
    """The index after which the page begins; -1 for the first.

    Raises:
        Invalid: it is no token of ours.
    """
    if not token:
        return -1
    if not token.isascii() or not token.isdigit() or len(token) > MAX_TOKEN:
        raise Invalid.field("page_token", "it is not a next_page_token of this list: leave it empty for the first page")
    return int(token)
