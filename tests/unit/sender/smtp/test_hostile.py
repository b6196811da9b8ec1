"""A fear: servers that answer anything, in packets cut anywhere. Seen from their side: what was said to which command, and what was let go.

The server here reads what was written as RFC 5321 and RFC 3030 say, and knows nothing of a conversation's steps.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailgate.job import Fence, JobRecipient
from mailgate.verdict import Outcome, Phase, RecipientVerdict
from sender.pool.handoff import Handoff
from sender.smtp import body
from sender.smtp.capabilities import Capabilities
from sender.smtp.conversation import Conversation
from sender.smtp.events import IDLE, READY, Close, Done, Dsn, Event, Send
from sender.smtp.steps import Step, Waiting

PARTS = [b"a", b".", b"\r\n", b"\n", b"\r\n.\r\n", b"\r\nRSET\r\n", b"\r\nBDAT 0 LAST\r\n", b"long " * 3]
USUAL = {"MAIL": 250, "RCPT": 250, "DATA": 354, "BDAT": 250, "LAST": 250, ".": 250, "RSET": 250, "QUIT": 221, "NOOP": 250}
CODES = [250, 251, 354, 421, 450, 452, 500, 502, 503, 504, 550, 552, 554]
PHASES = {"MAIL": Phase.MAIL, "RCPT": Phase.RCPT, "DATA": Phase.DATA, "BDAT": Phase.DATA, "LAST": Phase.BODY, ".": Phase.BODY}
OK, CLOSING = 2, 421
RSET = Send(b"RSET\r\n")
REPORT = Dsn(" RET=HDRS", " NOTIFY=FAILURE")


@dataclass
class Taken:
    """A transaction as the server sees it."""

    name: str
    mail: bool = False
    rcpts: dict[int, int] = field(default_factory=dict)
    """The codes, by recipient."""
    chunks: list[int] = field(default_factory=list)
    octets: bytes = b""


class Server:
    """Reads commands, and says what it is told to."""

    def __init__(self, honest: bool, dsn: bool) -> None:
        self.honest = honest
        """Every command gets one reply; else it may be misled by what it was misled to be sent."""
        self.dsn = dsn
        """It offers to report."""
        self.unread = b""
        self.now: Taken | None = None
        self.in_data = False
        self.said: dict[int, tuple[str, str, int, int]] = {}
        """By the number in the text of a reply: verb, transaction, recipient and code."""
        self.ends: list[Taken] = []
        """Transactions whose end was read, before it was answered."""

    def command(self) -> tuple[str, bytes] | None:
        """The next whole one, and its octets if it has any; None: there is none."""
        if self.in_data:
            if (found := re.search(rb"(?:\A|\r\n)\.\r\n", self.unread)) is None:
                return None
            text, self.unread = self.unread[: found.start()] + b"\r\n" * (found[0][:1] == b"\r"), self.unread[found.end() :]
            return ".", re.sub(rb"(\A|\r\n)\.", rb"\1", text)
        line, end, rest = self.unread.partition(b"\r\n")
        if not end:
            return None
        octets = b""
        if line.startswith(b"BDAT "):
            size = int(line.split()[1])
            if len(rest) < size:
                return None
            octets, rest = rest[:size], rest[size:]
        self.unread = rest
        return line.decode(), octets

    def answer(self, line: str, octets: bytes, wish: int | None) -> bytes:
        """Obeys, and says so."""
        verb = "LAST" if line.endswith("LAST") else line[:4].strip()
        code = USUAL.get(verb, 500) if wish is None else wish
        place = self._obey(verb, line, octets, code)
        name = self.now.name if self.now is not None else ""
        number = len(self.said) + 1
        self.said[number] = (verb, name, place, code)
        if verb in ("LAST", ".", "RSET"):
            self.now = None
        self.in_data = verb == "DATA" and code == USUAL["DATA"]
        return b"%d number %d\r\n" % (code, number)

    def _obey(self, verb: str, line: str, octets: bytes, code: int) -> int:
        """The recipient that it was about; 0 where it was about all."""
        if verb == "MAIL":
            assert not self.honest or self.now is None or not (self.now.mail or self.now.chunks), "a MAIL within a mail"
            self.now = Taken(re.findall(r"<(\w+)@", line)[0], code // 100 == OK)
            assert self.dsn or ("ENVID" not in line and "RET" not in line)
            return 0
        assert not self.honest or verb in ("RSET", "QUIT", "NOOP") or self.now is not None, f"{verb} without MAIL"
        if verb == "RCPT" and self.now is not None:
            name, place = re.findall(r"<(\w+)\.(\d+)@", line)[0]
            assert not self.honest or name == self.now.name
            assert re.fullmatch(rf"RCPT TO:<{name}.{place}@example.net>( NOTIFY=FAILURE ORCPT=rfc822;{name}.{place}@example.net)?", line)
            assert self.dsn or "NOTIFY" not in line
            self.now.rcpts[int(place)] = code
            return int(place)
        if verb in ("BDAT", "LAST", ".") and self.now is not None:
            self.now.octets += octets
            if verb == "BDAT":
                self.now.chunks.append(code)
            else:
                self.ends.append(self.now)
        return 0


class World:
    """Both sides, what lies between them, and who was committed."""

    def __init__(self, offered: Capabilities, *, honest: bool = True) -> None:
        self.talk = Conversation(offered)
        self.talk.allow(pipelining=True, chunking=True, dsn=REPORT)
        self.server = Server(honest, offered.dsn)
        self.coming: deque[int] = deque()
        """Octets to us."""
        self.mails: dict[str, Handoff] = {}
        self.committed: set[str] = set()
        self.withdrawn: set[str] = set()
        self.gone: set[str] = set()
        """Their end was written."""
        self.told: dict[str, Done] = {}
        self.closed = False

    def name(self, transaction: object) -> str:
        return next(name for name, mail in self.mails.items() if mail is transaction)

    def start(self, message: bytes, recipients: int) -> None:
        name = f"m{len(self.mails)}"
        to = tuple(JobRecipient(place, f"{name}.{place}@example.net") for place in range(recipients))
        self.mails[name] = mail = Handoff(Fence(b"", 1), "r", f"{name}@example.com", to, message)
        self.write(self.talk.start(mail))

    def write(self, octets: bytes | Done) -> None:
        assert isinstance(octets, bytes)
        assert not (self.closed and octets), "written to a closed connection"
        self.server.unread += octets
        if self.talk.step is Step.ENDED and self.talk.ending is not None:
            self.gone.add(self.name(self.talk.ending))

    def take(self, events: list[Event]) -> None:
        for event in events:
            if event is READY or event is IDLE or event == RSET:
                assert not self.server.honest or not (self.coming or self.server.unread), "a reply is owed"
            if isinstance(event, Send):
                self.write(event.data)
            elif isinstance(event, Done):
                self.judge(event)
            elif isinstance(event, Close):
                self.closed = True
        last = [event is READY or event is IDLE or isinstance(event, Close) for event in events]
        assert not any(last[:-1])

    def judge(self, done: Done) -> None:
        """Each reply that carries a code is the server's, to this command of this mail; nothing else makes a verdict."""
        name = self.name(done.transaction)
        assert name not in self.told
        assert name not in self.withdrawn
        self.told[name] = done
        assert sorted(place for verdict in done.recipients for place in verdict.indexes) == list(range(len(self.mails[name].recipients)))
        for verdict in done.recipients:
            if verdict.outcome in (Outcome.DELIVERED, Outcome.IN_DOUBT):
                assert name in self.committed
                assert name in self.gone
            if not verdict.reply.code:
                assert verdict.outcome in (Outcome.DEFERRED, Outcome.IN_DOUBT)
            elif self.server.honest:
                self.compare(name, verdict)

    def compare(self, name: str, verdict: RecipientVerdict) -> None:
        """A verdict with the reply that the server gave."""
        verb, whose, place, code = self.server.said[int(verdict.reply.text.rpartition(" ")[2])]
        assert code == verdict.reply.code
        if code != CLOSING:  # which is about the connection
            assert (whose, PHASES[verb]) == (name, verdict.reply.phase)
            assert verb != "RCPT" or verdict.indexes == (place,)
            assert (verdict.outcome is Outcome.DELIVERED) == (verb in ("LAST", ".") and code // 100 == OK)

    def ends(self) -> None:
        """What was let go: only what was committed, accepted and whole; else a lone dot where nobody was accepted."""
        for end in self.server.ends:
            accepted = [place for place, code in end.rcpts.items() if code // 100 == OK]
            if not self.server.honest:
                assert end.name in self.committed or not (end.octets or end.chunks)
            elif end.octets or end.chunks or accepted:
                assert end.name in self.committed
                assert end.mail
                assert accepted
                assert all(code // 100 == OK for code in end.chunks)
                assert end.octets == body.undotted(self.mails[end.name].message)
        ended = [end.name for end in self.server.ends]
        assert len(ended) == len(set(ended))


ACTS = {"all": 6, "serve": 3, "hear": 3, "start": 5, "finish": 3, "hold": 3, "more": 4, "withdraw": 2, "allow": 1, "probe": 1, "noise": 0}
"""What may happen, and how often."""
NOISE = [
    b"250 ok\r\n",
    b"250-\r\n",
    b"354 go\r\n",
    b"550 no\r\n",
    b"421 bye\r\n",
    b"500 what?\r\n",
    b"250",
    b"\r\n",
    b"\n",
    b"2",
    b"-",
    b"\xff",
]


def act(world: World, chance: Random, what: str, faults: float) -> None:  # noqa: C901 - a list of what may happen
    """One thing happens, if it can."""
    talk = world.talk
    if what in ("serve", "all"):
        while (command := world.server.command()) is not None:
            world.coming += world.server.answer(*command, chance.choice(CODES) if chance.random() < faults else None)
            if what == "serve":
                break
    if what in ("hear", "all") and world.coming:
        size = len(world.coming) if what == "all" else chance.randint(1, len(world.coming))
        world.take(talk.receive(bytes(world.coming.popleft() for _ in range(size))))
    elif what == "start" and (talk.step is Step.IDLE or talk.takes_another):
        world.start(b"".join(chance.choices(PARTS, k=chance.randint(0, 8))), chance.randint(1, 3))
    elif what in ("finish", "hold") and talk.ready is not None:
        world.committed.add(world.name(talk.ready))
        world.write(talk.finish(hold=what == "hold"))
    elif what == "more":
        world.write(talk.more())
    elif what == "withdraw" and world.mails:
        name = chance.choice(list(world.mails)[-2:])
        if name not in world.told and name not in world.committed:
            world.withdrawn.add(name)
            world.take(talk.withdraw(world.mails[name]))
    elif what == "allow":
        talk.allow(pipelining=chance.random() < 0.8, chunking=chance.random() < 0.5, dsn=chance.choice([None, REPORT]))
    elif what == "probe" and talk.step is Step.IDLE:
        world.write(talk.ask(Step.PROBING))
    elif what == "noise":
        world.coming += chance.choice(NOISE)


def history(seed: int, world: World, faults: float, noise: int) -> None:
    """Up to 150 things happen, and then silence."""
    chance = Random(seed)
    weights = [*list(ACTS.values())[:-1], noise]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body, "PIECE_OCTETS", 12)
        for what in chance.choices(list(ACTS), weights, k=150):
            act(world, chance, what, faults)
            world.ends()
            if world.closed:
                break
        if not world.closed:
            world.take(world.talk.timed_out(1) if world.talk.waiting is not Waiting.NOTHING else world.talk.lost("the end of the test"))
    assert set(world.mails) == set(world.told) | world.withdrawn


MANY = settings(max_examples=400)


@MANY
@given(st.integers(0, 2**40), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0.0, 0.05, 0.3]))
def test_no_reply_meets_the_wrong_command(seed: int, pipelining: bool, chunking: bool, dsn: bool, faults: float) -> None:
    """Any code to any command, one each, in packets cut anywhere: verdicts are the server's own, and only what was committed is let go."""
    history(seed, World(Capabilities(pipelining=pipelining, chunking=chunking, eight_bit_mime=True, dsn=dsn)), faults, 0)


@MANY
@given(st.integers(0, 2**40), st.booleans(), st.booleans(), st.booleans(), st.integers(1, 5))
def test_whatever_comes(seed: int, pipelining: bool, chunking: bool, dsn: bool, noise: int) -> None:
    """Replies too many, or none such, at any time: nothing is raised, and no mail is let go that was not committed."""
    history(seed, World(Capabilities(pipelining=pipelining, chunking=chunking, eight_bit_mime=True, dsn=dsn), honest=False), 0.05, noise)


@MANY
@given(st.integers(0, 2**40), st.booleans(), st.booleans(), st.booleans())
def test_a_good_server_gets_all_that_is_committed(seed: int, pipelining: bool, chunking: bool, dsn: bool) -> None:
    """However its replies are cut: what was committed is delivered, unless silence came first, and no connection is lost with BDAT."""
    world = World(Capabilities(pipelining=pipelining, chunking=chunking, eight_bit_mime=True, dsn=dsn))
    history(seed, world, 0.0, 0)
    outcomes = {name: world.told[name].recipients[0].outcome for name in world.committed}
    assert list(outcomes.values()).count(Outcome.DELIVERED) >= len(outcomes) - 1
