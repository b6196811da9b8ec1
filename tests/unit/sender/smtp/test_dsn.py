"""DSN parameters: what is written into MAIL and RCPT, where the server offers it and nowhere else (RFC 3461, 6533)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.job import Fence, JobRecipient
from mailgate.route import DsnNotify, DsnReturn, Relay, Route
from sender.pool.handoff import Handoff
from sender.smtp.capabilities import Capabilities, parse_capabilities
from sender.smtp.conversation import Conversation
from sender.smtp.dsn import MOST, dsn_of, rcpt_parameters, xtext
from sender.smtp.events import READY, Dsn, Send

NEVER, SUCCESS, FAILURE, DELAY = DsnNotify.NEVER, DsnNotify.SUCCESS, DsnNotify.FAILURE, DsnNotify.DELAY
FULL = Capabilities(pipelining=True, eight_bit_mime=True, smtputf8=True, dsn=True)
ID = b"\x01\x92\xf0\xc1" + b"\xab" * 12
ENVID = "ENVID=0192f0c1-abab-abab-abab-abababababab"
OK = b"250 2.1.0 Ok\r\n"


def route(*notify: DsnNotify, returned: DsnReturn = DsnReturn.UNSAID) -> Route:
    return Route("r", (Relay("mx"),), dsn_notify=notify, dsn_return=returned)


def handoff(*to: str, utf8: bool = False) -> Handoff:
    recipients = tuple(JobRecipient(index, email) for index, email in enumerate(to))
    return Handoff(Fence(ID + b"\0\1", 1), "r", "s@example.com", recipients, b"x\r\n", utf8)


def lines(mail: Handoff, asked: Route, offered: Capabilities = FULL) -> list[str]:
    """MAIL and the RCPTs."""
    talk = Conversation(offered)
    talk.allow(pipelining=True, chunking=True, dsn=dsn_of(asked))
    group = talk.start(mail)
    assert isinstance(group, bytes)
    return group.decode().splitlines()[:-1]


@pytest.mark.parametrize(
    ("notify", "returned", "mail", "rcpt"),
    [
        ((FAILURE, DELAY), DsnReturn.UNSAID, f" {ENVID}", " NOTIFY=FAILURE,DELAY ORCPT=rfc822;a@example.net"),
        ((SUCCESS,), DsnReturn.HEADERS, f" RET=HDRS {ENVID}", " NOTIFY=SUCCESS ORCPT=rfc822;a@example.net"),
        ((), DsnReturn.FULL, f" RET=FULL {ENVID}", " ORCPT=rfc822;a@example.net"),
        ((NEVER,), DsnReturn.UNSAID, "", " NOTIFY=NEVER"),
        ((), DsnReturn.UNSAID, "", ""),
    ],
)
def test_what_is_asked_for(notify, returned, mail, rcpt):
    """ENVID is the mail's id, ORCPT the address; where nothing shall be reported nothing is named."""
    assert lines(handoff("a@example.net"), route(*notify, returned=returned)) == [
        f"MAIL FROM:<s@example.com>{mail}",
        f"RCPT TO:<a@example.net>{rcpt}",
    ]


def test_each_recipient_has_its_own():
    """And step by step they are the same."""
    asked, mail = route(FAILURE), handoff("a@example.net", "b@example.net")
    expected = [
        f"MAIL FROM:<s@example.com> {ENVID}",
        "RCPT TO:<a@example.net> NOTIFY=FAILURE ORCPT=rfc822;a@example.net",
        "RCPT TO:<b@example.net> NOTIFY=FAILURE ORCPT=rfc822;b@example.net",
    ]
    assert lines(mail, asked) == expected
    talk = Conversation(replace(FULL, pipelining=False))
    talk.allow(pipelining=True, chunking=True, dsn=dsn_of(asked))
    told = [talk.start(mail)]
    for _ in range(3):
        (event,) = talk.receive(OK)
        assert isinstance(event, Send)
        told.append(event.data)
    assert told == [f"{line}\r\n".encode() for line in expected] + [b"DATA\r\n"]
    assert talk.receive(b"354 go\r\n") == [READY]


def test_only_where_it_is_offered():
    """Else not a word, whatever the route says; and no DSN where the route says nothing."""
    assert parse_capabilities("x\nDSN").dsn
    assert not parse_capabilities("x\nDSNX").dsn
    bare = ["MAIL FROM:<s@example.com>", "RCPT TO:<a@example.net>"]
    assert lines(handoff("a@example.net"), route(SUCCESS, returned=DsnReturn.FULL), replace(FULL, dsn=False)) == bare
    assert lines(handoff("a@example.net"), route()) == bare


def test_addresses_that_need_care():
    """Xtext for ASCII; beyond it the type is utf-8, and the address stands as it is, but for what RFC 6533 reserves."""
    assert rcpt_parameters(Dsn(), "a+b=c@example.net") == " ORCPT=rfc822;a+2Bb+3Dc@example.net"
    assert rcpt_parameters(Dsn(), '"a b"@example.net') == ' ORCPT=rfc822;"a+20b"@example.net'
    assert rcpt_parameters(Dsn(), "zoë+x@exämple.net") == r" ORCPT=utf-8;zoë\x{2B}x@exämple.net"
    group = lines(handoff("zoë@exämple.net", "a@example.net", utf8=True), route(SUCCESS))
    assert group[1] == "RCPT TO:<zoë@exämple.net> NOTIFY=SUCCESS ORCPT=utf-8;zoë@exämple.net"
    assert group[2] == "RCPT TO:<a@example.net> NOTIFY=SUCCESS ORCPT=rfc822;a@example.net"


def test_too_long_to_be_named():
    """RFC 3461 4.2: the rest is asked for all the same."""
    assert rcpt_parameters(Dsn(rcpt=" NOTIFY=FAILURE"), "+" * (MOST // 3) + "@example.net") == " NOTIFY=FAILURE"


@given(st.text(st.characters(max_codepoint=127)))
def test_xtext_is_one_word_and_can_be_read_back(text: str) -> None:
    """Nothing in it ends a line or begins another parameter."""
    written = xtext(text)
    assert re.fullmatch(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", written)
    assert re.sub(r"\+(..)", lambda found: chr(int(found[1], 16)), written) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_address_becomes_a_parameter(email: str) -> None:
    """Whatever admission let through."""
    written = rcpt_parameters(Dsn(), email)
    assert written == "" or re.fullmatch(r" ORCPT=(?:rfc822|utf-8);[^\x00-\x20=\x7f]+", written)
