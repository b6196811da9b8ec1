"""Who listens to which connections: a watcher to all of a path, an ear to one while a mail is on it. The others have no tap. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Protocol

from mailgate.verdict import Phase
from sender.pool.connection import Connection
from sender.pool.dialer import DialFailed
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.plan import Dial
from sender.pool.tap import Ear, Tap


class Watcher(Ear, Protocol):
    """Who listens to whole paths, and hears of their dials too. Never raises."""

    def wants(self, path: Path) -> bool:
        """Its connections are to be listened to."""
        ...

    def noted(self, path: Path, remote: str, text: str, now_ns: int) -> None:
        """Something happened that no connection's dialogue has. `remote`: a host and port."""
        ...


class Taps:
    """See the module. `connections`: those that there are; `at`: the mails on them; `clock`: nanoseconds since the epoch."""

    def __init__(self, connections: Callable[[], Iterable[Connection]], at: Mapping[Handoff, Connection], clock: Callable[[], int]) -> None:
        self._connections, self._at, self._clock = connections, at, clock
        self._taps: dict[Connection, Tap] = {}
        self._numbers = count(1)
        self._watcher: Watcher | None = None

    def __repr__(self) -> str:
        return f"<Taps {len(self._taps)}>"

    def __len__(self) -> int:
        return len(self._taps)

    # ---- who listens

    def watch(self, watcher: Watcher | None) -> None:
        """The one who listens to paths; to be told again whenever what it `wants` has changed. None: nobody."""
        before, self._watcher = self._watcher, watcher
        for connection in list(self._connections()):
            if watcher is not None and watcher.wants(connection.slots.path):
                self.hear(connection, watcher)
            elif before is not None:
                self.unhear(connection, before)

    def hear_mail(self, handoff: Handoff, ear: Ear) -> Tap | None:
        """Listen to the mail's connection from now on, which is the newest mail of its dialogue. None: it is on none, or can't go by it."""
        connection = self._at.get(handoff)
        mails = [] if connection is None else connection.conversation.under_way[0]
        return self.hear(connection, ear) if connection is not None and mails and mails[-1].transaction is handoff else None

    def hear(self, connection: Connection, ear: Ear) -> Tap | None:
        """Listen to this connection from now on. None: it takes no more mail."""
        tap = self._taps.get(connection)
        if tap is None:
            if not connection.usable:
                return None
            tap = self._made(connection)
            tap.open()
        if ear not in tap.ears:
            tap.ears += (ear,)
        return tap

    def unhear(self, connection: Connection, ear: Ear) -> None:
        """Listen no more."""
        tap = self._taps.get(connection)
        if tap is not None and ear in tap.ears:
            tap.ears = tuple(each for each in tap.ears if each is not ear)
            if not tap.ears:
                self._taps.pop(connection).remove()

    def _made(self, connection: Connection) -> Tap:
        tap = self._taps[connection] = Tap(connection, next(self._numbers), self._clock)
        return tap

    # ---- what the pool tells

    def dialling(self, path: Path, dial: Dial) -> None:
        """A dial begins."""
        if self._watcher is not None and self._watcher.wants(path):
            self._watcher.noted(path, f"{dial.relay.host}:{dial.relay.port}", "dialling", self._clock())

    def failed(self, path: Path, failure: DialFailed) -> None:
        """It failed."""
        if self._watcher is not None and self._watcher.wants(path):
            remote = failure.address or f"{failure.relay.host}:{failure.relay.port}"
            self._watcher.noted(path, remote, words_of(failure), self._clock())

    def opened(self, connection: Connection) -> Connection | Tap:
        """It was dialled: who is to be told what comes."""
        watcher, path = self._watcher, connection.slots.path
        if watcher is None or not watcher.wants(path):
            return connection
        watcher.noted(path, connection.remote.address, greeting_of(connection), self._clock())
        tap = self._made(connection)
        tap.ears = (watcher,)
        return tap

    def closing(self, connection: Connection, why: str) -> None:
        """It takes no more mail."""
        if (tap := self._taps.pop(connection, None)) is not None:
            tap.closing(why)
            tap.remove()


def words_of(failure: DialFailed) -> str:
    """How a dial failed. Of a refused login the server's words are left out: some repeat what they were sent."""
    reply = failure.reply
    if reply.phase is Phase.AUTH and reply.code:
        return f"the dial failed: the login was refused, {reply.code} {reply.enhanced_code}".rstrip()
    return f"the dial failed at {reply.phase.name}: {reply.code or ''} {reply.text}".replace(":  ", ": ")


def greeting_of(connection: Connection) -> str:
    """What the dial came to: security, login and what the server offers. The credentials are nobody's business, nor whose they are."""
    remote, offered = connection.remote, connection.remote.capabilities
    names = {
        "PIPELINING": offered.pipelining,
        "CHUNKING": offered.chunking,
        "8BITMIME": offered.eight_bit_mime,
        "SMTPUTF8": offered.smtputf8,
        "DSN": offered.dsn,
        f"SIZE {offered.size_limit or ''}".rstrip(): offered.size,
    }
    security = f"by {remote.tls}" if remote.tls else "in clear"
    login = ", logged in" if connection.slots.route.username else ""
    return f"connected to {remote.host} {security}{login}; it offers {', '.join(name for name, has in names.items() if has) or 'nothing'}"
