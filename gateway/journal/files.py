"""The port of files over the journal: writes are errands of the writer, queries go to the reader."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from functools import partial
from typing import Any

from gateway.journal import pieces
from gateway.journal.positions import Positions
from gateway.journal.reader import Reader
from gateway.journal.work import ErrandWork
from gateway.journal.writer import Writer
from gateway.ledger.files import FileState
from mailgate.job import File


class JournalFiles:
    """One a journal."""

    def __init__(self, writer: Writer, reader: Reader, positions: Positions) -> None:
        self._writer, self._reader, self._positions = writer, reader, positions

    async def state(self, tenant: str, digest: bytes) -> FileState | None:
        """See the port."""
        return await self._reader.ask(pieces.state, tenant, digest)

    def append(self, tenant: str, digest: bytes, size: int, offset: int, data: bytes, until_ms: int, bound: int) -> Awaitable[FileState]:
        """See the port."""
        errand = partial(pieces.append, tenant=tenant, digest=digest, size=size, offset=offset, data=data, until_ms=until_ms, bound=bound)
        return self._do(errand, len(data))

    async def seal(self, tenant: str, digest: bytes) -> bool:
        """See the port."""
        sound = await self._reader.ask(pieces.is_sound, tenant, digest)
        if sound is None:
            return False
        await self._do(partial(pieces.seal if sound else pieces.delete, tenant=tenant, digest=digest))
        return sound

    async def usage(self, tenant: str) -> int:
        """See the port."""
        return await self._reader.ask(pieces.usage, tenant)

    async def sizes(self, tenant: str, digests: Iterable[bytes]) -> Mapping[bytes, int]:
        """See the port."""
        return await self._reader.ask(pieces.sizes, tenant, tuple(digests))

    async def read(self, tenant: str, digests: Iterable[bytes]) -> Mapping[bytes, File]:
        """See the port."""
        return await self._reader.ask(pieces.load, tenant, tuple(dict.fromkeys(digests)))

    async def forget(self, now_ms: int, limit: int) -> int:
        """See the port."""
        return int(await self._do(partial(pieces.forget, now_ms=now_ms, limit=limit)))

    def _do(self, errand: Any, octets: int = 0) -> Awaitable[Any]:  # noqa: ANN401 - what it returns is its own
        self._positions.submitting()
        return self._writer.submit(ErrandWork(errand, octets))
