"""Rows go in by few statements, and statements have few texts."""

from __future__ import annotations

from gateway.journal.statements import CHUNK, STEP, chunks, statements


def test_every_row_is_in_one_chunk():
    """In order, whatever their number."""
    for total in range(3 * CHUNK):
        assert [row for start, end in chunks(total) for row in range(start, end)] == list(range(total))


def test_statements_are_few():
    """A group of single mails takes one of a kind, and what is less than a full one takes two at most."""
    assert all(len(list(chunks(total))) == 1 for total in range(1, STEP + 1))
    assert all(len(list(chunks(total))) <= 2 for total in range(CHUNK + 1))


def test_texts_are_few():
    """Each is prepared once, and stays in the connection's cache."""
    texts = {text for total in range(1, 4 * CHUNK) for text, _ in statements("insert into t values", [(1, 2)] * total)}
    assert len(texts) == STEP - 1 + CHUNK // STEP
