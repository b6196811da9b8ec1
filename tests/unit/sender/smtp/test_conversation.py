"""The conversation with servers that behave: one mail after another, groups and single commands, refusals, withdrawals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailgate.verdict import Outcome, Phase
from sender.smtp.body import PIECE_OCTETS
from sender.smtp.capabilities import Capabilities
from sender.smtp.conversation import Conversation
from sender.smtp.events import IDLE, READY, Close, Done, Send, Stumble
from sender.smtp.steps import Step, Waiting

FULL = Capabilities(pipelining=True, size=True, size_limit=50_000_000, eight_bit_mime=True, smtputf8=True)
PLAIN = Capabilities()
OK = b"250 2.1.0 Ok\r\n"
GO = b"354 End data with <CR><LF>.<CR><LF>\r\n"
RSET = Send(b"RSET\r\n")
DELIVERED, DEFERRED, BOUNCED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED, Outcome.IN_DOUBT


def test_a_mail_in_a_group_of_commands(mail, outcomes):
    """With PIPELINING, MAIL, RCPT and DATA leave in one write; the body only through `finish`; then the next may come."""
    talk = Conversation(FULL)
    for _ in range(3):
        assert talk.start(mail(2)) == (
            b"MAIL FROM:<s@example.com> SIZE=20\r\nRCPT TO:<r0@example.com>\r\nRCPT TO:<r1@example.com>\r\nDATA\r\n"
        )
        assert talk.waiting is Waiting.COMMAND
        assert talk.receive(OK) == []
        assert talk.receive(OK + OK + GO) == [READY]
        assert talk.waiting is Waiting.NOTHING
        assert talk.finish() == b"Subject: x\r\n\r\ntext\r\n.\r\n"
        assert talk.waiting is Waiting.BODY
        events = talk.receive(b"250 2.0.0 queued\r\n")
        assert events[1:] == [IDLE]
        assert outcomes(events) == {10: (DELIVERED, 250, ""), 11: (DELIVERED, 250, "")}
        assert events[0].answered


def test_a_mail_step_by_step(mail, outcomes):
    """Without PIPELINING each command waits for the reply to the one before; the last write is the body."""
    for talk in (Conversation(PLAIN), Conversation(FULL, pipelining=False)):
        assert talk.start(mail(2)).startswith(b"MAIL FROM:<s@example.com>")
        assert talk.receive(OK) == [Send(b"RCPT TO:<r0@example.com>\r\n")]
        assert talk.receive(b"550 no\r\n") == [Send(b"RCPT TO:<r1@example.com>\r\n")]
        assert talk.receive(OK) == [Send(b"DATA\r\n")]
        assert talk.receive(GO) == [READY]
        talk.finish()
        events = talk.receive(OK)
        assert outcomes(events) == {10: (BOUNCED, 550, "unknown_user"), 11: (DELIVERED, 250, "")}
        assert events[-1] is IDLE


@pytest.mark.parametrize("answer", [b"450 4.2.2 full\r\n", b"552 5.3.4 too large\r\n"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_mail_refused(mail, outcomes, answer, pipelining):
    """MAIL's refusal is every recipient's, whatever the server says to the rest of the group; no transaction was begun, so no RSET."""
    talk = Conversation(FULL, pipelining=pipelining)
    talk.start(mail(2))
    events = talk.receive(answer + (b"503 5.5.1 need MAIL\r\n" * 3 if pipelining else b""))
    code = int(answer[:3])
    expected = (DEFERRED, 450, "mailbox_full") if code == 450 else (BOUNCED, 552, "too_large")
    assert outcomes(events) == {10: expected, 11: expected}
    assert events[-1] is IDLE


@pytest.mark.parametrize("pipelining", [True, False])
def test_all_recipients_refused(mail, outcomes, pipelining):
    """Each keeps its own reply; DATA's refusal is nobody's; RSET, and the connection lives on."""
    talk = Conversation(FULL, pipelining=pipelining)
    talk.start(mail(2))
    events = talk.receive(OK)
    events += talk.receive(b"550 5.1.1 no\r\n")
    events += talk.receive(b"450 4.7.1 greylisted\r\n")
    if pipelining:
        events += talk.receive(b"554 5.5.1 no valid recipients\r\n")
    assert outcomes(events) == {10: (BOUNCED, 550, "unknown_user"), 11: (DEFERRED, 450, "greylisted")}
    assert events[-1] == RSET
    assert talk.waiting is Waiting.COMMAND
    assert talk.receive(OK) == [IDLE]


def test_all_recipients_refused_and_yet_354(mail, outcomes):
    """RFC 2920 3.1: a lone dot ends it; whatever the server says to that, nobody got the mail."""
    talk = Conversation(FULL)
    talk.start(mail(2))
    events = talk.receive(OK + b"550 no\r\n550 no\r\n" + GO)
    assert outcomes(events) == {10: (BOUNCED, 550, "unknown_user"), 11: (BOUNCED, 550, "unknown_user")}
    assert events[-1] == Send(b".\r\n")
    assert talk.waiting is Waiting.COMMAND
    assert talk.receive(b"250 Ok\r\n") == [IDLE]


def test_mail_refused_recipients_accepted_and_yet_354(mail, outcomes):
    """A lone dot might be an empty mail to somebody then: the connection is closed instead."""
    talk = Conversation(FULL)
    talk.start(mail())
    events = talk.receive(b"550 5.7.1 no\r\n" + OK + GO)
    assert outcomes(events) == {10: (BOUNCED, 550, "policy")}
    assert isinstance(events[-1], Close)
    assert not any(isinstance(event, Send) for event in events)


def test_data_refused(mail, outcomes):
    """DATA's refusal is of those that RCPT had accepted; RSET."""
    talk = Conversation(FULL)
    talk.start(mail(2))
    events = talk.receive(OK + b"550 no\r\n" + OK + b"451 4.3.0 try later\r\n")
    assert outcomes(events) == {10: (BOUNCED, 550, "unknown_user"), 11: (DEFERRED, 451, "other")}
    assert events[-1] == RSET
    assert talk.receive(OK) == [IDLE]


@pytest.mark.parametrize(("answer", "outcome"), [(b"451 4.3.0 no disk\r\n", DEFERRED), (b"554 5.7.1 spam\r\n", BOUNCED)])
def test_the_reply_to_the_final_dot_is_of_all_that_were_accepted(mail, outcomes, answer, outcome):
    """RFC 5321: it is for every recipient of the transaction; those refused at RCPT keep theirs."""
    talk = Conversation(FULL)
    talk.start(mail(3))
    talk.receive(OK + OK + b"550 5.1.1 no\r\n" + OK + GO)
    talk.finish()
    events = talk.receive(answer)
    found = outcomes(events)
    assert found[11] == (BOUNCED, 550, "unknown_user")
    assert found[10][:2] == found[12][:2] == (outcome, int(answer[:3]))
    assert events[-1] is IDLE


def test_several_lines_and_any_cut(mail):
    """Replies of several lines, octet by octet."""
    talk = Conversation(FULL)
    talk.start(mail())
    events = [e for octet in b"250-2.1.0 a\r\n250 2.1.0 b\r\n" + OK + b"354-go\r\n354 on\r\n" for e in talk.receive(bytes([octet]))]
    assert events == [READY]


# ---- what is never asked


def test_smtputf8_not_offered(mail, outcomes):
    """RFC 6531: bounced without a word to the server, and the connection stays idle."""
    talk = Conversation(Capabilities(pipelining=True, eight_bit_mime=True))
    for transaction in (mail(smtputf8=True), mail(to="ü{}@example.com")):
        done = talk.start(transaction)
        assert isinstance(done, Done)
        assert outcomes([done]) == {10: (BOUNCED, 0, "unsupported")}
        assert done.recipients[0].reply.enhanced_code == "5.6.7"
        assert talk.step is Step.IDLE


def test_smtputf8_offered(mail):
    """The addresses go as UTF-8, and MAIL says so."""
    group = Conversation(FULL).start(mail(smtputf8=True, to="ü{}@example.com"))
    assert group == b"MAIL FROM:<s@example.com> SIZE=20 SMTPUTF8\r\nRCPT TO:<\xc3\xbc0@example.com>\r\nDATA\r\n"


def test_octets_beyond_ascii(mail, outcomes):
    """BODY=8BITMIME where it is offered; else a bounce, since RFC 6152 forbids to send them."""
    assert b" BODY=8BITMIME SIZE=" in Conversation(FULL).start(mail(message="ü\r\n".encode()))
    done = Conversation(Capabilities(pipelining=True)).start(mail(message="ü\r\n".encode()))
    assert outcomes([done]) == {10: (BOUNCED, 0, "unsupported")}


def test_above_the_servers_size(mail, outcomes):
    """RFC 1870: bounced before MAIL."""
    talk = Conversation(Capabilities(pipelining=True, size=True, size_limit=100))
    assert outcomes([talk.start(mail(message=b"x" * 99 + b"\r\n"))]) == {10: (BOUNCED, 0, "too_large")}
    assert isinstance(talk.start(mail(message=b"x" * 98 + b"\r\n")), bytes)


@pytest.mark.parametrize("evil", ["a\r\nRCPT TO:<x@y>", "a\n", "a\r", "a\0b"])
def test_an_address_never_becomes_a_command(mail, outcomes, evil):
    """Whatever admission let through: no control character leaves in a command."""
    assert outcomes([Conversation(FULL).start(mail(to=evil + "@example.com"))]) == {10: (BOUNCED, 0, "unknown_user")}


def test_the_null_sender(mail):
    """A mail without a return path has MAIL FROM:<>."""
    assert Conversation(FULL).start(replace(mail(), return_path="")).startswith(b"MAIL FROM:<> ")


# ---- withdrawals


def test_withdrawn_while_ready(mail):
    """After 354 the only way back is to close, without a dot."""
    talk = Conversation(FULL)
    talk.start(sent := mail())
    talk.receive(OK + OK + GO)
    (close,) = talk.withdraw(sent)
    assert isinstance(close, Close)
    assert not close.reset
    assert talk.step is Step.CLOSED
    with pytest.raises(RuntimeError):
        talk.finish()


def test_withdrawn_before_354_waits_for_the_replies_it_is_owed(mail):
    """DATA is under way: nothing happens until its reply; 354 then closes, and no Ready and no Done is told."""
    talk = Conversation(FULL)
    talk.start(sent := mail())
    assert talk.receive(OK) == []
    assert talk.withdraw(sent) == []
    assert talk.waiting is Waiting.COMMAND
    assert talk.receive(OK) == []
    (close,) = talk.receive(GO)
    assert isinstance(close, Close)


def test_withdrawn_and_then_refused(mail):
    """Had DATA been refused, RSET keeps the connection."""
    talk = Conversation(FULL)
    talk.start(sent := mail())
    talk.withdraw(sent)
    assert talk.receive(OK + OK + b"451 later\r\n") == [RSET]
    assert talk.receive(OK) == [IDLE]


def test_withdrawn_with_every_recipient_refused_and_yet_354(mail):
    """A lone dot to nobody is harmless and keeps the connection."""
    talk = Conversation(FULL)
    talk.start(sent := mail())
    talk.withdraw(sent)
    assert talk.receive(OK + b"550 no\r\n" + GO) == [Send(b".\r\n")]
    assert talk.receive(b"554 no valid recipients\r\n") == [IDLE]


def test_withdrawn_step_by_step(mail):
    """DATA was not sent: RSET as soon as the reply under way is in."""
    talk = Conversation(PLAIN)
    talk.start(sent := mail(2))
    talk.receive(OK)
    talk.withdraw(sent)
    assert talk.receive(OK) == [RSET]
    assert talk.receive(OK) == [IDLE]
    talk.start(sent := mail(1))
    talk.receive(OK)
    talk.receive(OK)
    talk.withdraw(sent)
    (close,) = talk.receive(GO)
    assert isinstance(close, Close)


def test_withdrawn_and_then_silence(mail):
    """The deadline of commands bounds the wait."""
    talk = Conversation(FULL)
    talk.start(sent := mail())
    talk.withdraw(sent)
    assert talk.waiting is Waiting.COMMAND
    (close,) = talk.timed_out(60)
    assert close.reset


def test_withdrawn_too_late(mail, outcomes):
    """After `finish` nothing can be taken back, and the outcome is told."""
    talk = Conversation(FULL)
    talk.start(sent := mail())
    talk.receive(OK + OK + GO)
    talk.finish()
    assert talk.withdraw(sent) == []
    assert outcomes(talk.receive(OK)) == {10: (DELIVERED, 250, "")}


# ---- long bodies


LONG = (b"x" * 76 + b"\r\n") * (3 * PIECE_OCTETS // 78)


def test_a_long_body_leaves_piece_by_piece(mail, outcomes):
    """Only the last piece has the end, and only then nobody can know."""
    talk = Conversation(FULL)
    talk.start(mail(message=LONG))
    talk.receive(OK + OK + GO)
    pieces = [talk.finish(hold=True)]
    assert pieces[0], "nothing can follow it, and so nothing is held back"
    while talk.step is Step.BODY:
        assert talk.waiting is Waiting.BLOCK
        pieces.append(talk.more())
    assert talk.more() == b""
    assert len(pieces) > 2
    assert b"".join(pieces) == LONG + b".\r\n"
    assert outcomes(talk.receive(OK)) == {10: (DELIVERED, 250, "")}


def test_lost_amid_a_long_body(mail, outcomes):
    """The end has not left: certainly unsent, so deferred; and reset, so that it stays so."""
    talk = Conversation(FULL)
    talk.start(mail(message=LONG))
    talk.receive(OK + OK + GO)
    talk.finish()
    events = talk.lost("gone")
    assert outcomes(events) == {10: (DEFERRED, 0, "connect")}
    assert events[-1].reset


def test_refused_amid_a_long_body(mail, outcomes):
    """The server's word counts, and the rest of the body does not follow."""
    talk = Conversation(FULL)
    talk.start(mail(message=LONG))
    talk.receive(OK + OK + GO)
    talk.finish()
    events = talk.receive(b"552 5.3.4 too large\r\n")
    assert outcomes(events) == {10: (BOUNCED, 552, "too_large")}
    assert events[-1].reset
    assert talk.more() == b""


def test_a_long_body_refused_at_its_end_costs_the_connection(mail, outcomes):
    """Whether the refusal came midway nobody can tell: a second reply might follow and be paired with the next MAIL."""
    talk = Conversation(FULL)
    talk.start(mail(message=LONG))
    talk.receive(OK + OK + GO)
    talk.finish()
    while talk.more():
        pass
    events = talk.receive(b"552 5.3.4 too large\r\n")
    assert outcomes(events) == {10: (BOUNCED, 552, "too_large")}
    assert isinstance(events[-1], Close)


# ---- a mail that follows a body


def followed(mail, recipients=1):
    """A conversation whose first mail is ENDED and followed by a second."""
    talk = Conversation(FULL)
    talk.start(first := mail())
    assert not talk.takes_another
    talk.receive(OK + OK + GO)
    assert not talk.takes_another
    talk.finish()
    assert talk.takes_another
    second = mail(recipients)
    assert talk.start(second).endswith(b"DATA\r\n")
    assert not talk.takes_another
    return talk, first, second


def test_a_mail_follows_a_body(mail, outcomes):
    """Its group goes out behind the body; the replies come in order, each to its own; only the last leaves the connection idle."""
    talk, first, second = followed(mail)
    assert talk.waiting is Waiting.BODY
    assert talk.ending is first
    events = talk.receive(b"250 2.0.0 queued\r\n" + OK)
    assert [event.transaction for event in events] == [first]
    assert talk.waiting is Waiting.COMMAND
    assert talk.receive(OK + GO) == [READY]
    assert talk.ready is second
    talk.finish()
    events = talk.receive(b"451 later\r\n")
    assert [events[0].transaction, events[1]] == [second, IDLE]
    assert outcomes(events) == {10: (DEFERRED, 451, "other")}


def test_what_cannot_follow(mail):
    """Behind a long body that the server may refuse midway, without PIPELINING, and behind another that follows: nothing."""
    long, plain = Conversation(FULL), Conversation(PLAIN)
    for talk in (long, plain):
        talk.start(mail(message=LONG if talk is long else b"x\r\n"))
        for reply in (OK, OK, GO):
            talk.receive(reply)
        talk.finish()
        while talk.more():
            pass
        assert talk.step is Step.ENDED
        assert not talk.takes_another
    talk, _, _ = followed(mail)
    with pytest.raises(RuntimeError):
        talk.start(mail())


def test_unfit_to_follow(mail):
    """It is told at once; the one before is not touched."""
    talk = Conversation(Capabilities(pipelining=True))
    talk.start(first := mail())
    talk.receive(OK + OK + GO)
    talk.finish()
    assert isinstance(talk.start(mail(smtputf8=True)), Done)
    assert talk.takes_another
    events = talk.receive(OK)
    assert (events[0].transaction, events[1]) == (first, IDLE)


def test_the_first_is_refused_the_second_goes_on(mail, outcomes):
    """They are two transactions: a refused body is not the next mail's fault."""
    talk, first, second = followed(mail)
    events = talk.receive(b"554 5.7.1 spam\r\n" + OK + OK + GO)
    assert events[0].transaction is first
    assert events[-1] is READY
    assert talk.ready is second


@pytest.mark.parametrize("end", ["lost", "421", "silence"])
def test_the_connection_ends_under_both(mail, end):
    """The first is in doubt, or refused by 421; the second is certainly unsent."""
    talk, first, second = followed(mail)
    events = {"lost": lambda: talk.lost("gone"), "421": lambda: talk.receive(b"421 bye\r\n"), "silence": lambda: talk.timed_out(600)}[end]()
    told = {event.transaction: event.recipients[0] for event in events if isinstance(event, Done)}
    assert told[first].outcome is (DEFERRED if end == "421" else IN_DOUBT)
    assert (told[second].outcome, told[second].reply.phase, told[second].reply.code) == (DEFERRED, Phase.MAIL, 0)
    assert isinstance(events[-1], Close)
    assert talk.step is Step.CLOSED
    assert (talk.dismissal is not None) == (end == "421")


def test_withdrawn_while_it_follows(mail):
    """The first has its outcome; the second goes the way of a mail withdrawn amid its commands."""
    talk, first, second = followed(mail)
    assert talk.withdraw(second) == []
    events = talk.receive(OK + OK + OK)
    assert [event.transaction for event in events] == [first]
    (close,) = talk.receive(GO)
    assert close.ours


def test_the_first_can_not_be_withdrawn(mail):
    """Its body is out."""
    talk, first, _ = followed(mail)
    assert talk.withdraw(first) == []
    assert talk.receive(OK)[0].transaction is first


def test_a_server_that_forgets_what_follows(mail):
    """It drops what came behind a body: the silence is told apart from other stumbles, so that it need not be tried again."""
    talk, _, second = followed(mail)
    talk.receive(OK)
    done, close = talk.timed_out(60)
    assert done.transaction is second
    assert close.stumbled is Stumble.FOLLOWING
    talk, _, _ = followed(mail)
    talk.receive(OK + OK)
    assert talk.lost("gone")[-1].stumbled is Stumble.GROUP


# ---- the rest


def test_good_bye():
    """QUIT while idle; the answer, whatever it is, closes."""
    talk = Conversation(FULL)
    assert talk.ask(Step.QUITTING) == b"QUIT\r\n"
    assert talk.waiting is Waiting.COMMAND
    (close,) = talk.receive(b"221 2.0.0 Bye\r\n")
    assert not close.reset


def test_calls_out_of_order_are_bugs(mail):
    """The pool must not start twice, finish what is not ready, or quit amid a mail."""
    talk = Conversation(FULL)
    with pytest.raises(RuntimeError):
        talk.finish()
    talk.start(mail())
    for call in (lambda: talk.start(mail()), talk.finish, lambda: talk.ask(Step.QUITTING), lambda: talk.ask(Step.PROBING)):
        with pytest.raises(RuntimeError):
            call()


def test_phases_are_told(mail):
    """A verdict says where it was decided."""
    talk = Conversation(FULL)
    talk.start(mail())
    assert talk.lost("x")[0].recipients[0].reply.phase is Phase.MAIL
    for heard, phase in ((OK, Phase.RCPT), (OK + OK, Phase.DATA), (OK + OK + GO, Phase.DATA)):
        talk = Conversation(FULL)
        talk.start(mail())
        talk.receive(heard)
        assert talk.lost("x")[0].recipients[0].reply.phase is phase
