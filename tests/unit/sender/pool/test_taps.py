"""Who listens to connections hears every line and no octet of a mail, whenever he begins, and a connection is none the worse for it."""

from __future__ import annotations

import asyncio

import pytest

from mailgate.route import TlsMode
from mailgate.verdict import Outcome
from tests.unit.sender.pool.conftest import EHLO

CLOSE = b"\1"
MARKER = b"kaleidoscope"
SECRET = "correct-horse-battery"
CHUNKS = b"250-peer.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
STEPS = b"250-peer.example\r\n250 8BITMIME\r\n"
LINE = [
    "> MAIL FROM:<s@example.com> SIZE=33",
    "> RCPT TO:<r0@example.com>",
    "> DATA",
    "< 250 2.0.0 Ok",
    "< 250 2.0.0 Ok",
    "< 354 go",
    "> <… 33 octets>",
    "< 250 2.0.0 Ok",
]


class Ear:
    """Writes down what it hears, by connection."""

    def __init__(self) -> None:
        self.lines: dict[int, list[str]] = {}
        self.notes: list[str] = []
        self.wanted = True

    def wants(self, path):
        return self.wanted and path.key == "r"

    def said(self, tap, said, now_ns):
        assert now_ns > 1e18
        if said.text:
            self.lines.setdefault(tap.number, []).append(f"{'>' if said.ours else '<'} {said.text}")

    def closed(self, tap, why, now_ns):
        self.lines.setdefault(tap.number, []).append(f"- {why}")

    def noted(self, path, remote, text, now_ns):
        self.notes.append(text)

    @property
    def everything(self):
        return "\n".join([*self.notes, *(line for lines in self.lines.values() for line in lines)])


def marked(handoff, number=0):
    return handoff(b"Subject: %02d\r\n\r\n" % number + MARKER + b"....\r\n")


async def test_a_path_is_watched(peer, running, route, handoff, until):
    """A dialogue both ways in its order, a number for each connection; nothing of it once nobody watches; then the next connection."""
    async with peer() as server, running(route(server.relay)) as listener:
        await until(lambda: listener.pool.warm("r") == 2)
        listener.pool.taps.watch(ear := Ear())
        listener.send(*(marked(handoff) for _ in range(2)))
        await until(lambda: len(listener.outcomes) == 2)
        assert list(ear.lines.values()) == [LINE, LINE]
        listener.pool.taps.watch(None)
        assert not len(listener.pool.taps)
        listener.send(marked(handoff))
        await until(lambda: len(listener.outcomes) == 3)
        assert list(ear.lines.values()) == [LINE, LINE]


async def test_a_dial_is_told(peer, running, route, handoff, until):
    """That it began, and what it came to: address, security, what is offered; then the connection is watched from its first octet on."""
    async with peer(EHLO=EHLO.replace(b"250 ", b"250-DSN\r\n250 ")) as server, running() as listener:
        listener.pool.taps.watch(ear := Ear())
        listener.use(route(server.relay, connections=1))
        listener.queue.append(marked(handoff))
        await until(lambda: listener.outcomes)
    assert ear.notes == ["dialling", "connected to 127.0.0.1 in clear; it offers PIPELINING, 8BITMIME, SMTPUTF8, DSN, SIZE 100000000"]
    assert ear.lines[1][: len(LINE)] == LINE
    assert ear.lines[1][len(LINE) :] in (["> QUIT", "< 221 bye", "- good-bye"], ["- the node stops"])


async def test_a_login_is_not(peer, running, route, until, server_context, certificate, monkeypatch):
    """Neither the password nor what the server says to it, though it repeats it; but that it was refused, and that it was taken."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    offers = b"250-peer.example\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"
    async with peer(EHLO=offers, AUTH=b"535 5.7.8 not %b\r\n" % SECRET.encode()) as server, running(secrets={"s": SECRET}) as listener:
        server.context = server_context
        listener.pool.taps.watch(ear := Ear())
        listener.use(route(server.relay, connections=1, tls=TlsMode.REQUIRED, username="ann", secret="s"))
        await until(lambda: len(ear.notes) == 2)
    assert ear.notes == ["dialling", "the dial failed: the login was refused, 535 5.7.8"]
    async with peer(EHLO=offers, AUTH=b"235 2.7.0 welcome\r\n") as server, running(secrets={"s": SECRET}) as listener:
        server.context = server_context
        listener.pool.taps.watch(ear := Ear())
        listener.use(route(server.relay, connections=1, tls=TlsMode.REQUIRED, username="ann", secret="s"))
        await until(lambda: listener.pool.warm("r"))
        assert ear.notes[1] == "connected to 127.0.0.1 by TLSv1.3, logged in; it offers nothing"


@pytest.mark.parametrize("ehlo", [None, CHUNKS, STEPS], ids=["data", "chunks", "steps"])
async def test_watching_begins_and_ends_at_any_moment(peer, running, route, handoff, until, ehlo):
    """Amid a load, again and again: each mail arrives as it was, and no octet of one is shown."""
    async with peer(**({} if ehlo is None else {"EHLO": ehlo})) as server, running(route(server.relay, connections=3)) as listener:
        await until(lambda: listener.pool.warm("r") == 3)
        ears = []
        mails = [marked(handoff, number) for number in range(300)]
        listener.send(*mails)
        while len(listener.outcomes) < len(mails):
            listener.pool.taps.watch(ear := Ear())
            ears.append(ear)
            await asyncio.sleep(0.003)
            if len(ears) % 3:
                listener.pool.taps.watch(None)
                await asyncio.sleep(0.001)
        assert sorted(server.mails) == sorted(mail.message for mail in mails)
        assert len(server.sessions) == 3
    heard = "".join(ear.everything for ear in ears)
    assert MARKER.decode() not in heard
    assert heard.count("> MAIL FROM:<s@example.com>") > 10
    assert "Subject" not in heard


async def test_a_long_mail_is_one_line(peer, running, route, handoff, until):
    """Though it leaves in pieces, as the server reads."""
    message = b"Subject: x\r\n\r\n" + (MARKER + b"\r\n") * 100_000
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r"))
        listener.pool.taps.watch(ear := Ear())
        server.read_pause = 0.1
        listener.send(mail := handoff(message))
        await until(lambda: mail in listener.outcomes)
        assert server.mails == [message]
    assert f"> <… {len(message):,} octets>" in ear.lines[1]


async def test_under_tls(peer, running, route, handoff, until, server_context, certificate, monkeypatch):
    """What is heard is what was said, not what was on the wire."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = peer()
    server.context, server.implicit = server_context, True
    async with server, running(route(server.relay, connections=1, tls=TlsMode.IMPLICIT)) as listener:
        await until(lambda: listener.pool.warm("r"))
        listener.pool.taps.watch(ear := Ear())
        listener.send(marked(handoff))
        await until(lambda: listener.outcomes)
        assert ear.lines[1] == LINE
        listener.pool.taps.watch(None)
        listener.send(mail := marked(handoff))
        await until(lambda: mail in listener.outcomes)
        assert len(server.sessions) == 1


async def test_a_server_that_goes(peer, running, route, handoff, until):
    """The last line says why the connection is of no more use, and nothing is kept of it."""
    async with peer(MAIL=CLOSE) as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r"))
        listener.pool.taps.watch(ear := Ear())
        listener.send(mail := marked(handoff))
        await until(lambda: mail in listener.outcomes)
        assert ear.lines[1][-1] == "- the server closed the connection"
        await until(lambda: len(server.sessions) == 2)
        await until(lambda: len(listener.pool.taps) == 1)


async def test_one_mail_is_listened_to(peer, running, route, handoff, until):
    """From just after its commands have left; others on the connection are not concerned when that ends."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r"))
        mail, ear, other = marked(handoff), Ear(), Ear()
        assert listener.pool.taps.hear_mail(mail, ear) is None
        assert listener.start(mail)
        tap = listener.pool.taps.hear_mail(mail, ear)
        assert tap.dialogue.mails == 1
        listener.pool.taps.watch(other)
        await until(lambda: mail in listener.outcomes)
        assert ear.lines[1] == LINE[3:]
        listener.pool.taps.unhear(tap.connection, ear)
        listener.send(mail := marked(handoff))
        await until(lambda: mail in listener.outcomes)
        assert ear.lines[1] == LINE[3:]
        assert other.lines[1] == LINE[3:] + LINE


async def test_a_mail_that_the_server_can_not_take_is_not_listened_to(peer, running, route, handoff, until):
    """It never gets to a connection's dialogue."""
    async with peer(EHLO=STEPS) as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r"))
        mail = handoff(smtputf8=True)
        assert listener.start(mail)
        assert listener.pool.taps.hear_mail(mail, Ear()) is None
        await until(lambda: mail in listener.outcomes)
        assert listener.outcomes[mail].recipients[0].outcome is Outcome.BOUNCED
