"""Followed: the keys below a prefix as they are now, and each change to them, over restarts of etcd and whatever it has forgotten.

It lists at revision R, watches from R + 1, and goes on from the last revision seen when a stream breaks. The traps:
- A watch from a revision that etcd has forgotten (compacted) is answered `created`, then `canceled`, **and the stream stays open and
  silent**. It is listed again, and what differs is told as changes.
- A member that has lost its leader tells nothing: `hasleader` has it end the stream.
- A member that hangs says nothing: it is asked each PROGRESS seconds how far it is, and left when it does not answer. Its word is not taken
  for a revision to go on from: before 3.4.25 and 3.5.8 it may run ahead of events that are still to come.
- A cluster that was made anew has lower revisions: a watch from one of its future would be silent too.
- The token of a watch may be refused as if the user were: it is asked for anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from mailgate.api.etcd.v1 import etcd_pb2 as pb
from mailgate.errors import Unavailable
from mailgate.etcd.client import Etcd, WatchCall, pause
from mailgate.etcd.entries import end_of
from mailgate.etcd.failure import EtcdRefused, Failure, of_text
from mailgate.etcd.trouble import Trouble

PROGRESS = 1.0
"""Seconds between questions how far it is."""
SILENT = 3.0
"""Seconds without a word after which a member is left."""
LONG_LIFE = 5.0
"""Seconds of a watch after which its end is no sign of trouble."""
DELETED = 1


@dataclass(frozen=True, slots=True)
class Change:
    """A key that has another value since a revision; None: it is gone, since then or before."""

    key: bytes
    value: bytes | None
    revision: int


class Over(Exception):
    """The watch is of no use any more. `anew`: what was seen may have a gap, and must be listed."""

    def __init__(self, why: str, *, anew: bool) -> None:
        self.anew = anew
        super().__init__(why)


class Followed:
    """`run` it. `heard(changes, listed)` is called with changes in their order; `listed`: found by comparing, and some may be missing.

    The first call comes when the first list is there, without changes where that is empty.
    """

    def __init__(
        self,
        etcd: Etcd,
        prefix: bytes,
        heard: Callable[[Sequence[Change], bool], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._etcd, self._prefix, self._heard, self._chance = etcd, prefix, heard, chance
        self.entries: dict[bytes, bytes] = {}
        """The values by their keys."""
        self.live = False
        """A watch is open, and nothing is missing."""
        self.lists = 0
        self.eras = 0
        """How often the store was found made anew: at a lower revision than was seen."""
        self._revision = 0
        self._seen = 0
        self._anew = True
        self._heard_at = 0.0
        self._trouble = Trouble(etcd.log, "etcd_not_followed", "etcd_followed")

    def __repr__(self) -> str:
        return f"<Followed {self._prefix.decode()} {len(self.entries)} at {self._revision}{'' if self.live else ' (not live)'}>"

    @property
    def revision(self) -> int:
        """All changes up to it were heard; 0: nothing was."""
        return self._revision

    def saw(self, revision: int) -> None:
        """The store was at this revision, whatever it was of."""
        self._seen = max(self._seen, revision)

    @property
    def trouble(self) -> str:
        """Why it is not live; empty: it is, or nobody knows yet."""
        return self._trouble.reason

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        tries = 0
        while True:
            started = loop.time()
            try:
                if self._anew:
                    await self._list()
                await self._watch()
            except Over as over:
                self._anew = self._anew or over.anew
                self._tell(str(over))
            except (Unavailable, EtcdRefused) as error:
                self._tell(str(error))
            except grpc.aio.AioRpcError as error:
                self._tell(f"{error.code().name}: {error.details()}")
            finally:
                self.live = False
            tries = 1 if loop.time() - started > LONG_LIFE else tries + 1
            await asyncio.sleep(pause(tries, self._chance()))

    async def _list(self) -> None:
        seen = max(self._seen, self._revision)
        answer = await self._etcd.range(self._prefix, end_of(self._prefix))
        now, revision = {kv.key: kv.value for kv in answer.kvs}, answer.header.revision
        changes = [Change(key, None, revision) for key in self.entries if key not in now]
        changes += [Change(kv.key, kv.value, kv.mod_revision) for kv in answer.kvs if self.entries.get(kv.key) != kv.value]
        self.entries, self._revision = now, revision
        if revision < seen:
            self.eras += 1
            self._seen = revision
        self._anew = False
        self.lists += 1
        self._heard(changes, True)

    async def _watch(self) -> None:
        """One life of a stream. Always raises."""
        call, member = await self._etcd.watch()
        self._heard_at = asyncio.get_running_loop().time()
        reader = asyncio.create_task(self._read(call), name=f"read {self._prefix.decode()}")
        asker = asyncio.create_task(self._ask(call), name=f"ask {self._prefix.decode()}")
        try:
            await asyncio.wait((reader, asker), return_when=asyncio.FIRST_COMPLETED)
        finally:
            call.cancel()
            for task in (reader, asker):
                task.cancel()
            ended, silent = await asyncio.gather(reader, asker, return_exceptions=True)
        if not (isinstance(ended, Over) and ended.anew):
            self._etcd.failed(member)
        for outcome in (ended, silent):
            if isinstance(outcome, Exception):
                raise outcome
        raise Over(f"{member.address} has ended the watch", anew=False)

    async def _ask(self, call: WatchCall) -> None:
        """Begin the watch; then ask how far it is, and end when nobody answers."""
        loop = asyncio.get_running_loop()
        create = pb.WatchCreateRequest(
            key=self._prefix, range_end=end_of(self._prefix), start_revision=self._revision + 1, progress_notify=True
        )
        request = pb.WatchRequest(create_request=create)
        try:
            while (silent := loop.time() - self._heard_at) < SILENT:
                await call.write(request)
                await asyncio.sleep(PROGRESS)
                request = pb.WatchRequest(progress_request=pb.WatchProgressRequest())
        except (asyncio.InvalidStateError, grpc.aio.UsageError):
            return  # it has ended: the reader tells why
        raise Over(f"no word for {silent:.1f} s", anew=False)

    async def _read(self, call: WatchCall) -> None:
        message: Any
        while (message := await call.read()) is not grpc.aio.EOF:
            self._heard_at = asyncio.get_running_loop().time()
            self._take(message)

    def _take(self, message: pb.WatchResponse) -> None:
        if message.canceled:
            if of_text(message.cancel_reason) in (Failure.TOKEN, Failure.FORBIDDEN):
                self._etcd.forget_token()
            why = f"revisions below {message.compact_revision} are forgotten" if message.compact_revision else message.cancel_reason
            raise Over(f"etcd has cancelled the watch: {why}", anew=True)
        if message.created:
            if message.header.revision < (seen := max(self._seen, self._revision)):
                raise Over(f"etcd is at revision {message.header.revision}, and was at {seen}", anew=True)
            self.live = True
            self._trouble.over(prefix=self._prefix.decode())
        if message.events:
            self._heard([self._change(event) for event in message.events], False)

    def _change(self, event: pb.Event) -> Change:
        kv = event.kv
        self._revision = max(self._revision, kv.mod_revision)
        if event.type == DELETED:
            self.entries.pop(kv.key, None)
            return Change(kv.key, None, kv.mod_revision)
        self.entries[kv.key] = kv.value
        return Change(kv.key, kv.value, kv.mod_revision)

    def _tell(self, why: str) -> None:
        self._trouble.tell(why, prefix=self._prefix.decode(), consequence="what was known last is used")
