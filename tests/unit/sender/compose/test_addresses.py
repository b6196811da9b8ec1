"""Mailboxes in headers: quoted, encoded, folded, and never another one than was given."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.errors import Invalid
from mailgate.mail import Address
from sender.compose.addresses import mailbox, mailboxes

PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=150)


def read(field: str):
    return message_from_bytes(field.encode() + b"\r\n", policy=policy.default)["to"].addresses


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "a@b.c"),
        ("Ada Lovelace", "Ada Lovelace <a@b.c>"),
        ("Lovelace, Ada", '"Lovelace, Ada" <a@b.c>'),
        ('Ada "Countess" L\\', '"Ada \\"Countess\\" L\\\\" <a@b.c>'),
        ("J. R. Hartley", '"J. R. Hartley" <a@b.c>'),
        ("Jörg Schmidt", "=?utf-8?q?J=C3=B6rg_Schmidt?= <a@b.c>"),
        ("=?utf-8?q?x?=", "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?= <a@b.c>"),
    ],
)
def test_names_are_written_as_simply_as_they_can(name, written):
    """Atoms, else a quoted string, else encoded words (RFC 5322 3.2.5, RFC 2047 5)."""
    assert mailbox(Address("a@b.c", name), smtputf8=False) == written


@given(st.lists(PRINTABLE, min_size=1, max_size=30))
def test_lists_are_read_as_they_were_given(names):
    """Any names, in order, on lines of at most 78."""
    field = mailboxes("To", tuple(Address(f"user{n}@example.com", name) for n, name in enumerate(names)), smtputf8=False)
    assert max(map(len, field.split("\r\n"))) <= 78
    found = read(field)
    assert [each.addr_spec for each in found] == [f"user{n}@example.com" for n in range(len(names))]
    assert ["".join(each.display_name.split()) for each in found] == ["".join(name.split()) for name in names]


@given(PRINTABLE.filter(lambda name: not name.isascii()))
def test_an_encoded_name_is_decoded_to_the_letter(name):
    """White space too, which the library's reader of addresses changes."""
    phrase = mailbox(Address("a@b.c", name), smtputf8=False).removesuffix("<a@b.c>").rstrip()
    assert str(make_header(decode_header(phrase))) == name


def test_a_thousand_recipients_are_folded():
    """One field, many lines."""
    field = mailboxes("To", tuple(Address(f"user{n}@example.com") for n in range(1000)), smtputf8=False)
    assert max(map(len, field.split("\r\n"))) <= 78
    assert len(read(field)) == 1000


def test_an_international_domain_goes_as_a_labels():
    """It can always be written in ASCII (RFC 5890)."""
    assert mailbox(Address("info@bücher.example"), smtputf8=False) == "info@xn--bcher-kva.example"
    assert mailbox(Address("info@bücher.example"), smtputf8=True) == "info@xn--bcher-kva.example"


def test_an_international_local_part_needs_smtputf8():
    """RFC 6532: written as it is where the mail goes by SMTPUTF8; there is no ASCII form."""
    assert mailbox(Address("用户@例え.example", "名"), smtputf8=True).endswith("<用户@例え.example>")
    with pytest.raises(Invalid, match="needs SMTPUTF8"):
        mailbox(Address("用户@例え.example"), smtputf8=False)


@pytest.mark.parametrize(
    ("email", "written"),
    [
        ("o'brien+tag@example.com", "o'brien+tag@example.com"),
        ('"john smith"@example.com', '"john smith"@example.com'),
        ("john smith@example.com", '"john smith"@example.com'),
        ("a..b@example.com", '"a..b"@example.com'),
        ("x@y>, <evil@example.com", '"x@y>, <evil"@example.com'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
    ],
)
def test_odd_local_parts_are_quoted(email, written):
    """RFC 5322 3.4.1: what is no dot-atom stands in quotes, so that it cannot pass for more addresses."""
    assert mailbox(Address(email), smtputf8=False) == written
    assert len(read(f"To: {written}\r\n")) == 1


@pytest.mark.parametrize(
    "email", ["", "@", "a@", "@b", "a@b c", "a@b,c", "a@b>", "a@b\r\nX: y", "a\x01@b.c", "a@" + "b" * 400, "a@\u0378.example"]
)
def test_what_is_no_address_is_refused(email):
    """It would stand in a header."""
    with pytest.raises(Invalid, match="email"):
        mailbox(Address(email), smtputf8=True)
