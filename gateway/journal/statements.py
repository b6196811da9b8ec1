"""Few statements with many rows: texts and chunks.

Each step of a statement gives up the interpreter's lock and must win it back from a busy loop, so rows go in by dozens; and a text is
prepared once, so there are few texts: chunks of some sizes, and one statement more for what is left over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import apsw

CHUNK = 64
"""Rows of a full statement. 64 rows cost as little per row as 256, and bind fewer values at once."""
STEP = 32
"""A smaller one has a multiple of this, or fewer: 33 texts, and two statements at most for what is less than a chunk. A group of single
mails has some 24 rows of each kind: cut into 16 and 8 they cost a group twelve hand-overs of the lock more."""

Row = tuple[Any, ...]


@lru_cache(maxsize=1024)
def _text(head: str, rows: int, width: int, tail: str) -> str:
    row = "(" + ",".join("?" * width) + ")"
    return head + ",".join([row] * rows) + tail


def chunks(total: int) -> Iterator[tuple[int, int]]:
    """Cut `total` rows into ranges: full chunks, then as many steps as there are, then the rest."""
    at = 0
    while at < total:
        left = total - at
        size = CHUNK if left >= CHUNK else left - left % STEP or left
        yield at, at + size
        at += size


def statements(head: str, rows: Sequence[Row], tail: str = "") -> Iterator[tuple[str, list[Any]]]:
    """`head (?,…),(?,…) tail` with its values, for all rows; they have one width."""
    for start, end in chunks(len(rows)):
        yield _text(head, end - start, len(rows[0]), tail), list(chain.from_iterable(rows[start:end]))


def fetch(connection: apsw.Connection, query: str, values: Sequence[Any] = ()) -> list[Row]:
    """All rows of a query."""
    return connection.execute(query, values).fetchall()
