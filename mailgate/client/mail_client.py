"""MailClient: mail through one or several gateways, tried again where that is safe."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from mailgate.client.calls import Calls
from mailgate.client.client import BATCH_TIMEOUT, CALL_TIMEOUT, UPLOAD_TIMEOUT, WAIT_MARGIN, GatewayClient
from mailgate.client.gateways import Gateways, gateways_at
from mailgate.client.local import local_gateway
from mailgate.client.stream import MailStream
from mailgate.client.upload import Source, upload
from mailgate.client.views import Item, MailStatus
from mailgate.client.watching import Watch
from mailgate.errors import NotFound, Unanswered, Unavailable
from mailgate.etcd.options import EtcdOptions
from mailgate.ids import RANDOM_OCTETS, format_id, new_id
from mailgate.mail import BatchEntry, BatchReceipt, Mail, Receipt, Recipient
from mailgate.rpc.tls import TlsOptions

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a stream waits for a gateway to come back."""

WINDOW = 1000
"""Items of a stream without an outcome that was taken; receipts come some 10 ms late at most, which 1,000 bridge at 100,000 a second."""

WINDOW_OCTETS = 32 * 1024 * 1024
"""The same in octets; one item may exceed it alone."""


class MailClient:
    """An asynchronous context manager: channels to all `addresses`, used in turn, connected again when they break.

    A gateway that stops or is not there gets no new calls. Every mail has an idempotency key before its first try, yours or one that is
    made, and what can be tried again safely is tried again until `within` seconds are over:

    - A gateway refused the call for now (Unavailable): nothing was stored. Another gateway is asked, or the same after the time it named.
    - The call broke (Unanswered): nobody knows whether the mail was stored, and its key is known only to that gateway. The same gateway is
      asked again when it is back, and no other. If it does not come back in time, Unanswered is raised; its `idempotency_key` lets you
      ask later, and the mail may have been sent.
    - Anything else is final.

    A key of yours is tried at the same gateway first whenever it is used, as long as that gateway takes calls and `addresses` are the same.
    Gateways that share no ledger do not know each other's keys: a call that is made anew while that gateway is away goes to another one.

    All methods raise errors of `mailgate.errors`; `Invalid.violations` names fields, `Unavailable.retry_after` is in seconds.
    """

    def __init__(
        self, addresses: str | Sequence[str], key: str = "", *, tls: TlsOptions | None = None, etcd: EtcdOptions | None = None
    ) -> None:
        """`addresses`: `host:port` of each gateway, none that a balancer stands behind. `tls` None: in clear; TlsOptions(): verified.

        Or `etcd://host:port,host:port/mailgate/gateways`: all that publish themselves there, followed while the client runs; `etcd` has
        what the address does not say, TLS and user. Without it MAILGATE_ETCD_… variables do (mailgate/client/discovery.py).

        Raises:
            SettingsInvalid: an address is none.
        """
        self._begin(gateways_at([addresses] if isinstance(addresses, str) else addresses, key, tls, etcd))

    def _begin(self, gateways: Gateways) -> None:
        self._gateways = gateways
        self._calls = Calls(gateways)
        self._open: set[MailStream | Watch] = set()

    @classmethod
    def local(cls, data: str | Path = "mailgate-data") -> MailClient:
        """Of the gateway that `mailgate up` started with this data directory.

        Raises:
            Unavailable: there is none.
        """
        return cls(*local_gateway(Path(data)))

    def __repr__(self) -> str:
        return f"<MailClient {self._gateways!r}>"

    async def __aenter__(self) -> MailClient:
        await self._gateways.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the streams and watches that are still open."""
        for each in tuple(self._open):
            await each.aclose()
        await self._gateways.__aexit__(kind, error, trace)

    async def send(
        self,
        mail: Mail,
        idempotency_key: str | None = None,
        wait: float | None = None,
        *,
        validate_only: bool = False,
        within: float = CALL_TIMEOUT,
    ) -> Receipt:
        """Hand in one mail; it is durable when this returns. With `wait` (seconds) the receipt says what became of the first attempts."""
        key = idempotency_key or new_key()
        if wait is not None:
            within = max(within, wait + WAIT_MARGIN)
        until = None if wait is None else time.monotonic() + wait

        def call(gateway: GatewayClient, seconds: float) -> Awaitable[Receipt]:
            left = None if until is None else max(0.0, until - time.monotonic())
            return gateway.send(mail, idempotency_key=key, wait=left, validate_only=validate_only, within=seconds)

        if validate_only:
            return await self._calls.read(call, within)
        return await self._calls.write(call, within, key, own=bool(idempotency_key))

    async def send_batch(
        self, shared: Mail, entries: Iterable[BatchEntry], idempotency_key: str | None = None, *, within: float = BATCH_TIMEOUT
    ) -> BatchReceipt:
        """Hand in many mails with one content: the batch's id, and of each entry its receipt or why it was refused (a MailgateError)."""
        key, listed = idempotency_key or new_key(), tuple(entries)

        def call(gateway: GatewayClient, seconds: float) -> Awaitable[BatchReceipt]:
            return gateway.send_batch(shared, listed, idempotency_key=key, within=seconds)

        return await self._calls.write(call, within, key, own=bool(idempotency_key))

    def stream(
        self,
        items: AsyncIterable[Item] | Iterable[Item],
        *,
        window: int = WINDOW,
        window_octets: int = WINDOW_OCTETS,
        patience: float = PATIENCE,
    ) -> MailStream:
        """Hand in mails and batches as they come; iterate over it for the Outcome of each, in no promised order. See MailStream."""
        stream = MailStream(self._gateways, items, new_key, window=window, octets=window_octets, patience=patience, over=self._open.discard)
        self._open.add(stream)
        return stream

    async def upload(self, source: Source, *, within: float = UPLOAD_TIMEOUT) -> str:
        """Store a file's octets (bytes, a path, a binary file, or chunks as they come); the digest that an Attachment names them by.

        Every gateway that takes calls now gets them, each being asked first what it has already; a cut upload goes on where it was cut.
        A mail that names the digest is offered to another gateway when one lacks it.

        Raises:
            Unavailable, Unanswered: no gateway took all of it.
        """
        return await upload(self._gateways, source, within)

    async def get(self, mail_id: bytes, *, within: float = CALL_TIMEOUT) -> MailStatus:
        """What became of a mail. NotFound when no gateway has it for this key's tenant, Unavailable when one that may have it is away."""
        return await self._find(lambda gateway, seconds: gateway.get(mail_id, within=seconds), within)

    async def recipients(self, mail_id: bytes, *, within: float = CALL_TIMEOUT) -> AsyncIterator[Recipient]:
        """All recipients of a mail by their index, page by page; `within` is for a page. Raises as `get` does."""
        gateway = await self._holder(mail_id, within)
        async for recipient in gateway.recipients(mail_id, within=within):
            yield recipient

    def watch(self, mail_id: bytes | None = None, *, within: float = CALL_TIMEOUT) -> Watch:
        """Events from now on, of one mail or of all the tenant's, from all gateways; iterate over it. See Watch."""
        gateway = None if mail_id is None else (lambda: self._holder(mail_id, within))
        watch = Watch(self._gateways, mail_id, gateway, within, over=self._open.discard)
        self._open.add(watch)
        return watch

    async def _holder(self, mail_id: bytes, within: float) -> GatewayClient:
        async def call(gateway: GatewayClient, seconds: float) -> GatewayClient:
            await gateway.get(mail_id, within=seconds)
            return gateway

        return await self._find(call, within)

    async def _find(self, call: Callable[[GatewayClient, float], Awaitable[T]], within: float) -> T:
        """What the first gateway answers that does not say NotFound."""
        if len(self._gateways.all) == 1:
            return await self._calls.read(call, within)
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        await self._gateways.others((), end)
        lost: Unanswered | Unavailable | None = None
        missing: NotFound | None = None
        for gateway in sorted(self._gateways.all, key=lambda each: not each.ready):
            try:
                return await self._calls.read_from(gateway, call, max(0.0, end - loop.time()))
            except NotFound as error:
                missing = error
            except (Unanswered, Unavailable) as error:
                lost = error
        if lost is not None or missing is None:
            known = "the gateways that answer do not have it, and one does not answer" if self._gateways.all else "no gateway is known"
            raise Unavailable(f"{known}: {lost or repr(self._gateways)}")
        raise missing


def new_key() -> str:
    """A UUIDv7: keys of one time lie together in the gateway's index."""
    return format_id(new_id(time.time_ns() // 1_000_000, os.urandom(RANDOM_OCTETS)))
