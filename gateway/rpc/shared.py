"""What a node has of the contents that many jobs share, so that each travels once a stream. Pure.

The gateway decides: it brings a content with the second job that has it (that of a single mail is sent along, once), counts what it has
brought, and has the node forget the oldest when that becomes too much. So the node never has to ask.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mailgate.job import Job

SMALL = 256
"""Octets of a content that goes along with its job: naming it would save nothing."""
SEEN = 256
"""Contents of late jobs that are remembered, to know the second job."""
OCTETS = 64 * 1024 * 1024
"""Of what a node keeps for a gateway, but for what the jobs of one frame need."""


class Sharing(NamedTuple):
    """How a job's content and files travel: by these ids, once `bring` has come. `content` empty: along with the job."""

    content: bytes
    files: tuple[bytes, ...]
    bring: tuple[tuple[bytes, bytes], ...]


class SharedContents:
    """One a stream."""

    def __init__(self, octets: int = OCTETS) -> None:
        self._bound = octets
        self._there: OrderedDict[bytes, int] = OrderedDict()
        self._octets = 0
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def share(self, job: Job) -> Sharing:
        """What to bring before this job. Jobs go out in the order of the calls."""
        bring = list(self._missing((file.digest, file.data) for file in job.files))
        shared = b""
        if len(job.content) >= SMALL and self._again(job.content_id):
            shared = job.content_id
            bring += self._missing([(shared, job.content)])
        return Sharing(shared, tuple([file.digest for file in job.files]), tuple(bring))

    def octets(self, job: Job) -> int:
        """What `share` would send of it and for it, at most."""
        content = 0 if job.content_id in self._there else len(job.content)
        return len(job.envelope) + content + sum([len(file.data) for file in job.files if file.digest not in self._there])

    def forget(self) -> list[bytes]:
        """What the node need not keep after the frame that is being written."""
        forgotten = []
        while self._octets > self._bound:
            digest, octets = self._there.popitem(last=False)
            self._octets -= octets
            forgotten.append(digest)
        return forgotten

    def _again(self, content_id: bytes) -> bool:
        """Whether a job before had it."""
        if content_id in self._there:
            return True
        if content_id in self._seen:
            del self._seen[content_id]
            return True
        self._seen[content_id] = None
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return False

    def _missing(self, wanted: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        for digest, data in wanted:
            if digest in self._there:
                self._there.move_to_end(digest)
            else:
                self._there[digest] = len(data)
                self._octets += len(data)
                yield digest, data
