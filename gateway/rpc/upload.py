"""One UploadContent call: pieces are stored as they come, so that a broken upload goes on where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.admission.limits import Limits
from gateway.admission.tenants import Caller, Scope
from gateway.ledger.files import KEPT_MS, Files, FileState, check_room
from gateway.rpc.shell import LoopShell
from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.digest import format_digest, parse_digest
from mailgate.errors import Invalid, TooLarge, Violation
from mailgate.rpc.streams import first_request, next_request
from mailgate.rpc.times import timestamp

if TYPE_CHECKING:
    from mailgate.rpc.around import Context

FIRST = 30.0
"""Seconds that a client has to say what it uploads."""
MAX_PIECE = 1 << 20
"""Octets of a message: each is one commit, and in memory some times over."""


class Upload:
    """`run` is the call."""

    def __init__(self, files: Files, shell: LoopShell, limits: Limits, tenant: str) -> None:
        self._files, self._shell, self._limits, self._tenant = files, shell, limits, tenant

    async def run(self, context: Context, me: Caller) -> pb.UploadContentResponse:
        """To the end of the client's side.

        Raises:
            Unauthenticated: the key was revoked meanwhile.
            Invalid: the first message is wrong, or the octets have another digest.
            WrongState: what comes does not follow what is stored.
            QuotaExceeded: the tenant's files would be too large.
        """
        first = await first_request(context, FIRST)
        if first is None:
            raise Invalid.field("digest", "the stream ended before its first message, which says what is uploaded")
        digest = self._check(first)
        state = await self._begin(digest, first.size)
        if state.whole and not first.data:
            state = await self._append(digest, state.size, 0, b"")  # who asks is about to attach it: it must not be forgotten before that
        message: pb.UploadContentRequest | None = first
        offset = first.offset
        while message is not None:
            me.check(Scope.SEND, self._tenant)
            if len(message.data) > MAX_PIECE:
                raise TooLarge.field("data", f"{len(message.data):,} octets, at most {MAX_PIECE:,} are allowed: send more messages")
            if message.data or not state.stored:
                state = await self._append(digest, first.size, offset, message.data)
            offset += len(message.data)
            message = await next_request(context)
        return await self._answer(digest, state)

    async def _begin(self, digest: bytes, size: int) -> FileState:
        """What there is of it. The room is asked here too: what `append` refuses has its whole commit done again, work by work."""
        state = await self._files.state(self._tenant, digest)
        if state is not None:
            return state
        check_room(await self._files.usage(self._tenant), size, self._limits.max_upload_bytes)
        return FileState(size, 0, False, 0)

    async def _append(self, digest: bytes, size: int, offset: int, data: bytes) -> FileState:
        until_ms, bound = self._shell.now_ms() + KEPT_MS, self._limits.max_upload_bytes
        return await self._files.append(self._tenant, digest, size, offset, data, until_ms, bound)

    async def _answer(self, digest: bytes, state: FileState) -> pb.UploadContentResponse:
        if state.stored == state.size and not state.whole and not await self._files.seal(self._tenant, digest):
            cure = "compute the SHA-256 of the whole file and upload it again"
            raise Invalid.field("digest", f"the octets that came have another digest than {format_digest(digest)}, and are dropped: {cure}")
        return pb.UploadContentResponse(
            digest=format_digest(digest), size=state.size, stored=state.stored, expire_time=timestamp(state.until_ms)
        )

    def _check(self, first: pb.UploadContentRequest) -> bytes:
        faults = []
        digest = parse_digest(first.digest)
        if digest is None:
            faults.append(Violation("digest", f"{first.digest[:80]!r} is no digest: write sha256: and 64 hexadecimal digits"))
        bound = self._limits.max_mail_bytes
        if not 0 <= first.size <= bound:
            faults.append(Violation("size", f"{first.size:,} octets: a file has 0 to {bound:,}, as a mail has"))
        if first.offset < 0:
            faults.append(Violation("offset", f"{first.offset:,} is negative: give where `data` begins"))
        if faults or digest is None:
            raise Invalid(faults)
        return digest
