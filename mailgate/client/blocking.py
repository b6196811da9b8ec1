"""BlockingMailClient: the SDK for scripts, threads and Django: a MailClient on a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

from mailgate.client.client import BATCH_TIMEOUT, CALL_TIMEOUT, UPLOAD_TIMEOUT
from mailgate.client.local import local_gateway
from mailgate.client.loop_thread import LoopThread, loop_thread
from mailgate.client.mail_client import PATIENCE, WINDOW, MailClient
from mailgate.client.stream import MailStream
from mailgate.client.views import Gap, Item, MailStatus, Outcome
from mailgate.client.watching import Watch
from mailgate.etcd.options import EtcdOptions
from mailgate.mail import BatchEntry, BatchReceipt, Event, Mail, Receipt, Recipient
from mailgate.rpc.tls import TlsOptions

T = TypeVar("T")

HAND_OVER = 64
"""Items of a stream that go to the other thread at once: each crossing costs some 50 µs."""

LINGER = 0.02
"""Seconds for a source to bring so many, before those that there are go."""


class BlockingMailClient:
    """A MailClient whose methods block. It may be used from many threads, and as a context manager; `close` it otherwise.

    It opens at its first call, on a loop in a thread that all of them share. A process that is forked after that cannot use any (gRPC does
    not survive a fork) and is told so by a RuntimeError: make the first call after the fork, as a module of Django does by itself.
    Do not use a MailClient on a loop of yours in the same process: gRPC has one poller, which serves one loop well.
    Deadlines are those of the MailClient's method of the same name; Ctrl-C ends the wait, and the call.
    """

    def __init__(
        self,
        addresses: str | Sequence[str] = (),
        key: str = "",
        *,
        tls: TlsOptions | None = None,
        etcd: EtcdOptions | None = None,
        client: MailClient | None = None,
    ) -> None:
        """`client`: one that is not entered yet, instead of one of `addresses`; such as a FakeMailClient."""
        self._client = MailClient(addresses, key, tls=tls, etcd=etcd) if client is None else client
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None
        self._closed = False

    @classmethod
    def local(cls, data: str | Path = "mailgate-data") -> BlockingMailClient:
        """Of the gateway that `mailgate up` started with this data directory. Raises Unavailable when there is none."""
        return cls(*local_gateway(Path(data)))

    def __repr__(self) -> str:
        return f"<Blocking {self._client!r}{' (closed)' if self._closed else ''}>"

    def __enter__(self) -> BlockingMailClient:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End its connections. A call of another thread ends with a RuntimeError."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None and thread.here:
            thread.run(self._client.__aexit__(None, None, None))

    def send(
        self,
        mail: Mail,
        idempotency_key: str | None = None,
        wait: float | None = None,
        *,
        validate_only: bool = False,
        within: float = CALL_TIMEOUT,
    ) -> Receipt:
        """See MailClient.send."""
        return self._run(self._client.send(mail, idempotency_key, wait, validate_only=validate_only, within=within))

    def send_batch(
        self, shared: Mail, entries: Iterable[BatchEntry], idempotency_key: str | None = None, *, within: float = BATCH_TIMEOUT
    ) -> BatchReceipt:
        """See MailClient.send_batch."""
        return self._run(self._client.send_batch(shared, tuple(entries), idempotency_key, within=within))

    def get(self, mail_id: bytes, *, within: float = CALL_TIMEOUT) -> MailStatus:
        """See MailClient.get."""
        return self._run(self._client.get(mail_id, within=within))

    def recipients(self, mail_id: bytes, *, within: float = CALL_TIMEOUT) -> list[Recipient]:
        """See MailClient.recipients; all of them."""

        async def all_of_them() -> list[Recipient]:
            return [each async for each in self._client.recipients(mail_id, within=within)]

        return self._run(all_of_them())

    def upload(self, source: bytes | str | os.PathLike[str] | BinaryIO, *, within: float = UPLOAD_TIMEOUT) -> str:
        """See MailClient.upload."""
        return self._run(self._client.upload(source, within=within))

    def watch(self, mail_id: bytes | None = None, *, within: float = CALL_TIMEOUT) -> Iterator[Event | Gap]:
        """See MailClient.watch. Nothing is missed from the return of this method on; the iterator has no end of its own."""
        watch = self._client.watch(mail_id, within=within)
        self._run(watch.__aenter__())

        return self._events(watch)

    def _events(self, watch: Watch) -> Iterator[Event | Gap]:
        try:
            while (event := self._run(_next(watch))) is not None:
                yield event
        finally:
            if not self._closed:
                self._run(watch.aclose())

    def stream(self, items: Iterable[Item], *, window: int = WINDOW, patience: float = PATIENCE) -> Iterator[Outcome]:
        """See MailClient.stream. `items` is read in the thread that iterates, at most `window` ahead of the outcomes."""
        source = iter(items)
        feed = Feed()
        stream = self._client.stream(feed, window=window, patience=patience)
        under_way, more = 0, True
        try:
            while more or under_way:
                some: list[Item] = []
                if more and under_way < window:
                    some, more = _some(source, min(HAND_OVER, window - under_way))
                    under_way += len(some)
                wait = not more or under_way >= window
                found = self._run(_exchange(stream, feed, some, ended=not more, wait=wait))
                under_way -= len(found)
                yield from found
                if wait and not found:
                    return
        finally:
            if not self._closed:
                self._run(stream.aclose())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            thread = self._open()
        except BaseException:
            work.close()
            raise
        return thread.run(work)

    def _open(self) -> LoopThread:
        with self._lock:
            if self._closed:
                raise RuntimeError("this client is closed: make another one")
            if self._thread is None:
                thread = loop_thread()
                thread.run(self._client.__aenter__())
                self._thread = thread
            return self._thread


class Feed:
    """The source of a stream, filled from another thread through the loop's."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._ended = False
        self._bell = asyncio.Event()

    def add(self, items: Iterable[Item], *, ended: bool) -> None:
        """Further ones; `ended`: the last ones."""
        self._items.extend(items)
        self._ended = ended
        self._bell.set()

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Item:
        while not self._items:
            if self._ended:
                raise StopAsyncIteration
            self._bell.clear()
            await self._bell.wait()
        return self._items.popleft()


def _some(source: Iterator[Item], most: int) -> tuple[list[Item], bool]:
    """The next ones, up to so many, or what came within LINGER; and whether there may be more."""
    found: list[Item] = []
    end = time.monotonic() + LINGER
    for item in source:
        found.append(item)
        if len(found) >= most or time.monotonic() > end:
            return found, True
    return found, False


async def _exchange(stream: MailStream, feed: Feed, items: list[Item], *, ended: bool, wait: bool) -> list[Outcome]:
    feed.add(items, ended=ended)
    return await stream.take(HAND_OVER, wait=wait)


async def _next(watch: Watch) -> Event | Gap | None:
    return await anext(watch, None)
