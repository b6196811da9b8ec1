"""Callers find gateways in etcd and follow them: the SDK and the command line, with real gateways."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.peers.etcd import Cluster
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import Process, free_port, wait_until
from benchmarks.peers.witness import Witness
from mailgate.client import Address, EtcdOptions, Mail, MailClient, Parts
from mailgate.errors import Unavailable
from tests.contract.registries import etcd, until

pytestmark = pytest.mark.servers

SHOP, TO = Address("shop@example.com"), (Address("a@example.net"),)


@dataclass
class Stage:
    """Etcd, a gateway with a node, and a second gateway that does not run yet."""

    etcd: Cluster
    fleet: Fleet
    second: Process
    address: str

    @property
    def place(self) -> str:
        """Where gateways are told."""
        return f"etcd://{','.join(self.etcd.endpoints)}/mailgate/gateways"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Started once: each test leaves it as it was."""
    folder = tmp_path_factory.mktemp("discovery")
    address = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        cluster = stack.enter_context(etcd(folder / "etcd"))
        witness = stack.enter_context(Witness(folder))
        settings = {"etcd": {"endpoints": cluster.endpoints}}
        fleet = stack.enter_context(Fleet(folder / "fleet", witness.port, senders=1, settings=settings))
        second = Process(
            "second gateway",
            [sys.executable, "-m", "gateway", "--config", fleet.settings],
            folder / "second.log",
            cwd=Path(__file__).parents[2],
            env={"MAILGATE_GATEWAY__LISTEN": address, "MAILGATE_GATEWAY__DATA": str(folder / "second")},
        )
        stack.callback(second.kill)
        yield Stage(cluster, fleet, second, address)


def hello(number: int) -> Mail:
    """A mail."""
    return Mail(SHOP, to=TO, content=Parts(f"Hello {number}", text="x"))


def known(client: MailClient) -> set[str]:
    """The gateways that take calls."""
    return {gateway.address for gateway in client._gateways.all if gateway.ready}


async def test_a_client_follows_gateways_while_it_runs(stage: Stage):
    """A second one starts and gets mail, also of a stream that is open; it stops, and gets none; etcd's death changes nothing."""
    both = {stage.fleet.address, stage.address}
    async with MailClient(stage.place, KEY) as client:
        await client.send(hello(1), within=10)
        assert known(client) == {stage.fleet.address}
        more = asyncio.Event()

        async def mails() -> AsyncIterator[Mail]:
            yield hello(2)
            await more.wait()
            for number in range(40):
                yield hello(number)
                await asyncio.sleep(0.005)

        stream = client.stream(mails())
        first = await anext(stream)
        stage.second.start()
        await until(lambda: known(client) == both, 20)
        await until(lambda: sum(leg.talking for leg in stream._legs) == 2)
        more.set()
        outcomes = [first, *[outcome async for outcome in stream]]
        assert len(outcomes) == 41
        assert not [outcome for outcome in outcomes if isinstance(outcome.result, Exception)]
        stage.etcd.members[0].kill()
        stage.second.stop()
        for number in range(10):
            await client.send(hello(number), within=10)
        assert known(client) == {stage.fleet.address}
        stage.etcd.start()
    async with MailClient(stage.place, KEY) as client:
        await client.send(hello(3), within=15)


async def test_nobody_is_told(stage: Stage):
    """Another prefix, or no etcd: no mail is stored, and the error says where was looked and why in vain."""
    async with MailClient(stage.place.replace("mailgate", "nothing"), KEY) as client:
        with pytest.raises(Unavailable, match=r"none of etcd://.*/nothing/gateways\)"):
            await client.send(hello(1), within=0.5)
        with pytest.raises(Unavailable, match="no gateway is known"):
            await client.get(bytes(16), within=0.3)
        with pytest.raises(Unavailable, match="no gateway was told"):
            _ = [outcome async for outcome in client.stream([hello(1)], patience=0.3)]
    quick = EtcdOptions(timeout=timedelta(milliseconds=200))
    async with MailClient(f"etcd://127.0.0.1:{free_port()}/mailgate/gateways", KEY, etcd=quick) as client:
        with pytest.raises(Unavailable, match="etcd does not answer"):
            await client.send(hello(1), within=1)


def mailgate(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A command's end."""
    command = [sys.executable, "-m", "mailgate.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "MAILGATE_KEY": KEY, **environ}
    )


def test_the_command_line_finds_a_gateway(stage: Stage):
    """By the address, or by the variable for where etcd is; and says what is missing where there is none."""
    wait_until(lambda: "Addr" in stage.etcd.ctl("get", "--prefix", "/mailgate/gateways/"), "the gateway is not told")
    where = ("--from", "a@example.com", "--to", "b@example.net", "--subject", "Hi", "--text", "x", "--address", stage.place)
    done = mailgate("send", *where)
    assert done.returncode == 0, done.stderr
    done = mailgate("nodes", "--json", MAILGATE_ADDRESS="etcd:///mailgate/gateways", MAILGATE_ETCD=",".join(stage.etcd.endpoints))
    assert done.returncode == 0, done.stderr
    assert [node["node_id"] for node in json.loads(done.stdout)["nodes"]] == ["node-a"]
    done = mailgate("nodes", "--address", stage.place.replace("mailgate", "nothing"))
    assert (done.returncode, "no gateway is told there" in done.stderr) == (3, True), done.stderr
    away = f"127.0.0.1:{free_port()}"
    done = mailgate("nodes", "--address", f"etcd://{away}/mailgate/gateways")
    told = f"mailgate: the etcd at {away} does not answer (connection refused): is it running?"
    assert (done.returncode, done.stderr.startswith(told)) == (3, True), done.stderr
