"""Several gateways over one etcd: who takes over what, what a death, a cut and a wiped cluster change, and what is told at the start."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import structlog.testing

from benchmarks.peers.etcd import Cluster
from benchmarks.peers.postfix import make_certificate
from gateway.registry.etcd.drains import Drains
from gateway.registry.etcd.options import RegistryOptions
from gateway.registry.etcd.registry import EtcdRegistry, open_registry
from gateway.registry.port import Drain
from mailgate.config.secret import Secret
from mailgate.errors import SettingsInvalid, Unavailable
from mailgate.etcd.client import Etcd
from mailgate.etcd.entries import Entry, delete_if, put_if, read
from mailgate.etcd.naming import encode as encode_address
from mailgate.telemetry import names
from tests.contract.registries import SOON, TTL, Watched, etcd, ids, node, options, running, until
from tests.servers.relay import Relay

_prefixes = (f"/fleet{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One member for the tests that do it no harm, each below a prefix of its own."""
    with etcd(tmp_path_factory.mktemp("etcd")) as found:
        yield found


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Cluster]:
    """One member of this test's own."""
    with etcd(tmp_path) as found:
        yield found


@pytest.fixture
async def fleet(shared: Cluster) -> AsyncIterator[tuple[EtcdRegistry, EtcdRegistry]]:
    """Two gateways."""
    prefix = next(_prefixes)
    async with running(options(shared.endpoints, prefix), "g1") as a, running(options(shared.endpoints, prefix), "g2") as b:
        yield a, b


async def there(registry: EtcdRegistry, key: bytes) -> Entry:
    """What stands at a key, as soon as something does."""
    async with asyncio.timeout(SOON):
        while True:
            entry, _ = await read(registry.etcd, key)
            if entry is not None:
                return entry
            await asyncio.sleep(0.01)


def count(registry: EtcdRegistry, metric: names.Metric) -> float:
    """What it tells telemetry."""
    return sum(sample.value for sample in registry.stats() if sample.metric is metric)


async def test_what_one_registers_all_see(fleet: tuple[EtcdRegistry, EtcdRegistry]):
    """And what it removes."""
    a, b = fleet
    async with Watched(b) as watched:
        stored = await a.register(node("n"))
        await watched.until(lambda records: records == (stored,))
        assert await b.find("n") == stored
        await a.remove(stored)
        await watched.until(lambda records: not records)


async def test_a_node_moves_to_another_gateway_without_a_gap(fleet: tuple[EtcdRegistry, EtcdRegistry]):
    """Its first gateway's later word, that the stream broke or that the node leaves, changes nothing; nor does that gateway's death."""
    a, b = fleet
    async with Watched(a) as watched:
        first = await a.register(node("n"))
        told = asyncio.ensure_future(a.replaced(first))
        await watched.until(lambda records: records == (first,))
        second = await b.register(node("n"))
        await asyncio.wait_for(told, SOON)
        await a.remove(first)
        await a.release(first)
        await watched.until(lambda records: records == (second,))
        await a._holding._lease.revoke(SOON)  # a's death, as etcd sees it
        await asyncio.sleep(0.3)
        seen = watched.lists[[ids(records) for records in watched.lists].index(["n"]) :]
        assert all(ids(records) == ["n"] for records in seen)
        assert await a.find("n") == second


async def test_entries_outlive_a_killed_gateway_by_its_lease(shared: Cluster):
    """Those that no other has taken over meanwhile."""
    prefix = next(_prefixes)
    async with AsyncExitStack() as dying, running(options(shared.endpoints, prefix), "g2") as b, Watched(b) as watched:
        a = await dying.enter_async_context(running(options(shared.endpoints, prefix, TTL), "g1"))
        await a.register(node("left"))
        await a.register(node("moved"))
        await watched.until(lambda records: len(records) == 2)
        await dying.aclose()
        moved = await b.register(node("moved"))
        await watched.until(lambda records: records == (moved,), TTL + SOON)
        assert [ids(records) for records in watched.lists[-2:]] == [["left", "moved"], ["moved"]]


async def test_a_hung_gateway_undoes_nothing(shared: Cluster):
    """Its lease ran out, one node went to another gateway, one left for good by way of it; then it goes on, and tells who was replaced."""
    prefix = next(_prefixes)
    async with running(options(shared.endpoints, prefix), "g2") as b, open_registry(options(shared.endpoints, prefix, TTL), "g1") as a:
        task = asyncio.ensure_future(a.run())
        kept, moved, left = [await a.register(node(name)) for name in ("kept", "moved", "left")]
        told = [asyncio.ensure_future(a.replaced(record)) for record in (kept, moved, left)]
        task.cancel()  # it hangs
        await asyncio.gather(task, return_exceptions=True)
        async with Watched(b) as watched:
            await watched.until(lambda records: not records or len(records) == 3)
            await b.remove(await b.register(node("left")))
            now = await b.register(node("moved"))
            await until(lambda: len(b._followed.entries) == 1, TTL + SOON)
            task = asyncio.ensure_future(a.run())
            await watched.until(lambda records: set(records) == {kept, now}, SOON)
            await asyncio.sleep(0.3)
            assert set(watched.now) == {kept, now}
        assert [each.done() for each in told] == [False, True, True]
        for each in (*told, task):
            each.cancel()
        await asyncio.gather(*told, task, return_exceptions=True)


async def test_while_etcd_is_away(alone: Cluster, monkeypatch: pytest.MonkeyPatch):
    """Known nodes stay, a registration is told to come again, what leaves goes later; then all is as it was."""
    async with running(options(alone.endpoints, timeout=timedelta(milliseconds=300))) as registry, Watched(registry) as watched:
        stays, leaves = await registry.register(node("stays")), await registry.register(node("leaves"))
        await watched.until(lambda records: len(records) == 2)
        before = len(watched.lists) - 1
        alone.members[0].kill()
        monkeypatch.setattr("gateway.registry.etcd.registry.ANSWER", 0.5)
        with pytest.raises(Unavailable, match="etcd does not answer"):
            await registry.register(node("new"))
        with pytest.raises(Unavailable, match="etcd does not answer"):
            await registry.find("stays")
        await registry.remove(leaves)
        assert len(watched.now) == 2
        await until(lambda: count(registry, names.ETCD_LIVE) == 0)
        monkeypatch.setattr("gateway.registry.etcd.registry.ANSWER", SOON)
        alone.start()
        await watched.until(lambda records: records == (stays,))
        new = await registry.register(node("new"))
        await watched.until(lambda records: set(records) == {new, stays})
        assert all("stays" in ids(records) for records in watched.lists[before:])
        assert count(registry, names.ETCD_LISTS) == 1


async def test_a_wiped_etcd_takes_no_node_away(alone: Cluster):
    """Nothing is left in it: nobody is removed, each gateway puts again what it has, and publishes itself."""
    async with (
        running(options(alone.endpoints, lease=TTL), "g1") as a,
        running(options(alone.endpoints, lease=TTL), "g2") as b,
        Watched(b) as watched,
    ):
        a.publish("127.0.0.1:1")
        stored = {await registry.register(node(name)) for registry, name in ((a, "x"), (a, "y"), (b, "z"))}
        await watched.until(lambda records: set(records) == stored)
        alone.members[0].kill()
        alone.wipe()
        before = len(watched.lists)
        alone.start()
        await until(lambda: count(a, names.ETCD_LEASES_LOST) == 1 and count(b, names.ETCD_LEASES_LOST) == 1)
        assert (await there(a, b"/mailgate/gateways/g1")).value
        for record in stored:
            await there(a, a._nodes + record.node_id.encode())
        assert all(set(records) == stored for records in watched.lists[before:])


async def test_what_is_lost_for_good_goes_in_the_end(shared: Cluster, monkeypatch: pytest.MonkeyPatch):
    """Half a fleet gone at once is kept for a while, and then believed."""
    monkeypatch.setattr("gateway.registry.etcd.registry.GRACE", 0.05)
    prefix = next(_prefixes)
    async with AsyncExitStack() as dying, running(options(shared.endpoints, prefix), "g2") as b, Watched(b) as watched:
        a = await dying.enter_async_context(running(options(shared.endpoints, prefix, TTL), "g1"))
        for name in ("x", "y"):
            await a.register(node(name))
        await watched.until(lambda records: len(records) == 2)
        await dying.aclose()
        await until(lambda: count(b, names.REGISTRY_MISSING) == 2, TTL + SOON)
        assert len(watched.now) == 2
        await watched.until(lambda records: not records, SOON)
        assert count(b, names.REGISTRY_MISSING) == 0


async def test_what_cannot_be_read_is_passed_over(fleet: tuple[EtcdRegistry, EtcdRegistry]):
    """It is counted, and told once; a node may register in its place."""
    a, b = fleet
    prefix = b._nodes
    async with Watched(b) as watched:
        with structlog.testing.capture_logs() as logs:
            await put_if(a.etcd, prefix + b"odd", b"\xff{", 0, None)
            await put_if(a.etcd, prefix + b"odd", b"\xff{", 0, None)
            await put_if(a.etcd, prefix + b"alien", json.dumps({"node_id": "somebody"}).encode(), 0, None)
            fine = await a.register(node("fine"))
            await watched.until(lambda records: records == (fine,))
        told = [entry["node"] for entry in logs if entry["event"] == "registry_entry_unreadable"]
        assert sorted(told) == ["alien", "alien", "odd", "odd"], "each gateway, once"
        assert count(b, names.REGISTRY_UNREADABLE) == 2
        odd = await a.register(node("odd"))
        await watched.until(lambda records: set(records) == {fine, odd})
        await delete_if(a.etcd, prefix + b"alien", json.dumps({"node_id": "somebody"}).encode())
        await until(lambda: count(b, names.REGISTRY_UNREADABLE) == 0)


async def test_an_entry_that_somebody_deletes_is_put_again(fleet: tuple[EtcdRegistry, EtcdRegistry]):
    """By the gateway that has the node's registration."""
    a, b = fleet
    async with Watched(b) as watched:
        stored = await a.register(node("n"))
        entry, _ = await read(b.etcd, b._nodes + b"n")
        assert entry is not None
        await delete_if(b.etcd, b._nodes + b"n", entry.value)
        await watched.until(lambda records: not records)
        await watched.until(lambda records: records == (stored,))


async def test_a_gateways_own_entry_is_put_again(fleet: tuple[EtcdRegistry, EtcdRegistry]):
    """Whether somebody has deleted it, or written something else there; callers would not find the gateway else."""
    a, b = fleet
    key, value = a._gateways + b"g1", encode_address("10.0.0.1:8625")

    async def put_since(revision: int) -> int:
        async with asyncio.timeout(SOON):
            while True:
                entry = await there(b, key)
                if entry.value == value and entry.revision > revision:
                    return entry.revision
                await asyncio.sleep(0.01)

    a.publish("10.0.0.1:8625")
    put = await put_since(0)
    await delete_if(b.etcd, key, value)
    put = await put_since(put)
    await put_if(b.etcd, key, b"other", 0, None)
    await put_since(put)
    await a.withdraw()
    assert (await read(b.etcd, key))[0] is None


async def test_a_put_whose_answer_was_lost_does_not_stay(alone: Cluster):
    """The node was told to try elsewhere: the entry that etcd has taken all the same goes."""
    async with (
        Relay(alone.ports[0]) as relay,
        running(options([relay.address], lease=TTL, timeout=timedelta(milliseconds=200))) as registry,
    ):
        await registry.register(node("first"))
        answers, put = [], registry.etcd.txn

        async def cut_off(*arguments: object) -> object:
            answers.append(await put(*arguments))  # type: ignore[arg-type]
            raise Unavailable("the answer was lost")

        registry.etcd.txn = cut_off  # type: ignore[method-assign,assignment]
        with pytest.raises(Unavailable, match="lost"):
            await registry.register(node("n"))
        registry.etcd.txn = put  # type: ignore[method-assign]
        assert answers[0].succeeded  # type: ignore[attr-defined]
        async with Watched(registry) as watched:
            await watched.until(lambda records: ids(records) == ["first", "n"])
            await watched.until(lambda records: ids(records) == ["first"], TTL + SOON)


async def test_a_gateway_is_found_in_the_format_of_the_resolver_for_go(fleet: tuple[EtcdRegistry, EtcdRegistry]):
    """A key of its own below the prefix, under its lease; gone when it stops."""
    a, _ = fleet
    key = a._gateways + b"g1"
    a.publish("gateway-a:8625")
    entry = await there(a, key)
    assert json.loads(entry.value) == {"Op": 0, "Addr": "gateway-a:8625", "Metadata": None}
    assert entry.lease != 0
    await a.withdraw()
    assert (await read(a.etcd, key))[0] is None


# Drains


async def test_what_was_said_here_outlasts_what_was_heard_late(shared: Cluster):
    """A gateway does not hear what etcd tells for a while. Its drain stays one meanwhile, and is over when another gateway ended it."""
    prefix = f"{next(_prefixes)}/".encode()
    seen: list[dict[str, Drain]] = []
    async with Etcd(options(shared.endpoints)) as asked:
        other = Drains(asked, prefix, lambda: None, random.random)
        late = Drains(asked, prefix, lambda: seen.append(dict(late.nodes)), random.random)
        await other.put("x", Drain("before", 1), SOON)
        await late.put("a", Drain("kernel", 2), SOON)
        await late.put("b", Drain("disk", 3), SOON)
        await other.put("y", Drain("after", 4), SOON)
        assert await other.delete("b", SOON)
        assert await late.delete("x", SOON)
        assert not await late.delete("x", SOON)
        assert late.nodes == {"a": Drain("kernel", 2), "b": Drain("disk", 3)}
        task = asyncio.ensure_future(late.run())
        await until(lambda: late.nodes == {"a": Drain("kernel", 2), "y": Drain("after", 4)})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await other.put("z", Drain("between", 5), SOON)
        await late.put("c", Drain("fan", 6), SOON)
        await late.put("d", Drain("fan", 7), SOON)
        assert await other.delete("c", SOON)
        seen.clear()
        task = asyncio.ensure_future(late.run())
        await until(lambda: late.nodes.keys() == {"a", "y", "z", "d"})
        assert all("d" in told for told in seen), seen
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_of_two_words_at_once_both_gateways_know_the_last(shared: Cluster):
    """One drains and one resumes, again and again: in the end both have what etcd has."""
    prefix = next(_prefixes)
    async with running(options(shared.endpoints, prefix), "g1") as a, running(options(shared.endpoints, prefix), "g2") as b:
        for number in range(30):
            await a.drain("n", Drain("before", number))
            await asyncio.gather(a.drain("n", Drain("after", number)), b.resume("n"))
        drained = (await read(a.etcd, f"{prefix}/drains/n".encode()))[0] is not None
        await until(lambda: ("n" in a.drains, "n" in b.drains) == (drained, drained))


async def test_what_was_said_to_an_etcd_that_is_gone_does_not_outlast_it(alone: Cluster):
    """A gateway resumed a node that was not drained, at a revision that the store made anew has not yet: it heeds others' drains."""
    async with running(options(alone.endpoints), "g1") as a, running(options(alone.endpoints), "g2") as b:
        for number in range(20):
            await b.drain("other", Drain("again", number))
        await b.resume("other")
        await until(lambda: not a.drains)
        for number in range(20):
            await put_if(a.etcd, b"/elsewhere", str(number).encode(), 0, None)
        assert not await a.resume("n")
        alone.members[0].kill()
        alone.wipe()
        alone.start()
        await until(lambda: count(a, names.ETCD_LIVE) == 1 and count(b, names.ETCD_LIVE) == 1)
        await b.drain("n", Drain("kernel", 2))
        await until(lambda: a.drains == b.drains == {"n": Drain("kernel", 2)})


# At the start


async def refused(chosen: RegistryOptions) -> str:
    """The key of the settings that is told to be wrong."""
    with pytest.raises(SettingsInvalid) as error:
        async with open_registry(chosen, "g1"):
            pass
    (mistake,) = error.value.mistakes
    assert "secret" not in str(mistake)
    return mistake.key


async def test_who_may_not_in_is_told_which_key_is_wrong(alone: Cluster):
    """Before anything else starts; a user who may reads and writes below the prefix alone."""
    for command in (
        ("user", "add", "root:rootpw"),
        ("user", "add", "gate:secret"),
        ("user", "add", "reader:secret"),
        ("role", "add", "gate"),
        ("role", "add", "reader"),
        ("role", "grant-permission", "gate", "readwrite", "/mailgate/", "--prefix"),
        ("role", "grant-permission", "reader", "read", "/mailgate/", "--prefix"),
        ("user", "grant-role", "gate", "gate"),
        ("user", "grant-role", "reader", "reader"),
        ("user", "grant-role", "root", "root"),
        ("auth", "enable"),
    ):
        alone.ctl(*command)
    assert await refused(options(alone.endpoints)) == "etcd.username"
    assert await refused(options(alone.endpoints, username="gate", password=Secret("secret2"))) == "etcd.password"
    assert await refused(options(alone.endpoints, username="reader", password=Secret("secret"))) == "etcd.username"
    assert await refused(options(alone.endpoints, "/other", username="gate", password=Secret("secret"))) == "etcd.username"
    async with running(options(alone.endpoints, username="gate", password=Secret("secret"))) as registry, Watched(registry) as watched:
        stored = await registry.register(node("n"))
        await watched.until(lambda records: records == (stored,))
        await registry.remove(stored)


async def test_tls_and_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Members are believed by their authority alone, and may ask for a certificate of ours."""
    monkeypatch.setattr("gateway.registry.etcd.registry.START", 1.0)
    make_certificate(tmp_path)
    make_certificate(tmp_path / "other")
    certificate, key, stranger = tmp_path / "certificate.pem", tmp_path / "key.pem", tmp_path / "other" / "certificate.pem"
    made = Cluster(tmp_path / "etcd", tls=(certificate, key, certificate), mutual=True)
    try:
        made.start()
        endpoints = [f"https://{endpoint}" for endpoint in made.endpoints]
        pair = {"certificate": str(certificate), "key": str(key)}
        async with running(options(endpoints, ca=str(certificate), **pair)) as registry, Watched(registry) as watched:
            stored = await registry.register(node("n"))
            await watched.until(lambda records: records == (stored,))
        assert await refused(options(endpoints, ca=str(stranger), **pair)) == "etcd.ca"
        with structlog.testing.capture_logs() as logs:
            async with open_registry(options(endpoints, ca=str(certificate), timeout=timedelta(milliseconds=300)), "g1"):
                pass
        assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["etcd_not_reached"]
    finally:
        made.kill()


async def test_a_gateway_starts_without_etcd(alone: Cluster, monkeypatch: pytest.MonkeyPatch):
    """It says so, and has the nodes as soon as etcd is there."""
    monkeypatch.setattr("gateway.registry.etcd.registry.ANSWER", 0.5)
    monkeypatch.setattr("gateway.registry.etcd.registry.START", 0.5)
    alone.signal(0, signal.SIGSTOP)
    try:
        with structlog.testing.capture_logs() as logs:
            async with running(options(alone.endpoints, timeout=timedelta(milliseconds=300))) as registry:
                assert "etcd_not_reached" in [entry["event"] for entry in logs]
                with pytest.raises(Unavailable):
                    await registry.register(node("n"))
                monkeypatch.setattr("gateway.registry.etcd.registry.ANSWER", SOON)
                alone.signal(0, signal.SIGCONT)
                async with Watched(registry) as watched:
                    stored = await registry.register(node("n"))
                    await watched.until(lambda records: records == (stored,))
    finally:
        alone.signal(0, signal.SIGCONT)
