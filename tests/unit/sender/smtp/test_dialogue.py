"""What is shown of a conversation: every command and reply in order, and no octet of a mail, whoever watches from whichever moment on."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.smtp import body
from sender.smtp.capabilities import Capabilities
from sender.smtp.conversation import Conversation
from sender.smtp.dialogue import KEPT, LINES, SHOWN, Dialogue, Owed, from_now_on
from tests.unit.sender.smtp.test_hostile import ACTS, World, act

FULL = Capabilities(pipelining=True, chunking=True, eight_bit_mime=True)
MARKER = b"kaleidoscope"


def texts(said):
    return [each.text for each in said if each.text]


def test_a_mail_by_data():
    """Commands, replies, and a body that is counted as it went over the wire: its dots doubled, and without the final one."""
    dialogue = Dialogue()
    assert texts(dialogue.wrote(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")) == [
        "MAIL FROM:<a@example.com>",
        "RCPT TO:<b@example.net>",
        "DATA",
    ]
    said = dialogue.heard(b"250 ok\r\n250-more\r\n250 ok\r\n354 go\r\n")
    assert [(each.text, each.name, each.code) for each in said] == [
        ("250 ok", "MAIL", 250),
        ("250-more", "RCPT", 0),
        ("250 ok", "RCPT", 250),
        ("354 go", "DATA", 354),
    ]
    assert texts(dialogue.wrote(b"Subject: x\r\n\r\n..\r\n" + MARKER + b"\r\n.\r\nMAIL FROM:<>\r\n")) == ["<… 32 octets>", "MAIL FROM:<>"]
    assert [(each.name, each.mail) for each in dialogue.heard(b"250 taken\r\n250 ok\r\n")] == [("BODY", 1), ("MAIL", 2)]


def test_a_mail_by_chunks():
    """Of a chunk its octets are counted, also where they look like commands."""
    dialogue = Dialogue()
    said = dialogue.wrote(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nBDAT 12\r\nQUIT\r\nQUIT\r\n")
    assert texts(said) == ["MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "BDAT 12", "<… 12 octets>"]
    assert texts(dialogue.wrote(b"BDAT 0 LAST\r\n")) == ["BDAT 0 LAST"]
    assert [each.name for each in dialogue.heard(b"250 1\r\n" * 4)] == ["MAIL", "RCPT", "BDAT", "LAST"]


@pytest.mark.parametrize("line", [b"AUTH PLAIN AGFAYgBz", b"c2VjcmV0", b"Subject: x", b"MAIL ME", b"RCPT", b"BDAT x", b"DATA now"])
def test_what_is_no_command_of_ours_is_not_shown(line: bytes):
    """Should it ever lose its place, nothing of a mail or of a secret is shown for it."""
    (said,) = Dialogue().wrote(line + b"\r\n")
    shown = said.text.encode()
    assert shown == (line if line in (b"RCPT",) else b"<\xe2\x80\xa6 %d octets>" % len(line))


def test_a_body_in_pieces_is_one_line():
    """However it is cut, also within its end."""
    whole = b"a\r\n" * 20 + b".\r\n"
    for cut in range(len(whole)):
        dialogue = Dialogue(mails=1, begun=True)
        assert texts(dialogue.wrote(whole[:cut]) + dialogue.wrote(whole[cut:])) == ["<… 60 octets>"], cut


def test_an_empty_body_is_a_lone_dot():
    """As after 354 where nobody was accepted."""
    dialogue = Dialogue([Owed("DATA", 1)], 1)
    dialogue.heard(b"354 go\r\n")
    assert texts(dialogue.wrote(b".\r\n")) == ["<… 0 octets>"]


def test_a_server_that_says_too_much_is_cut():
    """Long lines, lines without an end, and thousands of lines at once: what is kept and shown is bounded."""
    dialogue = Dialogue()
    (said,) = dialogue.heard(b"250 " + b"x" * 100_000 + b"\r\n")
    assert len(said.text) < SHOWN + 40
    assert said.text.endswith("<… 99,492 octets>")
    assert len(dialogue.heard(b"220 x\r\n" * 5000)) == LINES + 1
    for _ in range(100):
        assert not dialogue.heard(b"y" * KEPT)
    (said,) = dialogue.heard(b"\n")
    assert len(said.text) < SHOWN + 40


class Listened(Conversation):
    """A conversation of which a dialogue hears what comes."""

    __slots__ = ("dialogues",)

    def receive(self, data):
        for dialogue, said in self.dialogues:
            said.extend(dialogue.heard(data))
        return super().receive(data)


class Watched(World):
    """Both sides of a conversation, who watches it, and what the server read by its own lights."""

    def __init__(self, *, honest: bool) -> None:
        super().__init__(FULL, honest=honest)
        self.talk = Listened(FULL)
        self.talk.dialogues = [(Dialogue(), [])]
        self.read: list[str] = []
        command = self.server.command

        def reading():
            if (found := command()) is not None:
                line, octets = found
                if line != ".":
                    self.read.append(line)
                if octets or line == ".":
                    self.read.append("")
            return found

        self.server.command = reading

    def write(self, octets):
        for dialogue, said in self.talk.dialogues:
            said.extend(dialogue.wrote(octets))
        super().write(octets)


@given(st.integers(0, 2**40), st.booleans(), st.integers(0, 3))
def test_it_shows_what_the_server_reads(seed: int, honest: bool, noise: int):
    """Any history, also with servers that answer too much: our lines are those the server reads, and of octets only the number."""
    world = Watched(honest=honest)
    chance = Random(seed)
    weights = [*list(ACTS.values())[:-1], 0 if honest else noise]
    joined = chance.randrange(60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body, "PIECE_OCTETS", 12)
        for number, what in enumerate(chance.choices(list(ACTS), weights, k=100)):
            if number == joined:
                before = len(world.talk.dialogues[0][1])
                world.talk.dialogues.append((from_now_on(world.talk), []))
            act(world, chance, what, 0.1)
            if world.closed:
                break
    said = world.talk.dialogues[0][1]
    ours = ["" if each.text.startswith("<") else each.text for each in said if each.ours and each.text]
    read = world.read[: len(ours)]
    if world.server.honest:
        assert ours[: len(read)] == read
    if len(world.talk.dialogues) > 1:
        late = world.talk.dialogues[1][1]
        early = said[before:]
        if honest:
            assert [strip(each) for each in late if each.text] == [strip(each) for each in early if each.text]


def strip(said):
    """What must be the same whenever one began to watch: not the number of a mail, nor the octets before."""
    return said.ours, re.sub(r"[\d,]+ octets", "", said.text), said.name, said.code
