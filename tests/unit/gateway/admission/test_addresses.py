"""Addresses: what is taken, in which form, and what is refused with which reason."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.admission.addresses import MAX_ADDRESS_OCTETS, Mailbox, Unsound, canonical_domain, has_controls, parse

LONG_DOMAIN = ".".join(["x" * 60] * 3)


@pytest.mark.parametrize(
    ("given", "email", "utf8"),
    [
        ("a@example.com", "a@example.com", False),
        ("A.b+c_d@EXAMPLE.Com", "A.b+c_d@example.com", False),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com", False),
        ('"john doe"@example.com', '"john doe"@example.com', False),
        ('"a@b"@example.com', '"a@b"@example.com', False),
        (r'"a\"b"@example.com', r'"a\"b"@example.com', False),
        ('""@example.com', '""@example.com', False),
        ("jörg@example.com", "jörg@example.com", True),
        ("x@bücher.example", "x@xn--bcher-kva.example", False),
        ("x@BÜCHER.example", "x@xn--bcher-kva.example", False),
        ("x@faß.de", "x@xn--fa-hia.de", False),
        ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example", False),
        ("用户@例え.テスト", "用户@xn--r8jz45g.xn--zckzah", True),
        ("x@a。b.jp", "x@a.b.jp", False),
        ("a@localhost", "a@localhost", False),
        ("l" * 64 + "@example.com", "l" * 64 + "@example.com", False),
        ("a@1and1.example", "a@1and1.example", False),
    ],
)
def test_what_is_taken(given, email, utf8):
    """The local part as given, the domain in lower case and A-labels (IDNA 2008: ß stays itself)."""
    mailbox = parse(given)
    assert (mailbox.email, mailbox.utf8) == (email, utf8)
    assert mailbox.domain == email.rpartition("@")[2]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "empty"),
        ("a", "local@domain"),
        ("@example.com", "local@domain"),
        ("a@", "local@domain"),
        ("a..b@example.com", "two in a row"),
        (".a@example.com", "dot at an end"),
        ("a.@example.com", "dot at an end"),
        ("a b@example.com", "space"),
        ("a@b@example.com", "must be quoted"),
        ('"a@example.com', "must be quoted"),
        ('"a"b@example.com', "must be quoted"),
        ("<a@example.com>", "angle brackets"),
        ("Anna <a@example.com>", "angle brackets"),
        ("a@example.com,b@example.com", "several addresses"),
        ("a@[127.0.0.1]", "literal"),
        ("a@[IPv6:::1]", "literal"),
        ("a@127.0.0.1", "number"),
        ("a@example", "no dot"),
        ("a@exa_mple.com", "letters, digits and hyphens"),
        ("a@-example.com", "hyphen"),
        ("a@example-.com", "hyphen"),
        ("a@example.com.", "ends with a dot"),
        ("a@example..com", "empty label"),
        ("a@.example.com", "empty label"),
        ("a@xn--zzzzz-.com", "international"),
        ("a@ex\u200dample.com", "international"),
        ("a\u200b@example.com", "cannot be seen"),
        ("a@example.com\r\nRCPT TO:<b@example.com>", "control character"),
        ("a\r\nb@example.com", "control character"),
        ("a@example.com\n", "control character"),
        ("a\0@example.com", "control character"),
        ('"a\r\nb"@example.com', "control character"),
        ("a\u2028@example.com", "control character"),
        ("a\x85@example.com", "control character"),
        ("l" * 65 + "@example.com", "65 octets"),
        ("ö" * 33 + "@example.com", "66 octets"),
        ("a@" + "x" * 64 + ".com", "64 octets"),
        ("a@" + ".".join(["x" * 60] * 5), "253"),
        ("l" * 64 + "@" + LONG_DOMAIN + ".abcdefgh", "256 octets"),
        ("x" * 1_000_000, "1000000 characters"),
        ("a@" + "ü" * 1_000_000, "characters"),
    ],
)
def test_what_is_refused_says_why(given, reason):
    """A sentence with the cure, not «invalid»."""
    with pytest.raises(Unsound, match=reason):
        parse(given)


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
LOCALS = st.text("abcXYZ019.!+_-'ü\"\\ ", min_size=1, max_size=70)
DOMAINS = st.text("abcXYZ019.-ü_", min_size=1, max_size=270)


@given(st.one_of(TEXT, st.builds("{}@{}".format, LOCALS, DOMAINS), st.builds("{}@example.com".format, TEXT)))
@example("a@b.c\n")
@settings(max_examples=500)
def test_whatever_comes_is_sound_or_refused(text):
    """What is taken fits an SMTP command, and is taken again as itself."""
    try:
        mailbox = parse(text)
    except Unsound:
        return
    assert not has_controls(mailbox.email)
    assert "<" not in mailbox.email.rpartition("@")[0] or mailbox.email.startswith('"')
    assert mailbox.domain.isascii()
    assert mailbox.domain == mailbox.domain.lower()
    assert len(mailbox.email.encode()) <= MAX_ADDRESS_OCTETS
    assert mailbox.utf8 != mailbox.email.isascii()
    assert parse(mailbox.email) == mailbox


@given(st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,20}){1,3}\.[a-z]{2,10}", fullmatch=True))
def test_plain_domains_are_their_own_form(domain):
    """And so the address need not be built anew."""
    assert canonical_domain(domain) == domain
    assert parse(f"a@{domain}") == Mailbox(f"a@{domain}", domain, False)


def test_a_line_break_is_seen_and_harmless_invisibles_are_not():
    """An emoji's joiner in a display name is no injection."""
    assert all(has_controls(f"a{mark}b") for mark in "\r\n\0\t\x0b\x0c\x1b\x7f\x85\u2028\u2029")
    assert not any(has_controls(f"a{mark}b") for mark in " ü\u00a0\u200d\u202e🙂")
