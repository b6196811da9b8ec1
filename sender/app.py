"""The sender's composition root: what a node is made of, and the order in which it starts and stops."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from mailgate.lifecycle import Again, Stop, settle_heap
from mailgate.reload import Reload
from mailgate.rpc.address import join_address, split_address
from mailgate.rpc.fleet import fleet_guard
from mailgate.rpc.jobs import decode_body
from mailgate.rpc.server import Door
from mailgate.rpc.statuses import statuses
from mailgate.shaping.file import foresee
from mailgate.telemetry.lag import LoopLag
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.metrics import Metrics
from mailgate.telemetry.traces import Tracer
from sender.delivery.confirming import Confirming
from sender.delivery.deliver import Delivery
from sender.delivery.mx import Here
from sender.delivery.resolver import Resolver
from sender.delivery.sources import Sources
from sender.delivery.stats import stats
from sender.delivery.stub import Stub, is_own, own_names
from sender.pool.pool import Pool
from sender.pool.reach import check_addresses, outward
from sender.pool.source import default_source, read_sources
from sender.pool.tls import check_files
from sender.rpc.node_service import SERVICE, NodeServicer
from sender.rpc.registration import Registration, Self
from sender.settings import LIVE, SenderSettings

SETTLE = 2.0
"""Seconds that a leaving node waits for its gateways to settle the last verdicts."""
UNANSWERED = 600.0
"""Seconds that it waits for answers to final dots: RFC 5321 4.5.3.2.6; sooner would double mail."""

log = get_logger(__name__)


async def run(settings: SenderSettings, stop: Stop, again: Again[SenderSettings]) -> None:
    """The life of a node, until it is asked to stop; when asked for, `again` gives other secrets, tokens, certificates and sources.

    Raises:
        SettingsInvalid: an address cannot be had, a source's is not this machine's, or a file of TLS is wrong.
    """
    options = settings.sender
    boot_id = os.urandom(16)
    token = options.fleet_token.reveal()
    await asyncio.to_thread(check_files, settings.certificates)
    await asyncio.to_thread(foresee)
    chosen = read_sources(settings.sources)
    check_addresses(chosen)
    sources = Sources(chosen, default_source(options.helo, *outward()) if options.helo else None)
    async with AsyncExitStack() as started:
        tracer = await started.enter_async_context(Tracer(settings.telemetry, "sender", options.id))
        metrics = await started.enter_async_context(Metrics(settings.telemetry))
        lag = await started.enter_async_context(LoopLag())
        here = Here(own_names([options.helo, *[source.helo for source in chosen]]), os.urandom(16), is_own, private=options.private_mx)
        stub = Stub(options.nameservers)
        make_pool = partial(
            Pool, secrets=secrets_of(settings), helo=options.helo, tokens=settings.tokens, certificates=settings.certificates
        )
        delivery = Delivery(decode_body, tracer, make_pool, Resolver(stub.ask, here), options.max_connections, sources)
        started.push_async_callback(delivery.close)
        pool = await started.enter_async_context(delivery.pool)
        metrics.register(lambda: stats(delivery))
        metrics.register(lag.stats)

        door = Door([SERVICE], [statuses(), fleet_guard(token, certificates=bool(options.tls.client_ca))])
        address = await door.bind(options.listen, options.tls, key="sender.listen", section="sender.tls")
        node_id = options.id or own_name(address)
        servicer = NodeServicer(delivery, node_id, boot_id)
        servicer.join(door)
        await door.start()
        await door.serving(True)
        log.info("node_started", node=node_id, address=address)

        me = Self(node_id, boot_id, options.advertise or address)
        registration = Registration(me, options.gateways, token, options.gateway_tls, random.random)
        metrics.register(registration.stats)
        confirming = Confirming(sources, stub, random.random)
        preparing = partial(prepare, pool=pool, delivery=delivery, confirming=confirming)
        reload = Reload(settings, again.read, LIVE, preparing, lambda: time.time_ns() // 1_000_000)
        metrics.register(reload.stats)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(pool.watch(), name="pool")
            registering = tasks.create_task(registration.run(), name="registration")
            sweeping = tasks.create_task(delivery.sweep(), name="sweep")
            confirms = tasks.create_task(confirming.run(), name="confirming")
            reloading = tasks.create_task(reload.run(again.asked), name="settings")
            settle_heap()
            await stop.graceful.wait()
            await leave(door, servicer, registration, delivery, pool, stop, options.drain_timeout)
            for task in (watching, registering, sweeping, reloading, confirms):
                task.cancel()
    log.info("node_stopped", node=node_id)


def prepare(settings: SenderSettings, pool: Pool, delivery: Delivery, confirming: Confirming) -> Callable[[], None]:
    """Look at the files and addresses of other settings; what lets dials from then on use them, and tries again what was refused. Blocks.

    Raises:
        SettingsInvalid: a file is wrong, or an address is not this machine's.
    """
    check_files(settings.certificates)
    sources = read_sources(settings.sources)
    check_addresses(sources)

    def put() -> None:
        delivery.sources.use(sources)
        confirming.changed.set()
        pool.dialer.renew(secrets_of(settings), settings.tokens, settings.certificates)
        pool.circuits.again()

    return put


def secrets_of(settings: SenderSettings) -> dict[str, str]:
    """In clear, for logging in alone."""
    return {name: secret.reveal() for name, secret in settings.secrets.items()}


async def leave(
    door: Door, servicer: NodeServicer, registration: Registration, delivery: Delivery, pool: Pool, stop: Stop, drain: timedelta
) -> None:
    """No new jobs, finish what is in hand, say goodbye to servers and gateways (design, section 7). A second signal cuts it short."""
    delivery.draining = True
    servicer.tell()
    await door.serving(False)
    await registration.leave()
    await until(lambda: not delivery.in_hand, drain.total_seconds(), stop)
    delivery.drop_uncommitted()
    await until(lambda: not delivery.in_hand, UNANSWERED, stop)
    await until(lambda: not delivery.unsettled, SETTLE, stop)
    await servicer.close()
    await door.stop(timedelta(seconds=1))
    if not stop.now.is_set():
        await pool.drain(SETTLE)


async def until(done: Callable[[], bool], seconds: float, stop: Stop) -> None:
    """Wait until it is so, for so long at the most, or until a second signal."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not done() and not stop.now.is_set() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def own_name(address: str) -> str:
    """The node's name where the settings give none: the host's, and the port."""
    return join_address(os.uname().nodename, split_address(address, "sender.listen")[1])
