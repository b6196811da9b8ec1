"""A host by its first address that answers: IPv4 or IPv6, one that is dead, one that is a black hole, none at all."""

from __future__ import annotations

import asyncio
import socket

import pytest

from mailgate.errors import SettingsInvalid
from mailgate.route import Relay
from sender.pool.dialer import Dialer, DialFailed
from sender.pool.reach import MOST, NO_PORT, SourceFailed, check_addresses, interleave, local, reach
from sender.pool.source import Source

V4, V6 = socket.AF_INET, socket.AF_INET6


def test_families_take_turns():
    """The system's order within each, the first address's family first; no more than MOST."""
    four, six = [(V4, (f"4.{n}", 25)) for n in range(3)], [(V6, (f"6.{n}", 25)) for n in range(2)]
    assert [address[0] for _, address in interleave([*six, *four])] == ["6.0", "4.0", "6.1", "4.1", "4.2"]
    assert [address[0] for _, address in interleave(four)] == ["4.0", "4.1", "4.2"]
    assert interleave([]) == []
    assert len(interleave([(V4, (str(n), 25)) for n in range(99)])) == MOST


class Names:
    """A host with these addresses, to the loop that runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
        async def getaddrinfo(host, port, **_):
            return [(V6 if ":" in at else V4, socket.SOCK_STREAM, 6, "", (at, number)) for at, number in addresses]

        self.getaddrinfo = getaddrinfo
        genuine = asyncio.get_running_loop()

        class Loop:
            def __getattr__(self, name: str) -> object:
                return getaddrinfo if name == "getaddrinfo" else getattr(genuine, name)

        monkeypatch.setattr("sender.pool.reach.asyncio.get_running_loop", Loop)


@pytest.fixture
def black_hole():
    """A port that takes no connection and refuses none: its backlog is full."""
    with socket.socket() as hole, socket.socket() as first, socket.socket() as second:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for filling in (first, second):
            filling.setblocking(False)
            filling.connect_ex(hole.getsockname())
        yield hole.getsockname()


async def test_by_ipv6(peer, until):
    """Where that is what the host has."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "::1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sock = await reach("::1", port)
        assert sock.getpeername()[:2] == ("::1", port)
        sock.close()


async def test_a_dead_address_costs_nothing(peer, monkeypatch):
    """Refused: the next at once."""
    async with peer() as server, peer() as gone:
        pass
    async with server:
        Names(monkeypatch, ("::1", gone.port), ("127.0.0.1", gone.port), ("127.0.0.1", server.port))
        sock = await reach("host", 0)
        assert sock.getpeername() == ("127.0.0.1", server.port)
        sock.close()


async def test_a_black_hole_does_not_hold_up_the_next(peer, monkeypatch, black_hole):
    """The system would try it for two minutes; the other address is there within the dial's time, and no task is left."""
    async with peer() as server:
        before = asyncio.all_tasks()
        Names(monkeypatch, black_hole, ("127.0.0.1", server.port))
        async with asyncio.timeout(5):
            sock = await reach("host", 0)
        assert sock.getpeername() == ("127.0.0.1", server.port)
        sock.close()
        assert not {task for task in asyncio.all_tasks() - before if "_connect" in repr(task) and "reach" in repr(task)}


async def test_none_answers(peer, monkeypatch):
    """The first one's words, in an operator's language."""
    async with peer() as gone:
        pass
    Names(monkeypatch, ("127.0.0.1", gone.port), ("127.0.0.1", gone.port))
    with pytest.raises(ConnectionRefusedError, match=r"Connection refused \(127\.0\.0\.1\)"):
        await reach("host", 0)


async def test_a_relay_that_resolves_to_nothing(route):
    """A failed dial that says which name and that it has no address."""
    mine = route(Relay("relay.invalid", 25))
    with pytest.raises(DialFailed) as caught:
        await Dialer("node.example").dial(mine, mine.relays[0], lambda _: asyncio.Protocol())
    assert caught.value.reply.text.startswith("relay.invalid:25: the name has no address")
    assert caught.value.reply.bounce_class == "dns"


async def test_a_name_without_addresses(monkeypatch):
    """As some resolvers answer."""
    Names(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        await reach("host", 0)


async def test_addresses_that_are_given_are_all_that_is_dialled(peer, monkeypatch):
    """Whatever the name leads to by now: whoever owns it may have changed it since it was judged."""
    async with peer() as server, peer() as other:
        Names(monkeypatch, ("127.0.0.1", other.port))
        sock = await reach("host", server.port, addresses=("::1", "127.0.0.1"))
        assert sock.getpeername() == ("127.0.0.1", server.port)
        sock.close()


HERE = Source("here", "mx.example.com", "127.0.0.11", "::1")
ELSEWHERE = Source("elsewhere", "mx.example.com", "192.0.2.7", "2001:db8::7")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_from_a_sources_own_address(peer, host):
    """Of the family that is dialled; the port is chosen when it connects, where the system can."""
    async with peer() as server, await asyncio.start_server(lambda _, writer: writer.close(), "::1", server.port):
        sock = await reach(host, server.port, HERE)
        assert sock.getsockname()[0] == local(HERE, sock.family) == {"127.0.0.1": "127.0.0.11", "::1": "::1"}[host]
        assert sock.family == V6 or sock.getsockopt(socket.IPPROTO_IP, NO_PORT)
        sock.close()


async def test_an_address_that_is_not_here_is_no_word_on_the_host(peer):
    """It says which source, and why."""
    async with peer() as server:
        with pytest.raises(SourceFailed, match=r"the source elsewhere can't dial from 192.0.2.7: this machine has no such address"):
            await reach("127.0.0.1", server.port, ELSEWHERE)
    assert server.sessions == []


async def test_a_source_dials_its_own_families_alone(peer, monkeypatch):
    """A host that has both is dialled by the one that the source has; of a host that has the other, that is said."""
    four, six = Source("four", "mx.example.com", address="127.0.0.11"), Source("six", "mx.example.com", address6="::1")
    async with peer() as server:
        Names(monkeypatch, ("::1", server.port), ("127.0.0.1", server.port))
        sock = await reach("host", 0, four)
        assert sock.getpeername()[0] == "127.0.0.1"
        sock.close()
        with pytest.raises(ConnectionRefusedError):
            await reach("host", 0, six)
        Names(monkeypatch, ("127.0.0.1", server.port))
        with pytest.raises(SourceFailed, match="has no IPv6 address, and the source six dials from no other"):
            await reach("host", 0, six)


async def test_one_address_that_fails_leaves_the_other(peer, monkeypatch):
    """A source whose IPv6 address is gone goes on by IPv4; where the host refuses there, it is the host that is told of."""
    half = Source("half", "mx.example.com", "127.0.0.11", "2001:db8::7")
    async with peer() as server, peer() as gone:
        Names(monkeypatch, ("::1", server.port), ("127.0.0.1", server.port))
        (await reach("host", 0, half)).close()
        Names(monkeypatch, ("::1", gone.port), ("127.0.0.1", gone.port))
    with pytest.raises(ConnectionRefusedError):
        await reach("host", 0, half)


def test_every_address_that_is_not_here_is_told_at_the_start():
    """By its key; those that are here pass."""
    check_addresses([HERE, Source("none")])
    with pytest.raises(SettingsInvalid) as caught:
        check_addresses([HERE, ELSEWHERE])
    assert [mistake.key for mistake in caught.value.mistakes] == ["sources.elsewhere.address", "sources.elsewhere.address6"]
    assert "ip address" in str(caught.value)
