"""Uploads: a content's digest, its octets from any place, and the calls that bring them, from where the last one was cut."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from mailgate.client.calls import rest
from mailgate.client.gateways import Gateway, Gateways
from mailgate.client.retries import pause
from mailgate.errors import Unanswered, Unavailable

CHUNK = 256 * 1024
"""Octets of a message; the contract admits 1 MiB. Larger ones are no faster, and hold up whatever shares the connection."""

IN_MEMORY = 8 * 1024 * 1024
"""Octets of chunks kept in memory until their digest is known; more go to a temporary file."""

Source: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO | AsyncIterable[bytes]
"""Octets, a file's path, a binary file that can be read from its beginning, or chunks as they come."""


async def upload(gateways: Gateways, source: Source, within: float) -> str:
    """See MailClient.upload."""
    end = asyncio.get_running_loop().time() + within
    async with AsyncExitStack() as stack:
        file = await _opened(source, stack)
        digest, size = await asyncio.to_thread(_digest, file)
        first = await gateways.free(end)
        taken, failed = 0, None
        for gateway in (first, *(each for each in gateways.all if each is not first and each.ready)):
            try:
                await _bring(gateways, gateway, _Content(file, digest, size), end)
                taken += 1
            except (Unanswered, Unavailable) as error:
                failed = error
        if not taken and failed is not None:
            raise failed
        return digest


@dataclass(frozen=True, slots=True)
class _Content:
    file: BinaryIO
    digest: str
    size: int

    async def chunks(self, offset: int) -> AsyncIterator[bytes]:
        await asyncio.to_thread(self.file.seek, offset)
        while chunk := await asyncio.to_thread(self.file.read, CHUNK):
            yield chunk


async def _bring(gateways: Gateways, gateway: Gateway, content: _Content, end: float) -> None:
    """All of it to one gateway, over as many calls as that takes; it is asked each time how much it has."""
    loop = asyncio.get_running_loop()
    tries, most = 0, -1
    last: Unanswered | Unavailable | None = None
    while True:
        if not await gateways.back(gateway, end):
            raise last or Unavailable(f"the gateway at {gateway.address} does not answer")
        try:
            seconds = max(end - loop.time(), 0.001)
            stored = (await gateway.client.upload(content.digest, content.size, within=seconds)).octets
            if stored < content.size or not content.size:
                seconds = max(end - loop.time(), 0.001)
                chunks = content.chunks(stored)
                stored = (await gateway.client.upload(content.digest, content.size, stored, chunks, within=seconds)).octets
            if stored >= content.size:
                return
            last = Unanswered(f"the gateway at {gateway.address} took {stored:,} of {content.size:,} octets")
        except (Unanswered, Unavailable) as error:
            last, stored = error, most
            if isinstance(error, Unavailable):
                rest(gateway, tries + 1, error)
        tries = 1 if stored > most else tries + 1
        most = max(most, stored)
        seconds = pause(tries, random.random())  # noqa: S311
        if loop.time() + seconds >= end:
            raise last
        await asyncio.sleep(seconds)


async def _opened(source: Source, stack: AsyncExitStack) -> BinaryIO:
    """A file that can be read from any place."""
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesIO(source)
    if isinstance(source, str | os.PathLike):
        return stack.enter_context(await asyncio.to_thread(Path(source).open, "rb"))
    if not isinstance(source, AsyncIterable):
        if source.seekable():
            return source
        spool = _spool(stack)
        await asyncio.to_thread(shutil.copyfileobj, source, spool)
        return spool
    spool = _spool(stack)
    async for chunk in source:
        await asyncio.to_thread(spool.write, chunk)
    return spool


def _spool(stack: AsyncExitStack) -> BinaryIO:
    return cast(BinaryIO, stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY)))


def _digest(file: BinaryIO) -> tuple[str, int]:
    """`sha256:` and the digest, and the octets."""
    file.seek(0)
    found = hashlib.sha256()
    while chunk := file.read(CHUNK):
        found.update(chunk)
    return f"sha256:{found.hexdigest()}", file.tell()
