"""Flags of `mailgate send` into a mail."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailgate.cli.exits import Usage
from mailgate.cli.wanted import Flags, mail_of
from mailgate.mail import Address, Attachment, Header, Lane, OnDoubt, Parts, Raw


def test_flags_make_a_mail(tmp_path: Path) -> None:
    """Every flag has its place."""
    file = tmp_path / "plan.pdf"
    file.write_bytes(b"%PDF")
    html = tmp_path / "x.html"
    html.write_text("<p>ü</p>")
    mail = mail_of(
        Flags(
            from_="Ann <ann@example.com>",
            to=["a@example.com, Bo <b@example.com>"],
            cc=["c@example.com"],
            bcc=["d@example.com"],
            reply_to=["r@example.com"],
            subject="Hi",
            text="Hello",
            html_file=str(html),
            attach=[str(file)],
            header=["X-A: b: c"],
            return_path="",
            lane="bulk",
            route="out",
            hash_key="spring",
            on_doubt="hold",
            ttl="1h",
            tag=["t"],
            meta=["k=v=w"],
        )
    )
    assert mail.from_address == Address("ann@example.com", "Ann")
    assert mail.to == (Address("a@example.com"), Address("b@example.com", "Bo"))
    assert (mail.cc, mail.bcc, mail.reply_to) == ((Address("c@example.com"),), (Address("d@example.com"),), (Address("r@example.com"),))
    assert mail.content == Parts("Hi", "Hello", "<p>ü</p>")
    assert mail.attachments == (Attachment(b"%PDF", "plan.pdf", "application/pdf"),)
    assert mail.headers == (Header("X-A", "b: c"),)
    assert mail.return_path == ""
    assert (mail.lane, mail.route, mail.hash_key) == (Lane.BULK, "out", "spring")
    assert (mail.on_doubt, mail.ttl_ms) == (OnDoubt.HOLD, 3_600_000)
    assert (mail.tags, mail.metadata) == (("t",), {"k": "v=w"})


def test_the_shortest_command_works() -> None:
    """The author has a default, what is not given is the gateway's to choose."""
    mail = mail_of(Flags(to=["a@example.com"], text="Hello"))
    assert mail.from_address == Address("mailgate@localhost")
    assert (mail.lane, mail.ttl_ms, mail.return_path) == (None, None, None)


def test_a_whole_mail_goes_as_it_is_with_the_envelope_of_its_header(tmp_path: Path) -> None:
    """Octet for octet; flags for the envelope win over the header."""
    raw = b"From: Ann <ann@example.com>\r\nTo: a@example.com,\r\n group: b@example.com, c@example.com;\r\nBcc: d@example.com\r\n\r\nX\n\xff"
    file = tmp_path / "x.eml"
    file.write_bytes(raw)
    mail = mail_of(Flags(eml=str(file)))
    assert mail.content == Raw(raw)
    assert mail.from_address == Address("ann@example.com")
    assert mail.to == (Address("a@example.com"), Address("b@example.com"), Address("c@example.com"))
    assert mail.bcc == (Address("d@example.com"),)
    given = mail_of(Flags(eml=str(file), to=["z@example.com"], from_="y@example.com"))
    assert (given.from_address, given.to, given.cc, given.bcc) == (Address("y@example.com"), (Address("z@example.com"),), (), ())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (Flags(), "says nothing"),
        (Flags(text="x"), "--to ADDRESS"),
        (Flags(text="x", to=["nobody"]), "--to 'nobody'"),
        (Flags(text="x", to=["a@b.c"], from_="nobody"), "--from 'nobody'"),
        (Flags(text="x", text_file="y", to=["a@b.c"]), "keep one"),
        (Flags(text_file="/nowhere", to=["a@b.c"]), "/nowhere: it can't be read"),
        (Flags(text="x", to=["a@b.c"], attach=["/"]), "--attach /"),
        (Flags(text="x", to=["a@b.c"], header=["nonsense"]), "'Name: value'"),
        (Flags(text="x", to=["a@b.c"], meta=["nonsense"]), "'key=value'"),
        (Flags(text="x", to=["a@b.c"], ttl="tomorrow"), "--ttl 'tomorrow'"),
        (Flags(eml="/nowhere"), "/nowhere"),
        (Flags(eml="x", subject="y", attach=["z"]), "--subject and --attach"),
    ],
)
def test_a_mistake_names_flag_value_and_cure(flags: Flags, words: str) -> None:
    """One sentence."""
    with pytest.raises(Usage) as caught:
        mail_of(flags)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_mail_or_no_text(tmp_path: Path) -> None:
    """Said before anything is sent."""
    file = tmp_path / "x"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Usage, match="UTF-8"):
        mail_of(Flags(text_file=str(file), to=["a@b.c"]))
    file.write_bytes(b"\nno header\n")
    with pytest.raises(Usage, match="no header field"):
        mail_of(Flags(eml=str(file), to=["a@b.c"]))
    file.write_bytes(b"Subject: x\n\nno recipient\n")
    with pytest.raises(Usage, match="names no recipient"):
        mail_of(Flags(eml=str(file)))
