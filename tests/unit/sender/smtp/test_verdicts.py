"""The table of replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.classes import CLASSES
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply
from sender.smtp.replies import ServerReply
from sender.smtp.verdicts import TEXT_OCTETS, broken, outcome_of, plain, shared, understand

TABLE = [
    # what real servers say, where, what it means
    (Phase.RCPT, 550, b"5.1.1 <x@y>: Recipient address rejected: User unknown", Outcome.BOUNCED, "unknown_user"),
    (Phase.RCPT, 550, b"No such user here", Outcome.BOUNCED, "unknown_user"),
    (Phase.RCPT, 550, b"sorry", Outcome.BOUNCED, "unknown_user"),
    (Phase.RCPT, 550, b"5.1.2 bad host", Outcome.BOUNCED, "unknown_domain"),
    (Phase.RCPT, 552, b"5.2.2 The email account is over quota", Outcome.BOUNCED, "mailbox_full"),
    (Phase.RCPT, 452, b"4.2.2 The recipient's inbox is out of storage", Outcome.DEFERRED, "mailbox_full"),
    (Phase.RCPT, 452, b"4.5.3 Too many recipients", Outcome.DEFERRED, "rate_limited"),
    (Phase.RCPT, 552, b"Too many recipients", Outcome.DEFERRED, "rate_limited"),
    (Phase.RCPT, 450, b"4.7.1 <x@y>: Recipient address rejected: Greylisted, see http://postgrey", Outcome.DEFERRED, "greylisted"),
    (Phase.RCPT, 451, b"4.7.1 Greylisting in action", Outcome.DEFERRED, "greylisted"),
    (Phase.RCPT, 554, b"5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org", Outcome.BOUNCED, "blocked"),
    (Phase.RCPT, 554, b"5.7.1 <x@y>: Relay access denied", Outcome.BOUNCED, "policy"),
    (Phase.MAIL, 421, b"4.7.28 Our system has detected an unusual rate of unsolicited mail", Outcome.DEFERRED, "rate_limited"),
    (Phase.MAIL, 450, b"4.7.1 Error: too much mail from 192.0.2.1", Outcome.DEFERRED, "rate_limited"),
    (Phase.MAIL, 530, b"5.7.0 Must issue a STARTTLS command first", Outcome.DEFERRED, "tls"),
    (Phase.MAIL, 530, b"5.7.0 Authentication Required", Outcome.DEFERRED, "auth"),
    (Phase.RCPT, 530, b"5.7.1 Relaying denied, blocked", Outcome.DEFERRED, "auth"),
    (Phase.MAIL, 534, b"5.7.9 Application-specific password required", Outcome.DEFERRED, "auth"),
    (Phase.MAIL, 538, b"", Outcome.DEFERRED, "tls"),
    (Phase.DATA, 535, b"", Outcome.DEFERRED, "auth"),
    (Phase.MAIL, 552, b"5.3.4 Message size exceeds fixed limit", Outcome.BOUNCED, "too_large"),
    (Phase.MAIL, 552, b"no", Outcome.BOUNCED, "too_large"),
    (Phase.MAIL, 501, b"5.5.4 Syntax: MAIL FROM", Outcome.BOUNCED, "protocol"),
    (Phase.MAIL, 503, b"bad sequence", Outcome.BOUNCED, "protocol"),
    (Phase.DATA, 554, b"5.5.1 Error: no valid recipients", Outcome.BOUNCED, "protocol"),
    (Phase.BODY, 250, b"2.0.0 Ok: queued as 4B1", Outcome.DELIVERED, ""),
    (Phase.BODY, 554, b"5.7.1 Message content rejected as spam", Outcome.BOUNCED, "spam"),
    (Phase.BODY, 550, b"5.7.26 Unauthenticated mail is not accepted due to DMARC policy", Outcome.BOUNCED, "policy"),
    (Phase.BODY, 451, b"4.3.0 Error: queue file write error", Outcome.DEFERRED, "other"),
    (Phase.BODY, 421, b"4.4.2 timeout exceeded", Outcome.DEFERRED, "connect"),
    (Phase.BODY, 554, b"5.6.7 needs SMTPUTF8", Outcome.BOUNCED, "unsupported"),
    (Phase.AUTH, 535, b"5.7.8 Error: authentication failed", Outcome.DEFERRED, "auth"),
    (Phase.CONNECT, 554, b"go away", Outcome.BOUNCED, "policy"),
    # an address of ours, or its reputation, and what sounds like it
    (Phase.CONNECT, 550, b"5.7.1 your ip is blocked", Outcome.BOUNCED, "blocked"),
    (Phase.RCPT, 550, b"5.7.1 Your IP address 192.0.2.1 has been blocked", Outcome.BOUNCED, "blocked"),
    (Phase.RCPT, 450, b"4.7.1 Connections from [2001:db8::1] are temporarily blocked", Outcome.DEFERRED, "blocked"),
    (Phase.MAIL, 550, b"5.7.0 Mail from 192.0.2.1 blocked by our administrator", Outcome.BOUNCED, "blocked"),
    (Phase.MAIL, 550, b"5.7.1 Access denied, sending server blocked", Outcome.BOUNCED, "blocked"),
    (Phase.RCPT, 550, b"5.7.1 your network is banned", Outcome.BOUNCED, "blocked"),
    (Phase.RCPT, 554, b"5.7.1 you are blacklisted", Outcome.BOUNCED, "blocked"),
    (Phase.RCPT, 550, b"5.7.0 your server has a poor reputation", Outcome.BOUNCED, "blocked"),
    (Phase.BODY, 550, b"5.7.1 IP reputation too low", Outcome.BOUNCED, "blocked"),
    (Phase.BODY, 554, b"5.7.1 rejected: bad sender reputation", Outcome.BOUNCED, "blocked"),
    (Phase.BODY, 550, b"5.7.1 Message rejected due to sender reputation", Outcome.BOUNCED, "blocked"),
    (Phase.BODY, 550, b"5.7.1 This message was blocked by policy", Outcome.BOUNCED, "policy"),
    (Phase.BODY, 552, b"5.7.0 Mail from <a@b.example> blocked: suspicious attachment", Outcome.BOUNCED, "spam"),
    (Phase.RCPT, 550, b"5.7.1 You have been blocked by the recipient", Outcome.BOUNCED, "policy"),
    (Phase.RCPT, 550, b"5.7.1 <ip@host.example>: account is blocked", Outcome.BOUNCED, "unknown_user"),
]


@pytest.mark.parametrize(("phase", "code", "text", "outcome", "bounce_class"), TABLE)
def test_what_servers_say(phase: Phase, code: int, text: bytes, outcome: Outcome, bounce_class: str) -> None:
    """The class of the reply decides the outcome; the enhanced code, the words, then the code name the trouble."""
    reply = understand(phase, ServerReply(code, text))
    assert (outcome_of(phase, reply), reply.bounce_class) == (outcome, bounce_class)


@given(st.sampled_from(Phase), st.integers(200, 599), st.binary(max_size=3000))
def test_any_reply_can_be_told(phase: Phase, code: int, text: bytes) -> None:
    """Whatever the octets: one printable line, at most TEXT_OCTETS, a class that exists, and none when it is a success."""
    reply = understand(phase, ServerReply(code, text))
    assert len(reply.text.encode()) <= TEXT_OCTETS
    assert not set(reply.text) & {chr(c) for c in (*range(32), 127)}
    assert reply.bounce_class in CLASSES or (reply.bounce_class == "" and code < 300)


WORDS = (
    "address",
    "user",
    "mailbox",
    "spf",
    "sender",
    "host",
    "domain",
    "not",
    "found",
    "blocked",
    "[1.2.3.4]",
    "<a@b>",
    "::",
    "fail",
    "5 s",
)


@given(st.sampled_from(Phase), st.integers(400, 599), st.lists(st.sampled_from(WORDS), max_size=120))
def test_the_words_of_servers_in_any_order(phase: Phase, code: int, words: list[str]) -> None:
    """Whatever begins to match and does not end: a class that exists."""
    reply = understand(phase, ServerReply(code, " ".join(words).encode()))
    assert reply.bounce_class in CLASSES
    assert reply.retry_after == 0 or 10 <= reply.retry_after <= 4 * 3600


def test_the_enhanced_code_stands_apart() -> None:
    """It is cut from every line of the text, and one of another class than the reply is not believed."""
    assert understand(Phase.RCPT, ServerReply(550, b"5.1.1 no such user\n5.1.1 at all")) == Reply(
        Phase.RCPT, 550, "5.1.1", "no such user at all", "unknown_user"
    )
    assert understand(Phase.RCPT, ServerReply(450, b"5.1.1 later")).enhanced_code == ""
    assert understand(Phase.BODY, ServerReply(250, b"2.0.0")).text == ""
    assert understand(Phase.BODY, ServerReply(250, b"10.0.0.1 has it")).text == "10.0.0.1 has it"


@pytest.mark.parametrize(
    ("phase", "code", "text", "told"),
    [
        (Phase.MAIL, 530, b"5.7.0 log in", "the relay wants a login: see the route's username and secret (log in)"),
        (Phase.AUTH, 535, b"5.7.8 no", "the relay refuses the login: see the route's username and secret (no)"),
        (Phase.MAIL, 530, b"5.7.0 STARTTLS first", "the relay wants TLS: see the route's tls (STARTTLS first)"),
        (Phase.MAIL, 530, b"", "the relay wants a login: see the route's username and secret"),
    ],
)
def test_a_slip_of_the_operator_says_its_cure(phase: Phase, code: int, text: bytes, told: str) -> None:
    """Whoever asks what keeps a mail waiting reads which keys of the route to look at, and then what the server said."""
    assert understand(phase, ServerReply(code, text)).text == told


def test_what_stands_for_a_reply() -> None:
    """Code 0 and the words."""
    assert broken(Phase.DATA, "lost\r\nit") == Reply(Phase.DATA, 0, "", "lost it", "connect")


def test_the_same_verdict_is_told_once() -> None:
    """Ten thousand recipients with one reply are one RecipientVerdict."""
    ok, no = Reply(Phase.BODY, 250), Reply(Phase.RCPT, 550)
    each = [(i, Outcome.BOUNCED, no) if i % 2 else (i, Outcome.DELIVERED, ok) for i in range(10)]
    assert shared(each) == (
        RecipientVerdict((0, 2, 4, 6, 8), Outcome.DELIVERED, ok),
        RecipientVerdict((1, 3, 5, 7, 9), Outcome.BOUNCED, no),
    )


@given(
    st.sampled_from([200, 250, 299, 354, 450, 550]),
    st.sampled_from([b"2.0.0", b"2.1.5", b"4.2.0"]),
    st.one_of(st.binary(max_size=300), st.text(max_size=140).map(str.encode)).map(lambda text: text.replace(b"\n", b"")),
)
def test_the_usual_is_understood_like_the_rest(code: int, enhanced: bytes, text: bytes) -> None:
    """A code that was heard before changes nothing of what is read: its class rules, the text is in one line, bounded and printable."""
    understand(Phase.BODY, ServerReply(250, enhanced))
    found = understand(Phase.BODY, ServerReply(code, enhanced + b" " + text))
    assert found.enhanced_code == (enhanced.decode() if enhanced[:1] == b"%d" % (code // 100) else "")
    assert found.text == plain(text)
    assert bool(found.bounce_class) == (code >= 300)
