"""Etcd: one call to a cluster, by whichever of its members answers.

A call goes to one member until that fails, then to the next. Every call here may be made twice: reads, leases, and transactions that
compare first, so that the second finds what the first has done. Time is monotonic throughout, and each try has a limit of its own.

The trap of streams: a time limit around `call.read()` cancels the call and leaks it (grpc #43360). So calls end by gRPC's own deadlines,
and a lease is kept alive by single calls: LeaseKeepAlive is a stream, but answers one message and a half-close like any call.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import grpc

from mailgate.api.etcd.v1 import etcd_pb2 as pb
from mailgate.errors import Unavailable
from mailgate.etcd.failure import EtcdRefused, Failure, judge
from mailgate.etcd.options import EtcdOptions
from mailgate.rpc.channel import open_channel
from mailgate.telemetry import names
from mailgate.telemetry.logs import Logger, get_logger
from mailgate.telemetry.sample import Sample

Metadata: TypeAlias = tuple[tuple[str, str], ...]
WatchCall: TypeAlias = "grpc.aio.StreamStreamCall[pb.WatchRequest, pb.WatchResponse]"

PATIENCE = 2.2
"""Times the limit of a try that a call goes on trying, unless it is told otherwise: two members that hang, and a little."""
FIRST, LONGEST = 0.03, 0.4
"""Seconds between tries when every member has failed; doubled each time, and stretched by chance."""

CHANNEL = (
    # A member takes pings more often than each 5 s, or without a call under way, for abuse, and closes the connection.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    # Below a second, as the pauses between our tries: all is as it was 3 s after etcd is back.
    ("grpc.max_reconnect_backoff_ms", 400),
)

T = TypeVar("T")
A = TypeVar("A")

log = get_logger(__name__)


class Member:
    """One endpoint and the channel to it."""

    def __init__(self, address: str, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.range = _unary(channel, "KV/Range", pb.RangeRequest, pb.RangeResponse)
        self.txn = _unary(channel, "KV/Txn", pb.TxnRequest, pb.TxnResponse)
        self.compact = _unary(channel, "KV/Compact", pb.CompactionRequest, pb.CompactionResponse)
        self.grant = _unary(channel, "Lease/LeaseGrant", pb.LeaseGrantRequest, pb.LeaseGrantResponse)
        self.revoke = _unary(channel, "Lease/LeaseRevoke", pb.LeaseRevokeRequest, pb.LeaseRevokeResponse)
        self.keep_alive = _unary(channel, "Lease/LeaseKeepAlive", pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse)
        self.authenticate = _unary(channel, "Auth/Authenticate", pb.AuthenticateRequest, pb.AuthenticateResponse)
        self.watch = channel.stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=pb.WatchRequest.SerializeToString,
            response_deserializer=pb.WatchResponse.FromString,
        )


class Etcd:
    """An asynchronous context manager: channels to all endpoints, which connect when they are used."""

    def __init__(self, options: EtcdOptions, chance: Callable[[], float] = random.random, log: Logger = log) -> None:
        self._options, self._chance, self.log = options, chance, log
        self._limit = options.timeout.total_seconds()
        self._members: list[Member] = []
        self._turn = 0
        self._token = ""
        self._without_users = not options.username
        self._stack = AsyncExitStack()
        self.failures: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Etcd {', '.join(self._options.addresses)}>"

    async def __aenter__(self) -> Etcd:
        for address in self._options.addresses:
            channel = open_channel(address, self._options.tls, further=CHANNEL, section="etcd")
            self._members.append(Member(address, await self._stack.enter_async_context(channel)))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    @property
    def limit(self) -> float:
        """Seconds that a member has to answer."""
        return self._limit

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        for reason, count in self.failures.items():
            yield Sample(names.ETCD_FAILURES, count, {"reason": reason})

    # Calls

    async def range(self, key: bytes, range_end: bytes = b"", within: float | None = None) -> pb.RangeResponse:
        """The keys of a range as they are now, by the word of the cluster's majority."""
        return await self._ask(lambda m: m.range, pb.RangeRequest(key=key, range_end=range_end), within)

    async def txn(self, request: pb.TxnRequest, within: float | None = None) -> pb.TxnResponse:
        """A transaction that compares first. It may have been taken though this raises Unavailable, and be taken later still."""
        return await self._ask(lambda m: m.txn, request, within)

    async def compact(self, revision: int) -> None:
        """Forget the past up to a revision; for tests and operators."""
        await self._ask(lambda m: m.compact, pb.CompactionRequest(revision=revision, physical=True), None)

    async def grant(self, ttl: timedelta, within: float | None = None) -> pb.LeaseGrantResponse:
        """A lease. One that nobody heard of ends by itself."""
        return await self._ask(lambda m: m.grant, pb.LeaseGrantRequest(ttl=max(1, round(ttl.total_seconds()))), within)

    async def keep_alive(self, lease: int, within: float | None = None) -> int:
        """Give a lease its whole time again: the seconds that it has now; 0 or less: it is gone."""
        answer: pb.LeaseKeepAliveResponse = await self._ask(lambda m: m.keep_alive, pb.LeaseKeepAliveRequest(id=lease), within)
        return answer.ttl

    async def revoke(self, lease: int, within: float | None = None) -> None:
        """End a lease with its keys. One that is gone already is ended."""
        try:
            await self._ask(lambda m: m.revoke, pb.LeaseRevokeRequest(id=lease), within)
        except EtcdRefused as refused:
            if refused.kind is not Failure.NO_LEASE:
                raise

    async def watch(self) -> tuple[WatchCall, Member]:
        """A stream of changes from the member whose turn it is; it ends when that member has no leader. `failed` tells of its end."""
        member = self._members[self._turn]
        metadata = (*await self._shown(member, self._limit), ("hasleader", "true"))
        return member.watch(metadata=metadata), member  # type: ignore[return-value]  # the stubs know no type of requests

    def failed(self, member: Member) -> None:
        """Somebody has nothing to hope for from it: the next one's turn, unless that has come already."""
        if self._members[self._turn] is member:
            self._turn = (self._turn + 1) % len(self._members)

    def forget_token(self) -> None:
        """It is not taken any more, or etcd has users by now."""
        self._token, self._without_users = "", not self._options.username

    # Tries

    async def _ask(self, method: Callable[[Member], Callable[..., Awaitable[A]]], request: object, within: float | None) -> A:
        """Try until it is answered, refused, or time is over.

        Raises:
            Unavailable: nobody has answered.
            EtcdRefused: etcd does not do it.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + (self._limit * PATIENCE if within is None else within)
        tries, renewed, why = 0, False, "no time"
        while (left := end - loop.time()) > 0:
            member = self._members[self._turn]
            shown = ""
            try:
                metadata = await self._shown(member, min(self._limit, left))
                shown = self._token
                return await method(member)(request, metadata=metadata, timeout=min(self._limit, max(0.01, end - loop.time())))
            except grpc.aio.AioRpcError as error:
                failure, text = judge(error.code(), error.details() or ""), error.details() or error.code().name
            self.failures[failure.value] += 1
            if failure in (Failure.TOKEN, Failure.NO_USER) and not renewed:
                renewed = True
                if self._token == shown:  # else another call has a new one already
                    self.forget_token()
                continue
            if failure not in (Failure.PASSING, Failure.TOKEN):
                raise EtcdRefused(text, failure)
            why = f"{member.address}: {text}"
            self.failed(member)
            tries += 1
            if tries % len(self._members) == 0:
                await asyncio.sleep(min(pause(tries // len(self._members), self._chance()), max(0.0, end - loop.time())))
        raise Unavailable(f"etcd does not answer ({why})")

    async def _shown(self, member: Member, within: float) -> Metadata:
        """The metadata of a call: who we are, by a token that is asked for where there is none."""
        if not self._token and not self._without_users:
            options = self._options
            request = pb.AuthenticateRequest(name=options.username, password=options.password.reveal())
            try:
                self._token = (await member.authenticate(request, timeout=within)).token
            except grpc.aio.AioRpcError as error:
                if judge(error.code(), error.details() or "") is not Failure.NO_USERS:
                    raise
                self._without_users = True
                self.log.warning(
                    "etcd_without_users", endpoint=member.address, consequence="etcd.username has no use while etcd asks nobody"
                )
        return (("token", self._token),) if self._token else ()


def pause(tries: int, chance: float) -> float:
    """Seconds until all members are asked once more; `chance` is uniform in [0, 1)."""
    return min(FIRST * 2.0 ** min(tries, 10), LONGEST) * (0.5 + chance)


def _unary(channel: grpc.aio.Channel, path: str, request: Any, response: Any) -> Callable[..., Awaitable[Any]]:  # noqa: ANN401
    return channel.unary_unary(
        f"/etcdserverpb.{path}", request_serializer=request.SerializeToString, response_deserializer=response.FromString
    )
