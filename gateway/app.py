"""The gateway's composition root: what it is made of, and the order in which it starts and stops."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from gateway.admission.admit import Admission
from gateway.admission.drafting import Drafter
from gateway.admission.routing import Routes
from gateway.admission.tenants import Tenants
from gateway.backends import Backends, open_backends
from gateway.balancing.policies import make_picker
from gateway.balancing.ring import Ring
from gateway.dispatch.choice import Choice
from gateway.dispatch.clock import Clock
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.fleet import Fleet
from gateway.dispatch.housekeeping import Housekeeping
from gateway.dispatch.keys import KeyOf, Keys, key_of
from gateway.dispatch.member import Member
from gateway.dispatch.rules import Rules
from gateway.dispatch.stats import stats
from gateway.dispatch.table import RouteTable
from gateway.events.hub import Hub
from gateway.registry.port import NodeRecord
from gateway.rpc.admin_port import SettingsView
from gateway.rpc.admin_service import AdminServicer
from gateway.rpc.dial_back import lives
from gateway.rpc.door import Servicers, make_door
from gateway.rpc.mail_service import MailServicer
from gateway.rpc.node_link import GrpcNodeLink, Identity
from gateway.rpc.operations import Operators
from gateway.rpc.registry_service import RegistryServicer
from gateway.rpc.shell import LoopShell
from gateway.rpc.site_operations import SiteOperators
from gateway.rpc.upload import Upload
from gateway.settings import LIVE, GatewaySettings, version
from mailgate.config.routes import at_odds
from mailgate.lifecycle import Again, Stop, settle_heap
from mailgate.reload import TOLD, Reload
from mailgate.rpc.jobs import encode_content, encode_envelope, read_keys
from mailgate.shaping.file import read as read_shaping
from mailgate.telemetry.lag import LoopLag
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.metrics import Metrics
from mailgate.telemetry.names import SETTINGS_INFO
from mailgate.telemetry.sample import Sample
from mailgate.telemetry.traces import Tracer

FINISH = 10.0
"""Seconds that a stopping gateway waits for the verdicts of what nodes have in hand. What is late is asked for at the next start."""
SETTLING = 1.0
"""Seconds after the wait for inventories, until what they claimed has rows (gateway/journal/late.py) and what they ended is recorded."""
CALLS = timedelta(seconds=5)
"""Time that calls under way get to end."""

log = get_logger(__name__)


async def run(settings: GatewaySettings, stop: Stop, again: Again[GatewaySettings]) -> None:
    """The life of a gateway, until it is asked to stop; when asked for, `again` gives other settings.

    Raises:
        SettingsInvalid: an address or the data directory cannot be had, or a file of TLS is wrong.
        StorageBroken: the storage failed; what was not answered was not promised.
    """
    async with AsyncExitStack() as started:
        clock = Clock(time.time, time.monotonic)
        shell = LoopShell(clock.now_ms)
        tracer = await started.enter_async_context(Tracer(settings.telemetry, "gateway", settings.gateway.id))
        metrics = await started.enter_async_context(Metrics(settings.telemetry))
        lag = await started.enter_async_context(LoopLag())
        backends = await started.enter_async_context(open_backends(settings, clock.now_ms))
        if behind_ms := clock.resume(backends.recorded_ms):
            log.warning("clock_behind", milliseconds=behind_ms, consequence="ids and times go on from what was recorded last")
        if not clock.trusted:
            log.warning("clock_not_trusted", consequence="expiry and retention pause for 10 min")
        gateway = Gateway(settings, backends, clock, shell, tracer, again)
        for reader in (lag.stats, backends.stats, backends.registry.stats, *gateway.readers):
            metrics.register(reader)
        await gateway.run(stop)
    log.info("gateway_stopped")


class Gateway:
    """The rooms, wired."""

    def __init__(
        self,
        settings: GatewaySettings,
        backends: Backends,
        clock: Clock,
        shell: LoopShell,
        tracer: Tracer,
        again: Again[GatewaySettings],
    ) -> None:
        self._settings, self._backends, self._shell, self._again = settings, backends, shell, again
        self._members: dict[str, Member] = {}
        shaping = read_shaping(settings.shaping.file)
        self._table = RouteTable(settings.routes, version(settings, shaping), shaping)
        self._tenants = Tenants(settings.tenants)
        self._reload = Reload(settings, again.read, LIVE, self._prepare, clock.now_ms)
        token = settings.gateway.fleet_token.reveal()
        self._hub = Hub(backends.ledger.describe, settings.events)
        self._dispatcher = Dispatcher(
            backends.ledger,
            backends.queue,
            self._hub.publish,
            self._members,
            clock,
            settings.dispatch,
            self._choice(),
            random.random,
            early=backends.early,
            recovering=backends.recovering,
            calls=lambda: self._admission.tally.so_far,
            rules=Rules(settings.verdicts),
            pool_of=self._table.sources,
            has_route=self._table.__contains__,
            by_mx=self._table.by_mx,
        )
        identity = Identity(backends.gateway_id, backends.epoch, token, settings.gateway.node_tls)
        self._fleet = Fleet(
            backends.registry,
            lambda record: GrpcNodeLink(record, identity, self._table),
            self._dispatcher,
            self._members,
            random.random,
            settings.dispatch.node_bytes,
        )
        self._housekeeping = Housekeeping(backends.ledger, backends.files, self._dispatcher.waiting, clock, settings.journal.retention)
        self._admission = Admission(
            ledger=backends.ledger, queue=backends.queue, files=backends.files, hub=self._hub, drafter=self._drafter(settings), shell=shell
        )
        self._registry_servicer = RegistryServicer(
            backends.registry, self._answers, partial(lives, token=token, tls=settings.gateway.node_tls)
        )
        self._mail_servicer = MailServicer(
            self._admission,
            backends.ledger,
            lambda tenant: Upload(backends.files, shell, self._reload.settings.limits, tenant),
            self._hub,
            shell,
            tracer,
            self._dispatcher.wait_reason,
        )
        sites = SiteOperators(
            self._dispatcher.waiting,
            self._dispatcher.sites.key,
            self._members,
            self._fleet.dialogues,
            lambda: [route.name for route in self._table.routes.values() if not route.mx],
            clock.now_ms,
            self._dispatcher.wait_reason,
        )
        servicers = Servicers(
            self._mail_servicer,
            AdminServicer(Operators(self._dispatcher, self._fleet, self._members, backends.ledger, self._shown), sites, backends.ledger),
            self._registry_servicer,
        )
        self._door = make_door(servicers, self._tenants, token, certificates=bool(settings.tls.client_ca))
        self.readers = (
            self._admission.stats,
            self._mail_servicer.stats,
            self._hub.stats,
            self._housekeeping.stats,
            lambda: stats(self._dispatcher, self._fleet, self._members),
            self._reload.stats,
            lambda: [Sample(SETTINGS_INFO, 1, {"version": self._table.version})],
        )

    async def run(self, stop: Stop) -> None:
        """Start in order, live, stop in order."""
        options = self._settings.gateway
        address = await self._door.bind(options.listen, self._settings.tls, key="gateway.listen", section="tls")
        await self._dispatcher.recover()
        async with asyncio.TaskGroup() as tasks:
            rooms = [
                tasks.create_task(self._dispatcher.run(), name="dispatch"),
                tasks.create_task(self._fleet.run(), name="fleet"),
                tasks.create_task(self._housekeeping.run(), name="housekeeping"),
                tasks.create_task(self._watch_storage(), name="storage"),
                tasks.create_task(self._recover(), name="recovery"),
                tasks.create_task(self._backends.registry.run(), name="registry"),
                tasks.create_task(self._reload.run(self._again.asked), name="settings"),
            ]
            await self._door.start()
            await self._door.serving(True)
            self._backends.registry.publish(options.advertise or address)
            log.info(
                "gateway_started",
                address=address,
                gateway=self._backends.gateway_id,
                epoch=self._backends.epoch,
                settings=self._table.version,
            )
            doubt(self._settings)
            settle_heap()
            await stop.graceful.wait()
            await self._leave(stop)
            for room in rooms:
                room.cancel()

    async def _leave(self, stop: Stop) -> None:
        """No new mail, answer who waits, let the nodes end what they have, then the streams."""
        self._admission.drain()
        self._mail_servicer.drain()
        await self._door.serving(False)
        await self._backends.registry.withdraw()
        self._hub.close()
        self._fleet.dialogues.close()
        self._dispatcher.stop_feeding()
        await self._until_idle(stop)
        await self._registry_servicer.close()
        await self._door.stop(timedelta(0) if stop.now.is_set() else CALLS)
        await self._shell.close()

    async def _until_idle(self, stop: Stop) -> None:
        try:
            async with asyncio.timeout(FINISH):
                while self._dispatcher.in_hand and not stop.now.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            log.warning("left_in_hand", jobs=self._dispatcher.in_hand)

    def _prepare(self, settings: GatewaySettings) -> Callable[[], None]:
        """All that other settings need; what puts them in force can't fail."""
        tenants, rules, shaping = Tenants(settings.tenants), Rules(settings.verdicts), read_shaping(settings.shaping.file)
        drafter, settings_version = self._drafter(settings), version(settings, shaping)

        def put() -> None:
            doubt(settings)
            changed = self._table.use(settings.routes, settings_version, shaping)
            self._tenants.become(tenants)
            self._admission.use(drafter)
            self._dispatcher.reload(changed, rules, settings.dispatch)
            log.info("settings_in_force", version=settings_version, routes=sorted(changed)[:TOLD])

        return put

    def _drafter(self, settings: GatewaySettings) -> Drafter:
        """What decides over the mails that come."""
        return Drafter(Routes(settings.routes.values()), settings.limits, encode_envelope, encode_content, self._dispatcher.sites.of)

    def _choice(self) -> Choice:
        """What nodes are chosen by, as the routes in force say."""
        ring, table = Ring(), self._table

        def key_of_route(route: str) -> KeyOf | None:
            return None if (hash_by := table.hash_by(route)) is None else key_of(hash_by, lambda envelope: Keys(*read_keys(envelope)))

        return Choice(lambda route: make_picker(table.policy(route), random.random, ring), key_of_route, ring, table.homes, table.sources)

    def _shown(self) -> SettingsView:
        return SettingsView(self._table.version, self._reload.loaded_ms, self._reload.refusal, self._reload.restart)

    async def _watch_storage(self) -> None:
        await asyncio.shield(self._backends.broken)

    async def _recover(self) -> None:
        """A stop leaves nothing to suspect once those that an earlier life left with nodes were waited for."""
        if self._backends.recovering:
            await asyncio.sleep(self._settings.dispatch.recovery_wait.total_seconds() + SETTLING)
            self._backends.recovered()

    def _answers(self, record: NodeRecord) -> bool:
        """The node of this record has a healthy stream right now."""
        member = self._members.get(record.node_id)
        return member is not None and member.boot_id == record.boot_id and member.link is not None and member.takes_jobs


def doubt(settings: GatewaySettings) -> None:
    """Say what is no mistake by itself, and hardly what was meant."""
    for each in at_odds(settings.routes):
        log.warning("settings_doubtful", key=each.key, value=each.value, cure=each.cure)
