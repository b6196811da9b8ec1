"""Exim 4: it offers all that we speak, and breaks off by its own rules. What arrived is compared octet by octet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.peers.exim import LOGIN, Exim, exim
from benchmarks.peers.process import wait_until
from mailgate.route import Relay, TlsMode
from mailgate.verdict import Outcome, Phase
from sender.pool.tls import CertificateOptions
from tests.servers.caller import account_of_a_kill, calling, handoff, outcomes, route_to
from tests.servers.conftest import demand
from tests.servers.letters import letter, named, sorts

DELIVERED, DEFERRED, BOUNCED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED, Outcome.IN_DOUBT
WAYS = pytest.mark.parametrize(
    ("pipelining", "chunking"), [(True, True), (True, False), (False, True), (False, False)], ids=["both", "data", "lone chunks", "neither"]
)


@pytest.fixture(scope="module")
def server() -> Iterator[Exim]:
    """One for all tests that do not disturb it."""
    demand("exim")
    with exim() as running:
        yield running


def arrived(server: Exim, *names: str) -> dict[str, bytes]:
    """The mails of these names: each is there once."""
    wait_until(lambda: set(names) <= set(named(server.mails())), f"some never came: {server.story()[-3000:]}", 15)
    found = named(server.mails())
    assert {name: len(found[name]) for name in names} == dict.fromkeys(names, 1)
    return {name: found[name][0] for name in names}


@WAYS
async def test_all_sorts_of_mail_over_one_connection(server: Exim, pipelining: bool, chunking: bool) -> None:
    """One behind the other, as closely as the server allows: all are taken, and not an octet is changed."""
    mails = sorts(f"sorts-{pipelining}-{chunking}")
    async with calling(route_to(server.port, pipelining=pipelining, chunking=chunking)) as caller:
        for tried in await caller.send_all(*(handoff(message, "b@example.net") for message in mails.values())):
            assert outcomes(tried) == [(DELIVERED, 250)]
        assert caller.counts.dialled == 1
        assert (caller.followed > 0) == pipelining
    assert arrived(server, *mails) == mails


@WAYS
async def test_refused_in_part_in_whole_and_withdrawn(server: Exim, pipelining: bool, chunking: bool) -> None:
    """Each recipient has its own reply, of three lines too; the connection lives on, but where DATA had its 354 and was withdrawn."""
    prefix = f"refused-{pipelining}-{chunking}"
    async with calling(route_to(server.port, pipelining=pipelining, chunking=chunking)) as caller:
        some = await caller.send(letter(f"{prefix}-some"), "refused@example.net", "b@example.net", "later@example.net", "c@example.net")
        assert outcomes(some) == [(BOUNCED, 550), (DELIVERED, 250), (DEFERRED, 451), (DELIVERED, 250)]
        assert some is not None
        (refusal,) = [one.reply for one in some.recipients if one.outcome is BOUNCED]
        assert (refusal.phase, refusal.enhanced_code, refusal.bounce_class) == (Phase.RCPT, "5.1.1", "unknown_user")
        assert refusal.text == "nobody is called refused here we have looked in every corner"
        none = await caller.send(letter(f"{prefix}-none"), "refused@example.net", "later@example.net")
        assert outcomes(none) == [(BOUNCED, 550), (DEFERRED, 451)]
        assert caller.counts.dialled == 1
        assert await caller.send(letter(f"{prefix}-withdrawn"), "b@example.net", withdraw=True) is None
        assert outcomes(await caller.send(letter(f"{prefix}-after"), "b@example.net")) == [(DELIVERED, 250)]
        assert caller.counts.dialled == (1 if chunking else 2)
    arrived(server, f"{prefix}-some", f"{prefix}-after")
    assert not {f"{prefix}-none", f"{prefix}-withdrawn"} & set(named(server.mails()))


async def test_under_tls_with_a_login(server: Exim) -> None:
    """The certificate is believed by name, the password goes under TLS alone, and what is sent then is as whole as in clear."""
    own = {"own": CertificateOptions(ca=str(server.certificate))}
    login = {"username": LOGIN[0], "secret": "s"}
    mails = sorts("tls")
    to = route_to(server.port, relays=(Relay("localhost", server.port),), tls=TlsMode.REQUIRED, certificates="own", **login)
    async with calling(to, {"s": LOGIN[1]}, own) as caller:
        for tried in await caller.send_all(*(handoff(message, "b@example.net") for message in mails.values())):
            assert outcomes(tried) == [(DELIVERED, 250)]
            assert tried is not None
            assert tried.tls.startswith("TLSv1.")
    assert arrived(server, *mails) == mails
    assert f"A=plain:{LOGIN[0]}" in server.story()
    before = server.story().count("authenticator failed")
    async with calling(to, {"s": "wrong"}, own) as caller:
        trouble = await caller.trouble()
        assert (trouble.reply.phase, trouble.reply.code, trouble.reply.bounce_class) == (Phase.AUTH, 535, "auth")
    wait_until(lambda: server.story().count("authenticator failed") > before, "it heard of no login")
    assert server.story().count("authenticator failed") == before + 1


async def test_above_its_size(server: Exim) -> None:
    """Bounced without a word; the next mail takes the same connection."""
    async with calling(route_to(server.port)) as caller:
        tried = await caller.send(letter("too-large", b"x" * 76 + b"\r\n") * 90_000, "b@example.net")
        assert outcomes(tried) == [(BOUNCED, 0)]
        assert tried is not None
        assert (tried.recipients[0].reply.enhanced_code, tried.recipients[0].reply.bounce_class) == ("5.3.4", "too_large")
        assert outcomes(await caller.send(letter("size-after"), "b@example.net")) == [(DELIVERED, 250)]
        assert caller.counts.dialled == 1
    assert "too-large" not in named(server.mails())


async def test_addresses_beyond_ascii(server: Exim) -> None:
    """SMTPUTF8: both addresses as they are, and so the headers."""
    message = letter("utf8").replace(b"From: a@", "From: Jürgen <jürgen@".encode()).replace(b"example.com\r\nDate", b"example.com>\r\nDate")
    async with calling(route_to(server.port)) as caller:
        tried = await caller.send(message, "zoë@exämple.net", sender="jürgen@exämple.com", utf8=True)
        assert outcomes(tried) == [(DELIVERED, 250)]
    assert arrived(server, "utf8")["utf8"] == message
    assert "zoë@exämple.net" in server.story()


async def test_it_closes_what_is_idle() -> None:
    """421 into the silence is not the answer to the next MAIL: the connection is given up, another dialled, and the mail delivered."""
    demand("exim")
    with exim("smtp_receive_timeout = 1s") as server:
        async with calling(route_to(server.port)) as caller:
            for count in (1, 2):
                assert outcomes(await caller.send(letter(f"idle-{count}"), "b@example.net")) == [(DELIVERED, 250)]
                await caller.until(lambda count=count: caller.counts.closed == count)
        arrived(server, "idle-1", "idle-2")


@pytest.mark.parametrize("pipelining", [True, False])
async def test_so_many_mails_a_connection(pipelining: bool) -> None:
    """After three it says 421 to MAIL: that mail is deferred, never lost or doubled. Twice so, and the pool knows."""
    demand("exim")
    with exim("smtp_accept_max_per_connection = 3") as server:
        async with calling(route_to(server.port, pipelining=pipelining)) as caller:
            names = [f"many-{number}" for number in range(20)]
            tried = await caller.send_all(*(handoff(letter(name), "b@example.net") for name in names))
            found = {name: outcomes(one)[0] for name, one in zip(names, tried, strict=True)}
            assert [outcome for outcome, _ in found.values() if outcome is not DELIVERED] == [DEFERRED] * 2
            assert caller.counts.dialled > 1
        taken = [name for name, (outcome, _) in found.items() if outcome is DELIVERED]
        arrived(server, *taken)
        assert set(named(server.mails())) == set(taken)


async def test_killed_amid_a_load() -> None:
    """See account_of_a_kill."""
    demand("exim")
    with exim() as server:
        await account_of_a_kill(server)
