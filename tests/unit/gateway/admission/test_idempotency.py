"""Fingerprints and keys: pure."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from gateway.admission.faults import Faults
from gateway.admission.idempotency import check_key, entry_fingerprint, entry_key, fingerprint
from mailgate.mail import Address, Attachment, BatchEntry, Header, Lane, Mail, OnDoubt, Parts, Raw

MAIL = Mail(
    Address("a@example.com", "A"),
    to=(Address("b@example.com"),),
    content=Parts("Hi", "text", "<p>"),
    metadata={"x": "1", "y": "2"},
)
OTHERS = {
    "from_address": Address("a@example.com", "B"),
    "to": (Address("b@example.com"), Address("c@example.com")),
    "cc": (Address("b@example.com"),),
    "bcc": (Address("b@example.com"),),
    "reply_to": (Address("b@example.com"),),
    "content": Parts("Hi", "text<p>", ""),
    "attachments": (Attachment(b"x"),),
    "headers": (Header("X-A", "b"),),
    "return_path": "",
    "lane": Lane.BULK,
    "route": "slow",
    "on_doubt": OnDoubt.HOLD,
    "ttl_ms": 5,
    "tags": ("a",),
    "metadata": {"x": "1", "y": "3"},
    "variables": b"{}",
    "hash_key": "k",
}


def test_every_field_counts():
    """A mail that differs in any of its fields is another mail; none is forgotten when the mail gets a new one."""
    assert set(OTHERS) == {field.name for field in fields(Mail)}
    prints = [fingerprint(MAIL), *(fingerprint(replace(MAIL, **{name: value})) for name, value in OTHERS.items())]
    assert len(set(prints)) == len(prints)


def test_the_order_of_a_map_does_not_count():
    """The order of recipients does."""
    assert fingerprint(replace(MAIL, metadata={"y": "2", "x": "1"})) == fingerprint(MAIL)
    two = (Address("b@example.com"), Address("c@example.com"))
    assert fingerprint(replace(MAIL, to=two)) != fingerprint(replace(MAIL, to=two[::-1]))


def test_it_is_what_it_was():
    """It is stored: another release must find the same. Where this fails, replays across an upgrade are refused."""
    assert fingerprint(MAIL).hex() == "76722b3b0bc337d1c32cdc3ee7bef7d845a3ef5d69dd47378a18b7130bfb1e3f"
    assert (
        entry_fingerprint(fingerprint(MAIL), BatchEntry(to=(Address("b@example.com"),))).hex()
        == "e7852ad6fc645bf6adf41305cb63cdb0519a40f3c3ae6ea1dbd39d9bc8ff8b55"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (replace(MAIL, content=Raw(b"ab"), variables=b"c"), replace(MAIL, content=Raw(b"a"), variables=b"bc")),
        (
            replace(MAIL, attachments=(Attachment(b"ab"), Attachment(b"c"))),
            replace(MAIL, attachments=(Attachment(b"a"), Attachment(b"bc"))),
        ),
        (
            replace(MAIL, attachments=(Attachment(b""),), content=Raw(b"x")),
            replace(MAIL, attachments=(Attachment(b"x"),), content=Raw(b"")),
        ),
    ],
)
def test_octets_do_not_flow_from_one_field_into_the_next(one: Mail, other: Mail):
    """Where one ends and the next begins is part of it."""
    assert fingerprint(one) != fingerprint(other)


def test_entries():
    """What is an entry's own, and what the batch shares, both count."""
    entry = BatchEntry(to=(Address("b@example.com"),))
    shared = fingerprint(MAIL)
    prints = {
        entry_fingerprint(shared, entry),
        entry_fingerprint(fingerprint(replace(MAIL, tags=("a",))), entry),
        entry_fingerprint(shared, replace(entry, variables=b"{}")),
        entry_fingerprint(shared, replace(entry, metadata={"a": "b"})),
        entry_fingerprint(shared, replace(entry, headers=(Header("X-A", "b"),))),
        entry_fingerprint(shared, replace(entry, cc=(Address("c@example.com"),))),
        entry_fingerprint(shared, replace(entry, bcc=(Address("c@example.com"),))),
    }
    assert len(prints) == 7
    assert entry_fingerprint(shared, replace(entry, idempotency_key="k")) in prints


def test_an_entry_has_its_own_key_or_the_batchs_with_its_place():
    """Or none."""
    assert entry_key(BatchEntry(), "", 3) == ""
    assert entry_key(BatchEntry(), "b", 3) == "b/3"
    assert entry_key(BatchEntry(idempotency_key="mine"), "b", 3) == "mine"
    assert entry_key(BatchEntry(idempotency_key="mine"), "", 3) == "mine"


def test_a_key_has_at_most_256_octets():
    """Octets, not characters."""
    for key, sound in (("k" * 256, True), ("k" * 257, False), ("é" * 128, True), ("é" * 129, False)):
        faults = Faults()
        check_key(key, "idempotency_key", faults)
        assert bool(faults) is not sound
