"""Files: the port. Bytes that callers upload once and attach by digest. Pure.

A file belongs to a tenant, arrives in pieces, and is whole when all octets are there and have the digest. Works are durable when their
awaitable is done; they raise StorageFull and StorageBroken as the ledger's do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import NamedTuple, Protocol

from mailgate.errors import ContentMissing, QuotaExceeded, Violation
from mailgate.job import File

KEPT_MS = 24 * 3_600_000
"""How long a file is kept after the ttl of the last mail that attaches it, or after its octets came or the whole file was asked for."""


def missing(digest: bytes, field: str = "mail.attachments") -> ContentMissing:
    """What a caller is told of a digest that names no whole file."""
    text = f"sha256:{digest.hex()} is not stored, not whole, or was forgotten: give it to UploadContent, and send again"
    return ContentMissing([Violation(field, text)])


class FileState(NamedTuple):
    """`stored` of `size` octets are durable. `whole`: they are all there and have the digest. Kept until then, ms since the epoch."""

    size: int
    stored: int
    whole: bool
    until_ms: int


def append_fault(state: FileState, size: int, offset: int, octets: int) -> str:
    """Why these octets cannot be appended; empty when they can."""
    if size != state.size:
        return f"the upload was begun with {state.size:,} octets, not {size:,}: a digest has one size"
    if offset > state.stored:
        return f"{state.stored:,} octets are stored: go on from there, not from {offset:,}"
    if offset + octets > size:
        return f"octets up to {offset + octets:,} of a file of {size:,}: send what its size says"
    return ""


def check_room(used: int, size: int, bound: int) -> None:
    """Whether a tenant whose files are `used` octets may begin one of so many.

    Raises:
        QuotaExceeded: they would be more than `bound`.
    """
    if used + size > bound:
        raise QuotaExceeded(
            f"the tenant's uploads are {used:,} octets of at most {bound:,}: {size:,} more have no room. A file goes a day after the "
            "ttl of its last mail"
        )


class Files(Protocol):
    """See the module. A digest has 32 octets."""

    async def state(self, tenant: str, digest: bytes) -> FileState | None:
        """None: nothing of it is there."""
        ...

    def append(self, tenant: str, digest: bytes, size: int, offset: int, data: bytes, until_ms: int, bound: int) -> Awaitable[FileState]:
        """Store `data`, which begins at `offset`; what of it is there already is skipped. It is kept until then, or longer.

        `bound`: octets that the tenant's files may be. It is asked where the file is begun, in one step with that: however many are
        begun at once, they are no more. What is begun may end.

        Raises, when awaited:
            WrongState: the offset lies after what is stored, or the size is not that of before, or the data go beyond it.
            QuotaExceeded: nothing of the file is there, and it has no room.
        """
        ...

    async def seal(self, tenant: str, digest: bytes) -> bool:
        """All octets are there: do they have the digest? If not they are deleted. May be asked again."""
        ...

    async def usage(self, tenant: str) -> int:
        """Octets of the tenant's files as they will be when they are whole."""
        ...

    async def sizes(self, tenant: str, digests: Iterable[bytes]) -> Mapping[bytes, int]:
        """Octets of each that is whole. Must be cheap: it reads none of them, and decides which are read."""
        ...

    async def read(self, tenant: str, digests: Iterable[bytes]) -> Mapping[bytes, File]:
        """Those that are whole. Files that are in memory are given as the same object."""
        ...

    async def forget(self, now_ms: int, limit: int) -> int:
        """Delete at most `limit` files that were kept until before that and that no job needs; how many were deleted."""
        ...
