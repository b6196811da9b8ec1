"""The conversation by BDAT (RFC 3030): what leaves in which write, which replies are owed, and what withdrawing costs."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.job import JobRecipient
from mailgate.verdict import Outcome, Phase
from sender.pool.handoff import Handoff
from sender.smtp import body
from sender.smtp.body import PIECE_OCTETS
from sender.smtp.capabilities import Capabilities
from sender.smtp.conversation import Conversation
from sender.smtp.events import FLOW, IDLE, READY, Close, Done, Send, Stumble
from sender.smtp.steps import Step, Waiting

FULL = Capabilities(pipelining=True, chunking=True, eight_bit_mime=True)
LONE = Capabilities(chunking=True, eight_bit_mime=True)
OK, NO = b"250 2.1.0 Ok\r\n", b"550 5.1.1 no\r\n"
RSET = Send(b"RSET\r\n")
LAST = b"BDAT 0 LAST\r\n"
DELIVERED, DEFERRED, BOUNCED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED, Outcome.IN_DOUBT
DOTS = b"Subject: x\r\n\r\n.\r\n..two\r\n"
LONG = (b".x" * 38 + b"\r\n") * (3 * PIECE_OCTETS // 78)
CHUNK = b"BDAT %d\r\n%b"


def test_a_mail_in_one_write(mail, outcomes):
    """MAIL, RCPT and the chunk with its dots as they are; READY on the chunk's 250; an empty LAST lets it go."""
    talk = Conversation(FULL)
    for _ in range(2):
        group = talk.start(mail(2, DOTS))
        assert group == (
            b"MAIL FROM:<s@example.com>\r\nRCPT TO:<r0@example.com>\r\nRCPT TO:<r1@example.com>\r\n" + CHUNK % (len(DOTS), DOTS)
        )
        assert talk.receive(OK + OK + NO) == []
        assert talk.waiting is Waiting.DATA
        assert talk.receive(OK) == [READY]
        assert talk.finish() == LAST
        assert talk.waiting is Waiting.BODY
        events = talk.receive(b"250 2.0.0 queued\r\n")
        assert outcomes(events) == {10: (DELIVERED, 250, ""), 11: (BOUNCED, 550, "unknown_user")}
        assert events[-1] is IDLE


def test_step_by_step(mail, outcomes):
    """CHUNKING without PIPELINING: a chunk and its octets are one command."""
    talk = Conversation(LONE)
    assert talk.start(mail(1, DOTS)) == b"MAIL FROM:<s@example.com>\r\n"
    assert talk.receive(OK) == [Send(b"RCPT TO:<r0@example.com>\r\n")]
    assert talk.receive(OK) == [Send(CHUNK % (len(DOTS), DOTS))]
    assert talk.receive(OK) == [READY]
    assert talk.finish() == LAST
    assert outcomes(talk.receive(OK)) == {10: (DELIVERED, 250, "")}


@pytest.mark.parametrize("offered", [FULL, LONE])
def test_withdrawn_while_ready(mail, offered):
    """RSET, and the connection takes the next mail."""
    talk = Conversation(offered)
    talk.start(sent := mail())
    for _ in range(3):
        talk.receive(OK)
    assert talk.ready is sent
    assert talk.withdraw(sent) == [RSET]
    assert talk.waiting is Waiting.COMMAND
    assert talk.receive(OK) == [IDLE]
    assert isinstance(talk.start(mail()), bytes)


def test_withdrawn_before_the_chunk_is_answered(mail):
    """The replies that are owed come first, then RSET."""
    talk = Conversation(FULL)
    talk.start(sent := mail())
    assert talk.withdraw(sent) == []
    assert talk.receive(OK + OK) == []
    assert talk.receive(OK) == [RSET]
    assert talk.receive(OK) == [IDLE]


@pytest.mark.parametrize("to_the_chunk", [OK, b"503 5.5.1 no recipients\r\n", b"554 5.5.1 no\r\n"])
def test_all_recipients_refused(mail, outcomes, to_the_chunk):
    """The chunk is owed its reply, whatever it is: nothing is told before; then RSET, since nobody knows what the server kept."""
    talk = Conversation(FULL)
    talk.start(mail(2))
    assert talk.receive(OK + NO + NO) == []
    events = talk.receive(to_the_chunk)
    assert outcomes(events) == {10: (BOUNCED, 550, "unknown_user"), 11: (BOUNCED, 550, "unknown_user")}
    assert events[-1] == RSET
    assert talk.receive(OK) == [IDLE]


def test_mail_refused(mail, outcomes):
    """In one write: 503 to all that follows, then RSET (RFC 3030 2). Step by step nothing was begun, and nothing is to be forgotten."""
    talk = Conversation(FULL)
    talk.start(mail())
    events = talk.receive(b"552 5.3.4 too large\r\n" + 2 * b"503 5.5.1 what?\r\n")
    assert outcomes(events) == {10: (BOUNCED, 552, "too_large")}
    assert events[-1] == RSET
    talk = Conversation(LONE)
    talk.start(mail())
    assert talk.receive(b"552 5.3.4 too large\r\n")[-1] is IDLE


def test_the_chunk_is_refused(mail, outcomes):
    """It is of those that were accepted; RSET."""
    talk = Conversation(FULL)
    talk.start(mail(2))
    events = talk.receive(OK + NO + OK + b"452 4.3.1 no space\r\n")
    assert {i: found[:2] for i, found in outcomes(events).items()} == {10: (BOUNCED, 550), 11: (DEFERRED, 452)}
    assert events[-1] == RSET


@pytest.mark.parametrize("code", [500, 501, 502, 503, 504])
@pytest.mark.parametrize("at", ["chunk", "last"])
def test_a_server_that_does_not_know_bdat(mail, outcomes, code, at):
    """It offered CHUNKING: the mail must not pay. What it took the octets for nobody knows, so the connection is torn down."""
    talk = Conversation(FULL)
    talk.start(mail())
    events = talk.receive(OK + OK)
    if at == "last":
        talk.receive(OK)
        talk.finish()
    events = talk.receive(b"%d what?\r\n" % code)
    assert outcomes(events) == {10: (DEFERRED, 0, "protocol")}
    close = events[-1]
    assert (close.stumbled, close.reset) == (Stumble.NO_BDAT, True)
    assert talk.receive(b"500 what?\r\n") == []


@pytest.mark.parametrize(("heard", "stumble"), [(b"", Stumble.CHUNK), (OK + OK, Stumble.CHUNK), (OK + OK + OK, Stumble.NO)])
def test_lost_over_a_chunk(mail, outcomes, heard, stumble):
    """Deferred, and it is said what it broke over; not when the server closes while the mail is READY."""
    talk = Conversation(FULL)
    talk.start(mail())
    talk.receive(heard)
    events = talk.lost("gone")
    assert outcomes(events) == {10: (DEFERRED, 0, "connect")}
    assert events[-1].stumbled is stumble


@pytest.mark.parametrize("rubbish", [b"354 go\r\n", OK + OK, b"hello\r\n"])
def test_out_of_step(mail, outcomes, rubbish):
    """354 to a chunk, a reply too many, or none at all."""
    talk = Conversation(FULL)
    talk.start(mail())
    talk.receive(OK + OK)
    events = talk.receive(rubbish)
    assert outcomes(events) == {10: (DEFERRED, 0, "protocol")}
    assert events[-1].stumbled is Stumble.CHUNK
    assert READY not in events


def test_421(mail, outcomes):
    """To the chunk, while READY and to LAST: deferred, and no stumble."""
    for before in (2, 3, 4):
        talk = Conversation(FULL)
        talk.start(mail())
        talk.receive(OK * min(before, 3))
        if before == 4:
            talk.finish()
        events = talk.receive(b"421 4.3.2 bye\r\n")
        assert {i: found[:2] for i, found in outcomes(events).items()} == {10: (DEFERRED, 421)}
        assert isinstance(events[-1], Close)
        assert events[-1].stumbled is Stumble.NO


def test_after_last_nobody_can_know(mail, outcomes):
    """Silence after the LAST is a doubt; before it was handed out the mail is unsent, also when the commit was held back."""
    talk = Conversation(FULL)
    talk.start(mail())
    talk.receive(OK + OK + OK)
    assert talk.finish(hold=True) == b""
    assert outcomes(talk.lost("gone")) == {10: (DEFERRED, 0, "connect")}
    talk = Conversation(FULL)
    talk.start(mail())
    talk.receive(OK + OK + OK)
    talk.finish()
    events = talk.lost("gone")
    assert outcomes(events) == {10: (IN_DOUBT, 0, "connect")}
    assert events[-1].reset


@pytest.mark.parametrize("said", [b"550 5.7.1 spam\r\n", b"450 later\r\n", OK])
def test_words_before_last_has_left(mail, outcomes, said):
    """Committed, and held back: all chunks have their replies, so this one is nobody's."""
    talk = Conversation(FULL)
    talk.start(mail())
    talk.receive(OK + OK + OK)
    talk.finish(hold=True)
    events = talk.receive(said)
    assert outcomes(events) == {10: (DEFERRED, 0, "protocol")}
    assert events[-1].reset


# ---- a mail that follows


def test_a_mail_follows(mail):
    """LAST and the next mail with its chunk in one write; it is READY on its own chunk, and only `finish` lets it go."""
    talk = Conversation(FULL)
    talk.start(first := mail())
    talk.receive(OK + OK + OK)
    assert talk.finish(hold=True) == b""
    second = mail(1, DOTS)
    write = talk.start(second)
    assert write == LAST + b"MAIL FROM:<s@example.com>\r\nRCPT TO:<r0@example.com>\r\n" + CHUNK % (len(DOTS), DOTS)
    assert LAST not in write[len(LAST) :]
    events = talk.receive(b"250 queued\r\n" + OK + OK)
    assert [event.transaction for event in events] == [first]
    assert talk.receive(OK) == [READY]
    assert talk.withdraw(second) == [RSET]
    assert talk.receive(OK) == [IDLE]


def test_what_follows_a_refusal_is_not_taken_for_a_part_of_it(mail):
    """503 to the MAIL of a mail that followed: the server has not left the one before. That is no verdict on the second."""
    talk = Conversation(FULL)
    talk.start(mail())
    talk.receive(OK + OK + OK)
    talk.finish(hold=True)
    talk.start(second := mail())
    events = talk.receive(b"554 5.7.1 spam\r\n503 5.5.1 nested MAIL\r\n")
    told = [event for event in events if isinstance(event, Done)]
    assert told[0].recipients[0].outcome is BOUNCED
    assert (told[1].transaction, told[1].recipients[0].outcome) == (second, DEFERRED)
    assert events[-1].stumbled is Stumble.FOLLOWING


# ---- long messages


def flowing(mail, offered=FULL):
    """A long mail whose recipient was accepted."""
    talk = Conversation(offered)
    begun = talk.start(sent := mail(message=LONG))
    if offered is LONE:
        talk.receive(OK)
    else:
        assert begun == b"MAIL FROM:<s@example.com>\r\nRCPT TO:<r0@example.com>\r\n"
        talk.receive(OK)
    assert talk.receive(OK) == [FLOW]
    assert talk.waiting is Waiting.BLOCK
    return talk, sent


def octets_of(chunks: list[bytes]) -> bytes:
    found = b""
    for chunk in chunks:
        head, _, octets = chunk.partition(b"\r\n")
        assert re.fullmatch(rb"BDAT \d+", head)
        assert int(head[5:]) == len(octets)
        found += octets
    return found


@pytest.mark.parametrize("offered", [FULL, LONE])
def test_a_long_message_leaves_before_it_is_ready(mail, outcomes, offered):
    """Chunk by chunk, and READY when all are answered: COMMIT then costs one short line. Another mail may follow it."""
    talk, _ = flowing(mail, offered)
    chunks = [chunk for chunk in iter(talk.more, b"")]
    assert len(chunks) > 2
    assert octets_of(chunks) == LONG
    for _ in chunks[1:]:
        assert talk.receive(OK) == []
    assert talk.receive(OK) == [READY]
    assert talk.finish() == LAST
    assert talk.takes_another == offered.pipelining
    assert outcomes(talk.receive(OK)) == {10: (DELIVERED, 250, "")}


def test_a_long_message_to_nobody_does_not_leave(mail, outcomes):
    """Refused recipients cost no octet, and no chunk's reply is owed."""
    talk = Conversation(FULL)
    talk.start(mail(message=LONG))
    events = talk.receive(OK + NO)
    assert outcomes(events) == {10: (BOUNCED, 550, "unknown_user")}
    assert events[-1] == RSET
    assert talk.more() == b""


def test_answers_that_overtake_the_chunks(mail):
    """READY only when all are out, however soon the server answers."""
    talk, _ = flowing(mail)
    while talk.more():
        events = talk.receive(OK)
    assert events == [READY]


def test_a_chunk_is_refused(mail, outcomes):
    """No further chunk leaves, those under way have their replies (503 among them), then RSET."""
    talk, _ = flowing(mail)
    talk.more()
    talk.more()
    assert talk.receive(b"552 5.3.4 too large\r\n") == []
    assert talk.more() == b""
    events = talk.receive(b"503 5.5.1 no\r\n")
    assert outcomes(events) == {10: (BOUNCED, 552, "too_large")}
    assert events[0].recipients[0].reply.phase is Phase.DATA
    assert events[-1] == RSET


def test_withdrawn_amid_the_chunks(mail):
    """The rest stays here; RSET when what is under way is answered."""
    talk, sent = flowing(mail)
    talk.more()
    assert talk.withdraw(sent) == []
    assert talk.more() == b""
    assert talk.receive(OK) == [RSET]
    talk, sent = flowing(mail)
    assert talk.withdraw(sent) == [RSET]


def test_lost_or_silent_amid_the_chunks(mail, outcomes):
    """Certainly unsent."""
    for end in ("lost", "silence"):
        talk, _ = flowing(mail)
        talk.more()
        events = talk.lost("gone") if end == "lost" else talk.timed_out(60)
        assert outcomes(events)[10][0] is DEFERRED
        assert events[-1].stumbled is Stumble.CHUNK


def test_a_reply_before_any_chunk(mail, outcomes):
    """Nobody asked."""
    talk, _ = flowing(mail)
    assert outcomes(talk.receive(OK)) == {10: (DEFERRED, 0, "protocol")}


# ---- bodies and histories

_MESSAGE = st.lists(st.sampled_from([b"a", b".", b"\r\n", b"\r", b"\n", b"\r\n.", b"\r\n.\r\n", b"long " * 5]), max_size=40).map(b"".join)


@given(_MESSAGE)
def test_the_same_message_by_bdat_and_by_data(message: bytes) -> None:
    """What a receiver makes of the one is what it makes of the other; no bare CR or LF, no missing end of a line, and dots as they are."""
    normal = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    normal += b"" if not normal or normal.endswith(b"\r\n") else b"\r\n"
    assert body.undotted(message) == normal
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body, "PIECE_OCTETS", 7)
        assert b"".join(body.blocks(message)) == normal


_SAID = st.sampled_from(
    [OK, OK, OK, OK, OK + OK + OK, NO, b"450 no\r\n", b"503 no\r\n", b"421 bye\r\n", b"354 go\r\n", b"rubbish\r\n", b"25"]
)
_DOES = st.sampled_from(["start", "finish", "hold", "more", "withdraw", "lost", "timed_out", "forgo"])


@given(st.lists(st.one_of(_SAID, _DOES), max_size=60), st.booleans(), st.booleans())
def test_whatever_servers_and_callers_do(steps: list[bytes | str], pipelining: bool, long: bool) -> None:  # noqa: C901, PLR0912 - one history, top to bottom
    """Each mail has one outcome or is withdrawn; LAST leaves once for each `finish` and only then; chunks are whole commands."""
    talk = Conversation(FULL, pipelining=pipelining)
    awaited: list[Handoff] = []
    written = b""
    finished = 0
    ended: set[object] = set()
    for step in steps:
        events = []
        if isinstance(step, bytes):
            events = talk.receive(step)
        elif step == "start" and (talk.step is Step.IDLE or talk.takes_another):
            mail = Handoff((b"", 1), "r", "", (JobRecipient(0, "a@b"), JobRecipient(1, "c@d")), b"x\r\n" * (200_000 if long else 1))
            awaited.append(mail)
            written += talk.start(mail)
        elif step in ("finish", "hold") and talk.step is Step.READY:
            assert talk.ready is awaited[0]
            finished += 1
            written += talk.finish(hold=step == "hold")
        elif step == "more":
            written += talk.more()
        elif step == "withdraw" and awaited:
            mail = awaited[-1]
            too_late = talk.ending is mail
            events = talk.withdraw(mail)
            if not too_late:
                awaited.remove(mail)
        elif step == "forgo":
            talk.allow(pipelining=pipelining, chunking=False)
        elif step == "lost":
            events = talk.lost("lost")
        elif step == "timed_out" and talk.waiting is not Waiting.NOTHING:
            events = talk.timed_out(1)
        if talk.step is Step.ENDED:
            ended.add(talk.ending)
        for place, event in enumerate(events):
            if isinstance(event, Send):
                written += event.data
            if event is READY or event is IDLE or isinstance(event, Close):
                assert place == len(events) - 1
                assert event is READY or not awaited
            elif isinstance(event, Done):
                assert event.transaction is awaited.pop(0)
                assert sorted(i for v in event.recipients for i in v.indexes) == [0, 1]
                assert event.transaction in ended or not {v.outcome for v in event.recipients} & {DELIVERED, IN_DOUBT}
        assert written.count(LAST) <= finished


@given(st.lists(st.sampled_from([OK, NO, b"450-a\r\n450 b\r\n", b"503 no\r\n", b"421 x\r\n"]), min_size=1, max_size=8), st.booleans())
def test_whatever_the_cut(replies: list[bytes], pipelining: bool) -> None:
    """Octet by octet and in one packet the same is told, until nothing is owed any more."""
    whole, split = Conversation(FULL, pipelining=pipelining), Conversation(FULL, pipelining=pipelining)
    mail = Handoff((b"", 1), "r", "", (JobRecipient(0, "a@b"), JobRecipient(1, "c@d")), DOTS)
    assert whole.start(mail) == split.start(mail)
    for reply in replies:
        if whole.step in (Step.IDLE, Step.READY, Step.CLOSED):
            return
        assert whole.receive(reply) == [event for octet in reply for event in split.receive(bytes([octet]))]
        assert whole.step is split.step
