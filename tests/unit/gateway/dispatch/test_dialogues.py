"""Who watches a site: nodes are told what is watched, and nobody waits for a watcher who does not read."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dispatch import dialogues as module
from gateway.dispatch.dialogues import Dialogues
from gateway.dispatch.link import Direction, TraceLine
from gateway.dispatch.member import Member
from gateway.registry.port import NodeRecord
from mailgate.errors import Unavailable
from tests.unit.gateway.dispatch.world import World
from tests.unit.virtual_time import simulate


class FakeLink:
    """Keeps what a node was told last."""

    frames = (0, 0)

    def __init__(self) -> None:
        self.wanted = None

    def trace(self, site_keys):
        self.wanted = list(site_keys)


def member(name, members):
    made = members[name] = Member(NodeRecord(name, b"b" * 16, "127.0.0.1:1", "1"), 1 << 20)
    made.link = FakeLink()
    return made


def line(text, site_key="a", lost=0):
    return TraceLine(site_key, 1, 1, "", "mx:25", Direction.SENT, text, lost)


@pytest.fixture
def members():
    found: dict[str, Member] = {}
    member("n1", found)
    member("n2", found)
    return found


async def test_nodes_are_told_what_is_watched(members):
    """All of them, or one; each list is whole; and nothing any more when the last has left."""
    dialogues = Dialogues(members)
    async with dialogues.watch("b"):
        async with dialogues.watch("a", "n1"), dialogues.watch("b"):
            assert members["n1"].link.wanted == ["a", "b"]
            assert members["n2"].link.wanted == ["b"]
        assert members["n1"].link.wanted == ["b"]
        late = member("n3", members)
        dialogues.joined(late)
        assert late.link.wanted == ["b"]
    assert [each.link.wanted for each in members.values()] == [[], [], []]


async def test_lines_go_to_those_who_want_them(members):
    """By site, and by node."""
    dialogues = Dialogues(members)
    async with dialogues.watch("a") as everything, dialogues.watch("a", "n2") as one, dialogues.watch("b") as other:
        dialogues.heard("n1", [line("1"), line("x", "b")])
        dialogues.heard("n2", [line("2")])
        assert [(told.node_id, told.line.text) for told in await everything.read()] == [("n1", "1"), ("n2", "2")]
        assert [told.line.text for told in await one.read()] == ["2"]
        assert [told.line.text for told in await other.read()] == ["x"]
        members["n1"].left("it died")
        dialogues.left(members["n1"])
        ((node_id, note),) = await everything.read()
        assert (node_id, note.direction) == ("n1", Direction.NOTE)
        assert "it died" in note.text


async def test_who_does_not_read_loses_lines_and_hears_how_many(members, monkeypatch):
    """With those that its nodes lost before."""
    monkeypatch.setattr(module, "WAITING", 3)
    dialogues = Dialogues(members)
    async with dialogues.watch("a") as slow:
        dialogues.heard("n1", [line(str(number), lost=number == 4) for number in range(6)])
        told = await slow.read()
        assert [(each.line.text, each.line.lost) for each in told] == [("0", 0), ("1", 0), ("2", 0), ("", 4)]
        dialogues.heard("n1", [line("more")])
        assert [(each.line.text, each.line.lost) for each in await slow.read()] == [("more", 0)]


async def test_it_ends_by_itself_and_with_the_gateway(members, monkeypatch):
    """After an hour nothing more comes; a gateway that stops says so, also to whom comes then."""
    monkeypatch.setattr(module, "LONGEST", 0.01)
    dialogues = Dialogues(members)
    async with dialogues.watch("a") as watcher:
        assert await watcher.read() == ()
    monkeypatch.setattr(module, "LONGEST", 60.0)
    async with dialogues.watch("a") as watcher:
        reading = asyncio.ensure_future(watcher.read())
        await asyncio.sleep(0)
        dialogues.close()
        with pytest.raises(Unavailable, match="the gateway stops"):
            await reading
        with pytest.raises(Unavailable, match="the gateway stops"):
            dialogues.watch("a")


def test_an_hour_ends_it_also_for_who_does_not_read():
    """A terminal that was stopped reads nothing, and its site's nodes must not tell for it for ever."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            node = await world.node("n1")
            async with world.fleet.dialogues.watch("a") as watcher:
                node.stream.hear(traces=(line("1"),))
                await asyncio.sleep(module.LONGEST - 10)
                assert node.stream.traced == ["a"]
                await asyncio.sleep(20)
                assert node.stream.traced == []
                assert await watcher.read() == ()

    simulate(main)


def test_a_node_that_stays_away_is_told_of_once():
    """Not each time that it is dialled in vain."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            node = await world.node("n1")
            async with world.fleet.dialogues.watch("a") as watcher:
                node.lose()
                await asyncio.sleep(60)
                assert [each.node_id for each in await watcher.read()] == ["n1"]

    simulate(main)


async def test_watchers_are_bounded(members):
    """Whoever comes too many is told so, and has a place again when one has left."""
    dialogues = Dialogues(members)
    watchers = [dialogues.watch("a") for _ in range(module.MOST)]
    with pytest.raises(Unavailable, match="20 calls"):
        dialogues.watch("a")
    async with watchers[0]:
        pass
    dialogues.watch("a")
