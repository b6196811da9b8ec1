"""The reference of the port of files: a dict of one process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from gateway.ledger.answered import Done, Failed
from gateway.ledger.files import FileState, append_fault, check_room
from mailgate.errors import QuotaExceeded, WrongState
from mailgate.job import File


@dataclass(slots=True)
class _Kept:
    size: int
    until_ms: int
    data: bytes = b""
    file: File | None = None

    @property
    def state(self) -> FileState:
        return FileState(self.size, len(self.data), self.file is not None, self.until_ms)


class MemoryFiles:
    """The port's contract. `needed(tenant, digest)`: a job has it."""

    def __init__(self, needed: Callable[[str, bytes], bool]) -> None:
        self._kept: dict[tuple[str, bytes], _Kept] = {}
        self._needed = needed

    async def state(self, tenant: str, digest: bytes) -> FileState | None:
        """See the port."""
        kept = self._kept.get((tenant, digest))
        return kept.state if kept is not None else None

    def append(self, tenant: str, digest: bytes, size: int, offset: int, data: bytes, until_ms: int, bound: int) -> Awaitable[FileState]:
        """See the port."""
        kept = self._kept.get((tenant, digest))
        if kept is None:
            kept = _Kept(size, until_ms)
            try:
                check_room(self._used(tenant), size, bound)
            except QuotaExceeded as full:
                return Failed(full)
        if fault := append_fault(kept.state, size, offset, len(data)):
            return Failed(WrongState(fault))
        self._kept[tenant, digest] = kept
        kept.data += data[len(kept.data) - offset :]
        kept.until_ms = max(kept.until_ms, until_ms)
        return Done(kept.state)

    async def seal(self, tenant: str, digest: bytes) -> bool:
        """See the port."""
        kept = self._kept.get((tenant, digest))
        if kept is None or len(kept.data) < kept.size:
            return False
        if sha256(kept.data).digest() != digest:
            del self._kept[tenant, digest]
            return False
        kept.file = kept.file or File(digest, kept.data)
        return True

    def keep(self, tenant: str, digest: bytes, until_ms: int) -> bool:
        """Keep it until then, or longer; False: it is not there, or not whole."""
        kept = self._kept.get((tenant, digest))
        if kept is None or kept.file is None:
            return False
        kept.until_ms = max(kept.until_ms, until_ms)
        return True

    async def usage(self, tenant: str) -> int:
        """See the port."""
        return self._used(tenant)

    async def sizes(self, tenant: str, digests: Iterable[bytes]) -> Mapping[bytes, int]:
        """See the port."""
        return {digest: len(file.data) for digest, file in self._whole(tenant, digests).items()}

    async def read(self, tenant: str, digests: Iterable[bytes]) -> Mapping[bytes, File]:
        """See the port."""
        return self._whole(tenant, digests)

    async def forget(self, now_ms: int, limit: int) -> int:
        """See the port."""
        over = [key for key, kept in self._kept.items() if kept.until_ms < now_ms and not self._needed(*key)][:limit]
        for key in over:
            del self._kept[key]
        return len(over)

    def _whole(self, tenant: str, digests: Iterable[bytes]) -> dict[bytes, File]:
        found = {digest: self._kept[tenant, digest].file for digest in digests if (tenant, digest) in self._kept}
        return {digest: file for digest, file in found.items() if file is not None}

    def _used(self, tenant: str) -> int:
        return sum(kept.size for (owner, _), kept in self._kept.items() if owner == tenant)
