"""The processes of `mailgate up`: started together, kept alive, counted, and stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from mailgate.cli.etcd import etcd_command, etcd_environment, etcd_program
from mailgate.cli.ports import HOST
from mailgate.cli.process import command
from mailgate.cli.stage import Stage
from mailgate.cli.supervise import Child, ChildFailed, rotate
from mailgate.cli.target import Target
from mailgate.cli.told import Teller
from mailgate.errors import SettingsInvalid
from mailgate.lifecycle import Again, Stop, mistakes_text

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient

POLL = 0.03
"""Seconds between two looks at whether something is ready."""

START_PATIENCE = 30.0
"""Seconds until a start counts as failed: a gateway with a full queue recovers within 3 s (measured by the benchmark)."""

COUNT_EVERY = 0.5
LOGS_EVERY = 2.0
"""Seconds between two looks at how long the logs are."""
GATEWAY_PATIENCE, SENDER_PATIENCE, INBOX_PATIENCE, ETCD_PATIENCE = 20.0, 35.0, 5.0, 10.0
"""Seconds that each may take to stop. A sender drains for 30 s by default."""


class Family:
    """See the module."""

    def __init__(
        self, prepared: Stage, senders: int, teller: Teller, environ: Mapping[str, str], again: Again[Stage] | None = None
    ) -> None:
        """`again`: asked for, it writes the children's settings anew; they then read them."""
        self._stage, self._again = prepared, again
        self._teller = teller
        ports = prepared.ports
        self._etcd = self._etcd_child(environ) if prepared.etcd else None
        self._inbox = self._child("inbox", self._inbox_command(), environ) if prepared.inbox else None
        self._gateway = self._child("gateway", command("gateway"), environ, MAILGATE_TELEMETRY__LISTEN=f"{HOST}:{ports.metrics}")
        self._senders = [
            self._child(
                f"sender-{number}", command("sender"), environ, MAILGATE_SENDER__ID=f"sender-{number}", MAILGATE_TELEMETRY__LISTEN=""
            )
            for number in range(1, senders + 1)
        ]

    @property
    def children(self) -> list[Child]:
        """In the order in which they start."""
        first = [child for child in (self._etcd, self._inbox) if child is not None]
        return [*first, self._gateway, *self._senders]

    @property
    def pids(self) -> dict[str, int | None]:
        """Of those that run, by name."""
        return {child.name: child.pid for child in self.children}

    async def run(self, stop: Stop, ready: Callable[[], None]) -> None:
        """Start all, call `ready` when mail can be sent, keep them until `stop`, then stop them in order.

        Raises:
            ChildFailed: one ended before all were ready.
        """
        for child in self.children:
            rotate(child.log)
        try:
            # Before gRPC exists in this process: it does not like to be forked.
            await asyncio.gather(*(child.start() for child in self.children))
            there = Target(self._stage.address, self._stage.key)
            async with there.client() as client:
                if await self._until(stop, self._begin(client)):
                    ready()
                    await self._until(stop, self._life(client))
            await self._leave(stop)
        finally:
            for child in self.children:
                child.kill()
            await asyncio.gather(*(child.gone() for child in self.children))

    async def _until(self, stop: Stop, work: Coroutine[Any, Any, object]) -> bool:
        """Whether the work ended before somebody asked to stop; it is cancelled then."""
        asked, working = asyncio.ensure_future(stop.graceful.wait()), asyncio.ensure_future(work)
        await asyncio.wait([asked, working], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if working.done():
            working.result()
            return True
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return False

    async def _begin(self, client: GatewayClient) -> None:
        """Until etcd and the gateway serve, the inbox takes mail and every sender is ready."""
        deaths = {asyncio.ensure_future(child.ended()): child for child in self.children}
        opening = asyncio.ensure_future(self._opened(client))
        try:
            done, _ = await asyncio.wait({opening, *deaths}, return_when=asyncio.FIRST_COMPLETED, timeout=START_PATIENCE)
            for death, child in deaths.items():
                if death in done:
                    raise ChildFailed(f"the {child.name} {death.result()} at its start:\n{child.last_words()}".rstrip())
            if not done:
                words = "\n".join(f"{child.name}: {child.last_words()}" for child in self.children)
                raise ChildFailed(f"not ready after {START_PATIENCE:g} s; logs are in {self._stage.logs}:\n{words}")
            opening.result()
        finally:
            for task in (opening, *deaths):
                task.cancel()
            await asyncio.gather(opening, *deaths, return_exceptions=True)

    async def _opened(self, client: GatewayClient) -> None:
        from mailgate.client.views import NodeState

        for port in (self._stage.ports.etcd, self._stage.ports.inbox, self._stage.ports.gateway):
            if port:
                await _port_open(port)
        while not await client.serving():  # noqa: ASYNC110 - nobody would tell us
            await asyncio.sleep(POLL)
        while sum(node.state is NodeState.READY for node in await client.nodes()) < len(self._senders):  # noqa: ASYNC110
            await asyncio.sleep(POLL)

    async def _life(self, client: GatewayClient) -> None:
        async with asyncio.TaskGroup() as group:
            for child in self.children:
                group.create_task(child.keep())
            group.create_task(self._count(client))
            group.create_task(self._bound_logs())
            if self._again is not None:
                group.create_task(self._reload(self._again))

    async def _reload(self, again: Again[Stage]) -> None:
        while True:
            await again.asked.wait()
            again.asked.clear()
            try:
                self._stage = await asyncio.to_thread(again.read)
            except SettingsInvalid as error:
                text = mistakes_text(error).rstrip()
                self._teller.say(
                    f"not read again, and nothing has changed: {text}", event="refused", mistakes=list(map(str, error.mistakes))
                )
                continue
            for child in (self._gateway, *self._senders):
                child.hang_up()
            self._teller.say("settings read again: `mailgate nodes` shows what is in force", event="reloaded")

    async def _count(self, client: GatewayClient) -> None:
        from mailgate.cli.counts import Counter

        counter = Counter(client, HOST, self._stage.ports.metrics)
        while True:
            self._teller.counts(await counter.ask())
            await asyncio.sleep(COUNT_EVERY)

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(LOGS_EVERY)
            for child in self.children:
                await asyncio.to_thread(child.bound_log)

    async def _leave(self, stop: Stop) -> None:
        last = ", then etcd" if self._etcd else ""
        self._teller.say(f"stopping: the gateway, then the senders, then the inbox{last} (Ctrl-C again: at once)", event="stopping")
        orderly, at_once = asyncio.ensure_future(self._in_order()), asyncio.ensure_future(stop.now.wait())
        await asyncio.wait([orderly, at_once], return_when=asyncio.FIRST_COMPLETED)
        if not orderly.done():
            for child in self.children:
                child.kill()
        at_once.cancel()
        await orderly
        self._teller.say("stopped; what was accepted and not yet sent goes on at the next start", event="stopped")

    async def _in_order(self) -> None:
        await self._gateway.stop(GATEWAY_PATIENCE)
        await asyncio.gather(*(sender.stop(SENDER_PATIENCE) for sender in self._senders))
        if self._inbox:
            await self._inbox.stop(INBOX_PATIENCE)
        if self._etcd:
            await self._etcd.stop(ETCD_PATIENCE)

    def _child(self, name: str, words: list[str], environ: Mapping[str, str], **own: str) -> Child:
        environment = self._stage.environment(environ, **own)
        return Child(name, words, environment, self._stage.logs / f"{name}.log", self._teller.child)

    def _etcd_child(self, environ: Mapping[str, str]) -> Child:
        words = etcd_command(etcd_program(), self._stage.data, self._stage.ports)
        return Child("etcd", words, etcd_environment(environ), self._stage.logs / "etcd.log", self._teller.child)

    def _inbox_command(self) -> list[str]:
        ports = self._stage.ports
        flags = ["--inbox-port", str(ports.inbox), "--inbox-smtp-port", str(ports.inbox_smtp)]
        return [*command("mailgate.cli"), "inbox", "serve", *flags]


async def _port_open(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(POLL)
            continue
        writer.close()
        return
