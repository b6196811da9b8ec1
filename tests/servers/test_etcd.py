"""The client of etcd against real ones: what is followed and kept alive outlives restarts, stops, cuts, compaction and elections.

Each of the traps that other clients fall into has its test. Times are limits, not measurements.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.peers.etcd import Cluster
from mailgate.cli.connect import located
from mailgate.cli.exits import Usage
from mailgate.cli.target import Target
from mailgate.config.secret import Secret
from mailgate.errors import SettingsInvalid, Unavailable
from mailgate.etcd.client import Etcd
from mailgate.etcd.entries import delete_if, put_if, read
from mailgate.etcd.failure import EtcdRefused, Failure
from mailgate.etcd.followed import Change, Followed
from mailgate.etcd.lease import Lease
from mailgate.etcd.options import EtcdOptions
from tests.contract.registries import SOON, etcd, until
from tests.servers.relay import Relay

PREFIX = b"/test/"
OLDEST = ["3.4", "3.5"]
LEASE = 30
"""Seconds: nobody keeps it alive while a machine is busy."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that hangs is left sooner."""
    monkeypatch.setattr("mailgate.etcd.followed.PROGRESS", 0.3)
    monkeypatch.setattr("mailgate.etcd.followed.SILENT", 1.0)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Cluster]:
    """One member."""
    with etcd(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three members."""
    with etcd(tmp_path_factory.mktemp("trio"), members=3) as found:
        yield found


@pytest.fixture
async def three(trio: Cluster) -> Cluster:
    """Three members, all of them alive, and nothing below the prefix."""
    for member in trio.members:
        if not member.alive:
            member.start()
    trio.wait_healthy()
    trio.ctl("del", "--prefix", PREFIX.decode())
    return trio


def client(endpoints: Sequence[str], **more: object) -> Etcd:
    """One that gives members half a second."""
    return Etcd(EtcdOptions(tuple(endpoints), timeout=timedelta(seconds=0.5), **more))  # type: ignore[arg-type]


async def put(asked: Etcd, key: str, value: str, lease: int = 0) -> None:
    """Whatever stands there."""
    await put_if(asked, PREFIX + key.encode(), value.encode(), lease, None, 10)


class Ear:
    """What a Followed tells."""

    def __init__(self, asked: Etcd) -> None:
        self.changes: list[tuple[str, str | None]] = []
        self.followed = Followed(asked, PREFIX, self._heard)
        self._bell = asyncio.Event()

    def _heard(self, changes: Sequence[Change], _listed: bool) -> None:
        for change in changes:
            self.changes.append((change.key[len(PREFIX) :].decode(), None if change.value is None else change.value.decode()))
        self._bell.set()

    async def until(self, *changes: tuple[str, str | None], within: float = 10.0) -> None:
        """Exactly these have come since the last time."""
        try:
            async with asyncio.timeout(within):
                while len(self.changes) < len(changes):
                    self._bell.clear()
                    await self._bell.wait()
        except TimeoutError:
            pass
        assert self.changes == list(changes), self.followed
        self.changes.clear()

    async def live(self) -> None:
        """A watch is open."""
        await until(lambda: self.followed.live)


@asynccontextmanager
async def following(asked: Etcd) -> AsyncIterator[Ear]:
    """An ear that listens."""
    ear = Ear(asked)
    task = asyncio.ensure_future(ear.followed.run())
    try:
        await ear.live()
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("release", OLDEST)
async def test_a_watch_goes_on_after_kill_9(tmp_path: Path, release: str):
    """From the last revision seen: nothing twice, nothing missed, nothing listed anew; what lived by a lease is still there."""
    with etcd(tmp_path, release) as found:
        async with client(found.endpoints) as asked, following(asked) as ear:
            lease = await asked.grant(timedelta(seconds=LEASE))
            await put(asked, "a", "1", lease.id)
            await ear.until(("a", "1"))
            found.members[0].kill()
            with pytest.raises(Unavailable):
                await read(asked, PREFIX, 0.3)
            found.start()
            assert await asked.keep_alive(lease.id, SOON) > 0
            await put(asked, "b", "2")
            await ear.until(("b", "2"))
            assert ear.followed.lists == 1


@pytest.mark.parametrize("release", OLDEST)
async def test_compaction_while_cut_off_misses_nothing(tmp_path: Path, release: str):
    """A watch from a revision that is forgotten is cancelled, its stream stays open and silent: all is listed, and what differs is told."""
    with etcd(tmp_path, release) as found:
        async with Relay(found.ports[0]) as relay, client([relay.address]) as asked, client(found.endpoints) as other:
            await put(other, "kept", "1")
            await put(other, "gone", "1")
            await put(other, "changed", "1")
            async with following(asked) as ear:
                ear.changes.clear()
                await relay.cut()
                await delete_if(other, PREFIX + b"gone", b"1")
                await put(other, "changed", "2")
                await put(other, "changed", "3")
                await put(other, "new", "1")
                _, revision = await read(other, PREFIX)
                await other.compact(revision)
                await relay.mend()
                await ear.until(("gone", None), ("changed", "3"), ("new", "1"))
                assert ear.followed.lists == 2
                await ear.live()
                await put(other, "new", "2")
                await ear.until(("new", "2"))


async def test_a_cut_without_compaction_is_told_in_order(alone: Cluster):
    """Every change, also those that were undone meanwhile: nothing is listed."""
    async with Relay(alone.ports[0]) as relay, client([relay.address]) as asked, client(alone.endpoints) as other, following(asked) as ear:
        await relay.cut()
        for number in range(3):
            await put(other, "a", str(number))
        await relay.mend()
        await ear.until(("a", "0"), ("a", "1"), ("a", "2"))
        assert ear.followed.lists == 1


async def test_a_member_that_hangs_is_left(three: Cluster):
    """SIGSTOP of the one that is asked: the watch goes on at another, the lease lives, calls are answered."""
    order = three.endpoints
    async with client(order) as asked, client(order[1:]) as other, following(asked) as ear:
        lease = await asked.grant(timedelta(seconds=LEASE))
        three.signal(0, signal.SIGSTOP)
        try:
            assert await asked.keep_alive(lease.id, SOON) > 0
            await put(other, "a", "1")
            await ear.until(("a", "1"), within=SOON)
            assert ear.followed.lists == 1
        finally:
            three.signal(0, signal.SIGCONT)


async def test_one_that_hangs_and_goes_on(alone: Cluster):
    """With nobody else to ask: it is left, and asked again until it answers."""
    async with client(alone.endpoints) as asked, following(asked) as ear:
        alone.signal(0, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable, match="etcd does not answer"):
                await read(asked, PREFIX, 1)
            await until(lambda: not ear.followed.live)
        finally:
            alone.signal(0, signal.SIGCONT)
        await put(asked, "a", "1")
        await ear.until(("a", "1"))


async def test_an_election_changes_nothing(three: Cluster):
    """The leader is killed: what is put arrives, once, and leases live."""
    async with client(three.endpoints) as asked, following(asked) as ear:
        lease = await asked.grant(timedelta(seconds=LEASE))
        await put(asked, "a", "1", lease.id)
        await ear.until(("a", "1"))
        three.members[three.leader()].kill()
        assert await asked.keep_alive(lease.id, SOON) > 0
        await put(asked, "b", "1")
        await ear.until(("b", "1"))
        assert ear.followed.lists == 1


async def test_a_member_without_a_leader_ends_the_watch(three: Cluster):
    """It would tell nothing: `hasleader` has it end the stream. Nobody can be asked then, and all can when there is a leader again."""
    async with client(three.endpoints[:1]) as asked, following(asked) as ear:
        for number in (1, 2):
            three.members[number].kill()
        await until(lambda: not ear.followed.live)
        with pytest.raises(Unavailable):
            await read(asked, PREFIX, 1)
        for number in (1, 2):
            three.members[number].start()
        await put(asked, "a", "1")
        await ear.until(("a", "1"))


async def test_a_cluster_made_anew_is_believed(alone: Cluster):
    """Its revisions are lower: a watch from one of its future would be silent. What was there is told as gone."""
    async with client(alone.endpoints) as asked, following(asked) as ear:
        for number in range(5):
            await put(asked, f"k{number}", "1")
        await ear.until(*[(f"k{number}", "1") for number in range(5)])
        alone.members[0].kill()
        alone.wipe()
        alone.start()
        await put(asked, "k0", "2")
        await until(lambda: ear.followed.entries == {PREFIX + b"k0": b"2"})
        assert set(ear.changes) >= {(f"k{number}", None) for number in range(1, 5)} | {("k0", "2")}


def left(cluster: Cluster, lease: int) -> int:
    """Seconds that etcd says a lease has."""
    return int(cluster.ctl("lease", "timetolive", f"{lease:x}").partition("remaining(")[2].partition("s)")[0])


async def test_a_lease_is_kept_and_granted_anew(alone: Cluster, monkeypatch: pytest.MonkeyPatch):
    """It has its whole time again and again; revoked by somebody, its answer has no time left: another is granted and told."""
    monkeypatch.setattr("mailgate.etcd.lease.PART", LEASE / 3)
    granted: list[int] = []
    async with client(alone.endpoints) as asked:
        lease = Lease(asked, timedelta(seconds=LEASE), granted.append)
        task = asyncio.ensure_future(lease.run())
        first = await lease.there(5)
        await put(asked, "a", "1", first)
        await until(lambda: left(alone, first) < LEASE - 1)
        await until(lambda: left(alone, first) >= LEASE - 1)
        assert (await read(asked, PREFIX + b"a"))[0] is not None
        assert granted == [first]
        await asked.revoke(first)
        await asked.revoke(first)
        with pytest.raises(EtcdRefused) as refused:
            await put(asked, "a", "1", first)
        assert refused.value.kind is Failure.NO_LEASE
        lease.doubt(first)
        await until(lambda: len(granted) == 2)
        assert await asked.keep_alive(await lease.there(5)) > 0
        assert await asked.keep_alive(first) <= 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("release", OLDEST)
async def test_a_user_and_its_tokens(tmp_path: Path, release: str, monkeypatch: pytest.MonkeyPatch):
    """A token that etcd takes no more (users changed, etcd restarted) is renewed, for calls and watches; a wrong password is told."""
    with etcd(tmp_path, release) as found:
        found.ctl("user", "add", "root:rootpw")
        found.ctl("user", "add", "gate:secret")
        found.ctl("role", "add", "gate")
        found.ctl("role", "grant-permission", "gate", "readwrite", "/test/", "--prefix")
        found.ctl("user", "grant-role", "gate", "gate")
        found.ctl("user", "grant-role", "root", "root")
        found.ctl("auth", "enable")
        async with client(found.endpoints) as nobody, client(found.endpoints, username="gate", password=Secret("guess")) as wrong:
            for asked, kind in ((nobody, Failure.NO_USER), (wrong, Failure.CREDENTIALS)):
                with pytest.raises(EtcdRefused) as refused:
                    await read(asked, PREFIX)
                assert refused.value.kind is kind
        for name, value in (("USERNAME", "gate"), ("PASSWORD", "guess"), ("PASSWORD", "secret")):
            monkeypatch.setenv(f"MAILGATE_ETCD_{name}", value)
            with pytest.raises((Usage, SettingsInvalid), match="MAILGATE_ETCD_PASSWORD"):
                await located(Target(f"etcd://{found.endpoints[0]}/else", ""))
        async with client(found.endpoints, username="gate", password=Secret("secret")) as asked, following(asked) as ear:
            with pytest.raises(EtcdRefused) as refused:
                await read(asked, b"/else")
            assert refused.value.kind is Failure.FORBIDDEN
            await put(asked, "a", "1")
            found.ctl("--user", "root:rootpw", "user", "add", "other:x")
            await put(asked, "b", "1")
            found.members[0].kill()
            found.start()
            await put(asked, "c", "1")
            await ear.until(("a", "1"), ("b", "1"), ("c", "1"))
            assert await asked.keep_alive((await asked.grant(timedelta(seconds=LEASE))).id) > 0


async def test_a_user_where_etcd_has_none(alone: Cluster):
    """It is not shown: etcd would refuse every call."""
    async with client(alone.endpoints, username="gate", password=Secret("secret")) as asked, following(asked) as ear:
        await put(asked, "a", "1")
        await ear.until(("a", "1"))
