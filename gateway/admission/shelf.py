"""Files that mails attach by digest: those of late stay in memory, so that a hundred mails with one file read it once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from gateway.ledger.files import Files
from mailgate.job import File

OCTETS = 64 * 1024 * 1024
"""Of files that stay without anybody needing them now."""


class Shelf:
    """One a gateway. Whether a file is still kept is not asked here: the ledger looks when it stores a mail that attaches it."""

    def __init__(self, files: Files, octets: int = OCTETS) -> None:
        self._files, self._bound = files, octets
        self._shelf: OrderedDict[tuple[str, bytes], File] = OrderedDict()
        self._octets = 0

    async def sizes(self, tenant: str, digests: Iterable[bytes]) -> Mapping[bytes, int]:
        """Octets of the tenant's whole files of these digests. None is read."""
        wanted = dict.fromkeys(digests)
        found = {digest: len(file.data) for digest in wanted if (file := self._shelf.get((tenant, digest))) is not None}
        if missing := [digest for digest in wanted if digest not in found]:
            found.update(await self._files.sizes(tenant, missing))
        return found

    async def find(self, tenant: str, digests: Iterable[bytes]) -> Mapping[bytes, File]:
        """The tenant's whole files of these digests."""
        wanted = dict.fromkeys(digests)
        found = {digest: file for digest in wanted if (file := self._shelf.get((tenant, digest))) is not None}
        for digest in found:
            self._shelf.move_to_end((tenant, digest))
        if missing := [digest for digest in wanted if digest not in found]:
            read = await self._files.read(tenant, missing)
            found.update(read)
            for file in read.values():
                self._put(tenant, file)
        return found

    def _put(self, tenant: str, file: File) -> None:
        if (tenant, file.digest) not in self._shelf:
            self._shelf[tenant, file.digest] = file
            self._octets += len(file.data)
        while self._octets > self._bound:
            _, oldest = self._shelf.popitem(last=False)
            self._octets -= len(oldest.data)
