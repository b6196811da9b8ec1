"""What a span tells of a transaction: when the server said what, and never what it said, or to whom."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mailgate.job import Fence, JobRecipient
from mailgate.telemetry import names
from mailgate.telemetry.traceparent import is_sampled
from sender.delivery.trace import Notes, Transactions
from sender.pool.handoff import Handoff
from sender.smtp.dialogue import Dialogue
from tests.unit.sender.delivery.conftest import tried

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-1] + "0"


class FakeTap:
    """A dialogue, and the ear that hears it."""

    def __init__(self) -> None:
        self.dialogue, self.connection, self.now = Dialogue(), object(), 0
        self.ear = None

    def wrote(self, data):
        self._tell(self.dialogue.wrote(data))

    def heard(self, data):
        self._tell(self.dialogue.heard(data))

    def _tell(self, lines):
        self.now += 1
        for said in lines:
            if self.ear is not None:
                self.ear.said(self, said, self.now)


class FakePool:
    """One connection, which takes each mail."""

    def __init__(self) -> None:
        self.tap, self.taps, self.free = FakeTap(), self, True
        self.withdrawn = []

    def start(self, handoff):
        self.tap.wrote(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n")
        return self.free

    def hear_mail(self, handoff, ear):
        self.tap.ear = ear
        return self.tap

    def unhear(self, connection, ear):
        assert connection is self.tap.connection
        assert ear is self.tap.ear
        self.tap.ear = None

    def withdraw(self, handoff):
        self.withdrawn.append(handoff)

    def trouble(self, key):
        return None


class FakeTracer:
    """Keeps the spans that it is told to make."""

    def __init__(self) -> None:
        self.spans = []
        self.wants = is_sampled

    def span(self, name, parent, start_ns, end_ns, attributes, **more):
        self.spans.append(SimpleNamespace(name=name, start=start_ns, end=end_ns, attributes=attributes, **more))


@pytest.fixture
def stage():
    pool, tracer = FakePool(), FakeTracer()
    return SimpleNamespace(pool=pool, tracer=tracer, tap=pool.tap, transactions=Transactions(pool, tracer, lambda: pool.tap.now))


def mail(traceparent=SAMPLED):
    recipients = (JobRecipient(0, "b@example.net"), JobRecipient(1, "c@example.net"))
    return Handoff(Fence(bytes(18), 1), "out", "a@example.com", recipients, b"x\r\n", traceparent=traceparent)


def test_a_span_has_an_event_for_each_phase(stage):
    """The times are those of the packets; of the replies the codes are told, and how many recipients were refused."""
    handoff = mail()
    assert stage.transactions.start(handoff)
    stage.tap.heard(b"250 ok\r\n")
    stage.tap.heard(b"250 ok\r\n550 who is c@example.net?\r\n")
    stage.tap.heard(b"354 go\r\n")
    stage.tap.wrote(b"x\r\n.\r\n")
    stage.tap.heard(b"250 thanks, a@example.com\r\n")
    stage.transactions.over(handoff, tried(handoff)._replace(remote_address="[::1]:25", tls="TLSv1.3"))
    (span,) = stage.tracer.spans
    assert (span.start, span.end) == (1, 6)
    assert span.events == [
        (names.EVENT_MAIL, 2, {names.SMTP_CODE: 250}),
        (names.EVENT_RCPT, 3, {names.REFUSED_COUNT: 1}),
        (names.EVENT_READY, 4, {names.SMTP_CODE: 354}),
        (names.EVENT_COMMIT, 5, {}),
        (names.EVENT_BODY_SENT, 5, {}),
        (names.EVENT_REPLY, 6, {names.SMTP_CODE: 250}),
    ]
    wanted = {names.PEER_ADDRESS: "::1", names.PEER_PORT: 25, names.SERVER_PORT: 25, names.TLS_VERSION: "1.3"}
    assert wanted.items() <= span.attributes.items()
    assert set(span.attributes) <= names.ATTRIBUTES
    assert "example.net" not in repr(span)
    assert not len(stage.transactions)
    assert stage.tap.ear is None


def test_chunks_are_sent_before_ready():
    """By BDAT the body is out when the last chunk is, and LAST is what lets it go."""
    tap, notes = FakeTap(), Notes(0, 1)
    tap.wrote(b"MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nBDAT 3\r\nx\r\n")
    notes.begin(tap)
    tap.ear = notes
    tap.heard(b"250 ok\r\n" * 3)
    tap.wrote(b"BDAT 0 LAST\r\n")
    tap.heard(b"250 ok\r\n")
    assert [(name, at) for name, at, _ in notes.events] == [
        (names.EVENT_MAIL, 2),
        (names.EVENT_RCPT, 2),
        (names.EVENT_READY, 2),
        (names.EVENT_COMMIT, 3),
        (names.EVENT_REPLY, 4),
    ]


def test_mails_on_one_connection_are_told_apart(stage):
    """One whose commands have followed the body of another hears nothing of the answer to that."""
    first, second = mail(UNSAMPLED), mail()
    stage.transactions.start(first)
    stage.tap.heard(b"250 ok\r\n" * 3 + b"354 go\r\n")
    stage.tap.wrote(b"x\r\n.\r\n")
    stage.transactions.start(second)
    stage.tap.heard(b"450 later\r\n")
    stage.transactions.over(first, tried(first))
    stage.tap.heard(b"250 ok\r\n")
    stage.transactions.over(second, tried(second))
    (span,) = stage.tracer.spans
    assert span.events == [(names.EVENT_MAIL, 6, {names.SMTP_CODE: 250})]


@pytest.mark.parametrize("traceparent", ["", UNSAMPLED])
def test_who_is_not_sampled_is_not_listened_to(stage, traceparent):
    """No ear, nothing kept, no span."""
    handoff = mail(traceparent)
    assert stage.transactions.start(handoff)
    assert stage.tap.ear is None
    stage.transactions.over(handoff, tried(handoff))
    assert not stage.tracer.spans


def test_what_is_given_up_is_forgotten(stage):
    """Withdrawn, or put on a second connection after the first was dead, or on none: nothing is kept and nobody listens."""
    handoff = mail()
    stage.transactions.start(handoff)
    stage.transactions.start(handoff)
    assert len(stage.transactions) == 1
    stage.transactions.withdraw(handoff)
    assert stage.pool.withdrawn == [handoff]
    assert not len(stage.transactions)
    assert stage.tap.ear is None
    stage.pool.free = False
    assert not stage.transactions.start(handoff)
    assert not len(stage.transactions)
