"""A fear: servers that never answer, answer rubbish, close at every step, say 421 while idle, or speak out of turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.job import JobRecipient
from mailgate.verdict import Outcome
from sender.pool.handoff import Handoff
from sender.smtp.capabilities import Capabilities
from sender.smtp.conversation import Conversation
from sender.smtp.events import IDLE, READY, Close, Done, Stumble
from sender.smtp.steps import Step

FULL = Capabilities(pipelining=True, size=True, eight_bit_mime=True, smtputf8=True)
OK, GO = b"250 2.1.0 Ok\r\n", b"354 go\r\n"
DELIVERED, DEFERRED, BOUNCED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED, Outcome.IN_DOUBT

# how far the conversation came, and what silence then means for the mail
STAGES = [("mail", DEFERRED), ("rcpt", DEFERRED), ("data", DEFERRED), ("ready", DEFERRED), ("ended", IN_DOUBT)]


def at(stage: str, mail, *, pipelining: bool = True) -> Conversation:
    """A conversation that waits for the reply to `stage`."""
    talk = Conversation(FULL, pipelining=pipelining)
    talk.start(mail())
    for reached, reply in (("mail", OK), ("rcpt", OK), ("data", GO)):
        if stage == reached:
            return talk
        talk.receive(reply)
    if stage == "ended":
        talk.finish()
    return talk


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("stage", "outcome"), STAGES)
def test_the_server_closes(mail, outcomes, stage, outcome, pipelining):
    """Before the final dot: deferred. After it: in doubt, and reset."""
    events = at(stage, mail, pipelining=pipelining).lost("the server closed the connection")
    assert outcomes(events) == {10: (outcome, 0, "connect")}
    assert not events[0].answered
    assert events[-1].reset == (stage == "ended")


@pytest.mark.parametrize(("stage", "outcome"), [s for s in STAGES if s[0] != "ready"])
def test_the_server_never_answers(mail, outcomes, stage, outcome):
    """The deadline of the phase has passed: the same, and the connection is torn down so that nothing leaves later."""
    events = at(stage, mail).timed_out(60)
    assert outcomes(events) == {10: (outcome, 0, "connect")}
    assert "within 60 s" in events[0].recipients[0].reply.text
    assert events[-1].reset


@pytest.mark.parametrize("rubbish", [b"hello\r\n", b"\r\n", b"250-a\r\n251 b\r\n", b"x" * 5000, b"354 out of turn\r\n", b"\x00\xff\n"])
@pytest.mark.parametrize(("stage", "outcome"), [s for s in STAGES if s[0] != "data"])
def test_the_server_answers_rubbish(mail, outcomes, stage, outcome, rubbish):
    """No verdict is made of it, and the connection is of no more use."""
    talk = at(stage, mail)
    events = talk.receive(rubbish)
    assert outcomes(events) == {10: (outcome, 0, "protocol")}
    assert isinstance(events[-1], Close)
    assert talk.receive(OK) == []


def test_data_answered_with_250(mail, outcomes):
    """Replies and commands have lost each other: nothing is sent."""
    events = at("data", mail).receive(OK)
    assert outcomes(events) == {10: (DEFERRED, 0, "protocol")}
    assert isinstance(events[-1], Close)


@pytest.mark.parametrize("stage", [stage for stage, _ in STAGES])
def test_421_at_any_point(mail, outcomes, stage):
    """RFC 5321 3.8: the server closes. Even after the final dot it is an answer, and no doubt: it did not take the mail."""
    events = at(stage, mail).receive(b"421 4.3.2 shutting down\r\n")
    assert {code: found[:2] for code, found in outcomes(events).items()} == {10: (DEFERRED, 421)}
    assert isinstance(events[-1], Close)
    assert not any(event is IDLE or event is READY for event in events)


@pytest.mark.parametrize("heard", [b"", OK, OK + b"550 no\r\n", OK + OK + OK])
def test_a_server_that_has_lost_the_thread(mail, outcomes, heard):
    """503 within a group, though all before it was accepted: replies do not fit commands, and so nothing is concluded.

    Step by step it is believed, and to DATA after nobody was accepted it is what servers say.
    """
    talk = Conversation(FULL)
    talk.start(mail(2))
    events = talk.receive(heard + b"503 5.5.1 bad sequence\r\n")
    found = outcomes(events)
    assert found[11] == (DEFERRED, 0, "protocol")
    assert events[-1].stumbled is Stumble.GROUP
    talk = Conversation(FULL, pipelining=False)
    talk.start(mail())
    assert outcomes(talk.receive(b"503 5.5.1 bad sequence\r\n")) == {10: (BOUNCED, 503, "protocol")}
    talk = Conversation(FULL)
    talk.start(mail())
    assert outcomes(talk.receive(OK + b"550 5.1.1 no\r\n503 5.5.1 no recipients\r\n")) == {10: (BOUNCED, 550, "unknown_user")}


def test_421_at_a_recipient_keeps_what_was_refused_before(mail, outcomes):
    """The recipient refused has its bounce, the others wait."""
    talk = Conversation(FULL)
    talk.start(mail(3))
    assert outcomes(talk.receive(OK + b"550 5.1.1 no\r\n421 4.3.2 shutting down\r\n")) == {
        10: (BOUNCED, 550, "unknown_user"),
        11: (DEFERRED, 421, "connect"),
        12: (DEFERRED, 421, "connect"),
    }


@pytest.mark.parametrize("said", [b"421 4.4.2 idle too long\r\n", b"250 Ok\r\n", b"4", b"rubbish\r\n", b"221 bye\r\n"])
@pytest.mark.parametrize("mails", [0, 1])
def test_words_while_idle(mail, said, mails):
    """Whatever the server says unasked is never paired with the next command: the connection closes, and can't be started."""
    talk = Conversation(FULL)
    for _ in range(mails):
        talk.start(mail())
        talk.receive(OK + OK + GO)
        talk.finish()
        talk.receive(OK)
    (close,) = talk.receive(said)
    assert isinstance(close, Close)
    with pytest.raises(RuntimeError):
        talk.start(mail())


@pytest.mark.parametrize("extra", [b"421 4.3.2 bye\r\n", OK, b"25", b"nonsense\r\n"])
def test_words_behind_the_last_reply(mail, outcomes, extra):
    """The mail was delivered; the connection is not idle for a moment."""
    events = at("ended", mail).receive(OK + extra)
    assert outcomes(events) == {10: (DELIVERED, 250, "")}
    assert isinstance(events[-1], Close)
    assert IDLE not in events


@pytest.mark.parametrize("extra", [b"421 4.3.2 bye\r\n", OK, b"25", b"nonsense\r\n"])
def test_words_behind_354(mail, outcomes, extra):
    """Ready is not told when the same bytes spoil it."""
    events = at("data", mail).receive(GO + extra)
    assert READY not in events
    assert {i: found[0] for i, found in outcomes(events).items()} == {10: DEFERRED}
    assert isinstance(events[-1], Close)


def test_a_yes_amid_a_long_body(mail, outcomes):
    """To what, nobody knows; the end has not left, so the mail is unsent, and the rest of it stays here."""
    talk = Conversation(FULL)
    talk.start(mail(message=b"x" * 76 + b"\r\n" + b"y\r\n" * 400_000))
    talk.receive(OK + OK + GO)
    talk.finish()
    events = talk.receive(OK)
    assert outcomes(events) == {10: (DEFERRED, 0, "protocol")}
    assert events[-1].reset
    assert talk.more() == b""


@pytest.mark.parametrize("asked", ["a lone dot", "NOOP"])
def test_354_to_what_has_no_body(mail, asked):
    """Whoever wants to read on has lost the thread: what came next would be taken for a mail."""
    talk = Conversation(FULL)
    if asked == "NOOP":
        talk.ask(Step.PROBING)
    else:
        talk.start(mail())
        talk.receive(OK + b"550 no\r\n" + GO)
    (close,) = talk.receive(GO)
    assert isinstance(close, Close)


def test_rset_refused(mail):
    """Where nobody knows what the server remembers, the connection closes."""
    talk = Conversation(FULL)
    talk.start(mail())
    talk.receive(OK + b"550 no\r\n" + b"554 no\r\n")
    (close,) = talk.receive(b"500 what?\r\n")
    assert isinstance(close, Close)


def test_broken_over_a_group_of_commands(mail):
    """It is said that it was a group, since that may be the reason; not with 421, nor step by step, nor later."""
    assert at("rcpt", mail).lost("x")[-1].stumbled is Stumble.GROUP
    assert at("mail", mail).timed_out(1)[-1].stumbled is Stumble.GROUP
    assert not at("rcpt", mail).receive(b"421 bye\r\n")[-1].stumbled
    assert not at("rcpt", mail, pipelining=False).lost("x")[-1].stumbled
    assert not at("ended", mail).lost("x")[-1].stumbled


def test_lost_twice_is_told_once(mail):
    """EOF, then the loss of the socket."""
    talk = at("ended", mail)
    assert talk.lost("eof")
    assert talk.lost("gone") == []
    assert talk.timed_out(1) == []


_SAID = st.sampled_from(
    [
        OK,
        OK,
        OK,
        OK,
        GO,
        GO,
        b"550 no\r\n",
        b"450 later\r\n",
        b"421 bye\r\n",
        b"rubbish\r\n",
        b"250-a\r\n",
        b"25",
        b"0 Ok\r\n",
        b"334 x\r\n",
    ]
)
_DOES = st.sampled_from(["start", "finish", "more", "withdraw", "lost", "timed_out", "quit"])


@given(st.lists(st.one_of(_SAID, _DOES), max_size=60), st.booleans(), st.booleans())
def test_whatever_servers_and_callers_do(steps: list[bytes | str], pipelining: bool, long: bool) -> None:  # noqa: C901, PLR0912, PLR0915 - one history, top to bottom
    """In every history: one Done or a withdrawal for each mail, the end leaves only of a mail that was READY, and doubt only after it."""
    talk = Conversation(FULL, pipelining=pipelining)
    message = b"x\r\n" * (200_000 if long else 1)
    awaited: list[Handoff] = []
    """Mails without an outcome, in order."""
    ready: set[object] = set()
    ended: set[object] = set()
    for step in steps:
        before = talk.step
        events = []
        if isinstance(step, bytes):
            events = talk.receive(step)
        elif step == "start" and (before is Step.IDLE or talk.takes_another):
            mail = Handoff((b"", 1), "r", "", (JobRecipient(0, "a@b"), JobRecipient(1, "c@d")), message)
            awaited.append(mail)
            talk.start(mail)
        elif step == "finish" and before is Step.READY:
            assert talk.ready is awaited[0]
            assert talk.ready in ready
            talk.finish()
        elif step == "more":
            talk.more()
        elif step == "withdraw" and awaited:
            mail = awaited[-1]
            too_late = talk.ending is mail
            events = talk.withdraw(mail)
            if not too_late:
                awaited.remove(mail)
        elif step == "lost":
            events = talk.lost("lost")
        elif step == "timed_out" and before not in (Step.IDLE, Step.READY, Step.CLOSED):
            events = talk.timed_out(1)
        elif step == "quit" and before is Step.IDLE:
            talk.ask(Step.QUITTING)
        if talk.step is Step.ENDED:
            ended.add(talk.ending)
        for place, event in enumerate(events):
            if event is READY:
                assert talk.ready is awaited[0]
                assert place == len(events) - 1
                ready.add(talk.ready)
            elif event is IDLE:
                assert not awaited
                assert place == len(events) - 1
            elif isinstance(event, Done):
                assert event.transaction is awaited.pop(0), "two outcomes, one of a mail that was withdrawn, or out of order"
                assert sorted(i for v in event.recipients for i in v.indexes) == [0, 1]
                found = {v.outcome for v in event.recipients}
                assert event.transaction in ended or not found & {Outcome.DELIVERED, Outcome.IN_DOUBT}
            elif isinstance(event, Close):
                assert not awaited, "closed without an outcome"
                assert place == len(events) - 1
        if talk.step is Step.CLOSED:
            assert not awaited


_WORDS = st.sampled_from(
    [
        OK,
        OK,
        OK,
        OK + OK + GO,
        b"250 2.0.0 Ok: queued as 4X\r\n" + OK + OK + GO,
        GO,
        b"550 no\r\n",
        b"421 bye\r\n",
        b"rubbish\r\n",
        b"250-a\r\n",
    ]
)


@given(st.lists(st.one_of(_WORDS, _WORDS, st.sampled_from(["start", "finish"])), max_size=40), st.booleans())
def test_whatever_comes_in_one_packet_or_in_many(steps: list[bytes | str], pipelining: bool) -> None:
    """What is told is the same, whole, octet by octet, or with the next words in the same packet."""
    whole, split = Conversation(FULL, pipelining=pipelining), Conversation(FULL, pipelining=pipelining)
    message = b"x\r\n"
    for step in steps:
        if isinstance(step, bytes):
            unasked = whole.step is Step.READY or whole.step is Step.IDLE
            told = whole.receive(step)
            cut = [event for octet in step for event in split.receive(bytes([octet]))]
            if unasked or any(event is IDLE or event is READY for event in cut[:-1]):
                assert whole.step is split.step is Step.CLOSED  # for words that nobody asked for: in the words for that they may differ
                return
            assert cut == told
        elif step == "start" and (whole.step is Step.IDLE or whole.takes_another):
            mail = Handoff((b"", 1), "r", "", (JobRecipient(0, "a@b"),), message)
            assert whole.start(mail) == split.start(mail)
        elif step == "finish" and whole.step is Step.READY:
            assert whole.finish() == split.finish()
        assert whole.step is split.step
