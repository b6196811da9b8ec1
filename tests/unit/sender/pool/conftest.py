"""A mail server of the test's own making, a listener that remembers, and both event loops."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop

from mailgate.job import Fence, JobRecipient
from mailgate.route import Relay, Route, TlsMode
from mailgate.verdict import Reply, Tried
from sender.delivery.paths import Paths
from sender.pool.handoff import Handoff
from sender.pool.pool import Pool

CLOSE = b"\1"
"""As an answer: the connection is closed without one."""
SILENCE = b"\0"
"""As an answer: none, ever."""
EHLO = b"250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n250 SMTPUTF8\r\n"

GOOD = {"": b"220 peer ESMTP\r\n", "EHLO": EHLO, "QUIT": b"221 bye\r\n", "DATA": b"354 go\r\n", "STAR": b"220 go\r\n"}


def pytest_asyncio_loop_factories(config, item):
    """Every test of the pool runs on both event loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass(eq=False)
class Session:
    """One connection, as the server saw it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    commands: list[bytes] = field(default_factory=list)
    ended: str = ""
    """`quit`, `eof`, `eof in data`, `reset`, or empty: still there, or closed by the server."""


class Peer:
    """A server that does as `answers` says: by command (`MAIL`, `.` for the final dot, `` for the greeting), bytes or a list used up."""

    def __init__(self, **answers: bytes | list[bytes]) -> None:
        self.answers = {name.replace("GREETING", "").replace("DOT", "."): answer for name, answer in answers.items()}
        self.port = 0
        self.sessions: list[Session] = []
        self.mails: list[bytes] = []
        self.taken: dict[Session, bytes] = {}
        """By BDAT, and not yet a mail."""
        self.context: ssl.SSLContext | None = None
        self.implicit = False
        self.read_pause = 0.0
        self.body_limit = 0
        """Octets of a body after which the connection is closed."""

    async def __aenter__(self) -> Peer:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1 << 20, ssl=self.context if self.implicit else None
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.relay = Relay("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for session in self.sessions:
            session.writer.close()
        for session in self.sessions:
            with suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(session.writer.wait_closed(), 1)
        await asyncio.sleep(0)

    @property
    def open(self) -> list[Session]:
        """Sessions that neither side has ended."""
        return [session for session in self.sessions if not session.ended and not session.writer.is_closing()]

    def answer(self, name: str) -> bytes:
        found = self.answers.get(name) or GOOD.get(name, b"250 2.0.0 Ok\r\n")
        return found if isinstance(found, bytes) else found.pop(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(reader, writer)
        self.sessions.append(session)
        try:
            if await self._say(session, ""):
                while (line := await reader.readline()) and await self._obey(session, line):
                    pass
                session.ended = session.ended or ("eof" if not line else "")
        except (ConnectionResetError, BrokenPipeError):
            session.ended = "reset"
        except asyncio.IncompleteReadError:
            session.ended = "eof in data"
        except (OSError, asyncio.CancelledError):
            session.ended = session.ended or "broken"
        finally:
            writer.close()

    async def _obey(self, session: Session, line: bytes) -> bool:
        session.commands.append(line.rstrip(b"\r\n"))
        name = line[:4].upper().strip().decode()
        if name != "BDAT" and not await self._say(session, name):
            return False
        if name == "STAR" and self.context:
            before = session.writer.transport
            try:
                await session.writer.start_tls(self.context)
            except AttributeError:  # the client left at the end of the handshake: asyncio of 3.11 takes None for a transport
                session.writer._transport = before
                return False
        if name == "RSET":
            self.taken.pop(session, None)
        if name == "QUIT":
            session.ended = "quit"
            return False
        if name == "BDAT":
            return await self._chunk(session, line)
        if name == "DATA" and self.last.startswith(b"354"):
            self.mails.append(await self._body(session))
            return await self._say(session, ".")
        return True

    async def _chunk(self, session: Session, line: bytes) -> bool:
        """BDAT and its octets; `LAST` is another command to `answers`."""
        last = line.endswith(b"LAST\r\n")
        self.taken[session] = self.taken.get(session, b"") + await session.reader.readexactly(int(line.split()[1]))
        if not await self._say(session, "LAST" if last else "BDAT"):
            return False
        if last:
            self.mails.append(self.taken.pop(session))
        return True

    async def _body(self, session: Session) -> bytes:
        if self.body_limit:
            await session.reader.readexactly(self.body_limit)
            raise OSError("enough")
        if self.read_pause:
            await asyncio.sleep(self.read_pause)
        lines = []
        while (line := await session.reader.readuntil(b"\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    async def _say(self, session: Session, name: str) -> bool:
        self.last = answer = self.answer(name)
        if answer == SILENCE:
            await session.reader.read()
            session.ended = "eof"
        if answer in (CLOSE, SILENCE):
            return False
        session.writer.write(answer)
        await session.writer.drain()
        return True


class Recorder:
    """A listener that commits at once, unless told otherwise, and remembers."""

    def __init__(self) -> None:
        self.pool: Pool
        self.paths: Paths
        self.commits = True
        self.calls: list[tuple[str, object]] = []
        self.outcomes: dict[Handoff, Tried] = {}
        self.queue: list[Handoff] = []
        self.inside = False
        self.committed: dict[Handoff, bool] = {}

    def use(self, *routes: Route) -> None:
        """Have the pool serve these, and no others."""
        self.paths.configure({route.name: route for route in routes})

    def ready(self, handoff: Handoff) -> None:
        assert not self.inside, "a callback from within a call"
        self.calls.append(("ready", handoff))
        if self.commits:
            self.committed[handoff] = self.pool.commit(handoff)

    def done(self, handoff: Handoff, tried: Tried) -> None:
        assert not self.inside, "a callback from within a call"
        assert handoff not in self.outcomes, "two outcomes"
        self.outcomes[handoff] = tried

    def turned_away(self, route: str, reply: Reply) -> None:
        assert not self.inside, "a callback from within a call"
        self.calls.append(("turned_away", reply.code))

    def idle(self, route: str) -> None:
        assert not self.inside, "a callback from within a call"
        self.calls.append(("idle", route))
        while self.queue and self.start(self.queue[0]):
            self.queue.pop(0)

    def start(self, handoff: Handoff) -> bool:
        self.inside = True
        started = self.pool.start(handoff)
        self.inside = False
        return started

    def send(self, *handoffs: Handoff) -> None:
        """Starts them now or as soon as something is idle."""
        self.queue += handoffs
        self.idle("")

    def was_ready(self, handoff: Handoff) -> bool:
        return ("ready", handoff) in self.calls


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is awaited happens at the other end of a socket
            await asyncio.sleep(0.002)


@pytest.fixture(name="until")
def _until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    return until


@pytest.fixture
def peer() -> type[Peer]:
    """The class of servers: use it with `async with`."""
    return Peer


@pytest.fixture
def handoff() -> Callable[..., Handoff]:
    """Makes a mail."""

    def make(message: bytes = b"Subject: x\r\n\r\ntext\r\n", *, route: str = "r", to: int = 1, smtputf8: bool = False) -> Handoff:
        recipients = tuple(JobRecipient(i, f"r{i}@example.com") for i in range(to))
        return Handoff(Fence(b"job", 1), route, "s@example.com", recipients, message, smtputf8, path=route)

    return make


def route(*relays: Relay, **changes: object) -> Route:
    """A route named `r` with small numbers, and all of its connections kept warm."""
    settings: dict[str, object] = {"tls": TlsMode.NONE, "connections": 2, "connect_timeout": timedelta(seconds=2)}
    settings |= changes
    return Route("r", relays, **{"min_idle": settings["connections"], **settings})


@pytest.fixture(name="route")
def _route() -> Callable[..., Route]:
    return route


@pytest.fixture
def running() -> Callable[..., object]:
    """Makes a context of a pool with these routes; gives its listener. Afterwards no task of it is left."""

    @asynccontextmanager
    async def run(*routes: Route, secrets: dict[str, str] | None = None) -> AsyncIterator[Recorder]:
        before = asyncio.all_tasks()
        listener = Recorder()
        async with Pool(listener, secrets or {}, "node.example", jitter=lambda: 0.5) as pool:
            listener.pool, listener.paths = pool, Paths(pool)
            listener.use(*routes)
            yield listener
        left = {task for task in asyncio.all_tasks() - before if "_serve" not in repr(task)}
        assert not left
        for counts in pool.stats().values():
            assert counts.dialled == counts.closed

    return run


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps and rests are a hundred times shorter."""
    monkeypatch.setattr("sender.pool.pool.SWEEP", 0.01)
    monkeypatch.setattr("sender.pool.circuits.REST_FIRST", 0.01)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and key for 127.0.0.1 and localhost in one file, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


@pytest.fixture
def server_context(certificate: Path) -> ssl.SSLContext:
    """For the server's side of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context
