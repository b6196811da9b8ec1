"""OpenSMTPD: neither PIPELINING nor CHUNKING nor SMTPUTF8, and in some releases a STARTTLS that comes to nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.peers.opensmtpd import OpenSmtpd, opensmtpd
from benchmarks.peers.process import wait_until
from mailgate.route import Relay, TlsMode
from mailgate.verdict import Outcome, Phase
from sender.pool.tls import CertificateOptions
from tests.servers.caller import account_of_a_kill, calling, handoff, outcomes, route_to
from tests.servers.conftest import demand
from tests.servers.letters import letter, named, sorts

DELIVERED, DEFERRED, BOUNCED = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED


@pytest.fixture(scope="module")
def server() -> Iterator[OpenSmtpd]:
    """One for all tests that do not disturb it."""
    demand("smtpd")
    with opensmtpd() as running:
        yield running


def arrived(server: OpenSmtpd, *names: str) -> dict[str, bytes]:
    """The mails of these names, without what it put on top of them: each is there once."""
    wait_until(lambda: set(names) <= set(named(server.mails())), f"some never came: {server.tail()}", 15)
    found = named(server.mails())
    assert {name: len(found[name]) for name in names} == dict.fromkeys(names, 1)
    return {name: found[name][0][found[name][0].index(b"From: ") :] for name in names}


async def test_all_sorts_of_mail_over_one_connection(server: OpenSmtpd) -> None:
    """Step by step: all are taken, and not an octet is changed but the ends of lines, as it stores them."""
    mails = sorts("sorts")
    async with calling(route_to(server.port)) as caller:
        for tried in await caller.send_all(*(handoff(message, "b@example.net") for message in mails.values())):
            assert outcomes(tried) == [(DELIVERED, 250)]
        assert caller.counts.dialled == 1
    assert arrived(server, *mails) == {name: message.replace(b"\r\n", b"\n") for name, message in mails.items()}


async def test_refused_in_part_in_whole_and_withdrawn(server: OpenSmtpd) -> None:
    """Each recipient has its own reply; the connection lives on, but where DATA had its 354 and was withdrawn."""
    async with calling(route_to(server.port)) as caller:
        some = await caller.send(letter("some"), "refused@example.net", "b@example.net", "later@example.net")
        assert outcomes(some) == [(BOUNCED, 550), (DELIVERED, 250), (DEFERRED, 451)]
        assert some is not None
        (refusal,) = [one.reply for one in some.recipients if one.outcome is BOUNCED]
        assert (refusal.phase, refusal.bounce_class) == (Phase.RCPT, "unknown_user")
        none = await caller.send(letter("none"), "refused@example.net", "later@example.net")
        assert outcomes(none) == [(BOUNCED, 550), (DEFERRED, 451)]
        assert outcomes(await caller.send(letter("between"), "b@example.net")) == [(DELIVERED, 250)]
        assert caller.counts.dialled == 1
        assert await caller.send(letter("withdrawn"), "b@example.net", withdraw=True) is None
        assert outcomes(await caller.send(letter("after"), "b@example.net")) == [(DELIVERED, 250)]
        assert caller.counts.dialled == 2
    arrived(server, "some", "between", "after")
    assert not {"none", "withdrawn"} & set(named(server.mails()))


async def test_what_it_cannot_take(server: OpenSmtpd) -> None:
    """A mail above its size, addresses beyond ASCII: bounced without a word, nothing is mangled, and the connection is kept."""
    async with calling(route_to(server.port)) as caller:
        large = await caller.send(letter("too-large", b"x" * 76 + b"\r\n") * 90_000, "b@example.net")
        for foreign in (
            await caller.send(letter("utf8"), "zoë@example.net"),
            await caller.send(letter("utf8"), "b@example.net", sender="jürgen@example.com"),
            await caller.send(letter("utf8"), "b@example.net", utf8=True),
        ):
            assert outcomes(foreign) == [(BOUNCED, 0)]
            assert foreign is not None
            assert (foreign.recipients[0].reply.enhanced_code, foreign.recipients[0].reply.bounce_class) == ("5.6.7", "unsupported")
        assert outcomes(large) == [(BOUNCED, 0)]
        assert outcomes(await caller.send(letter("taken"), "b@example.net")) == [(DELIVERED, 250)]
        assert caller.counts.dialled == 1
    arrived(server, "taken")
    assert not {"too-large", "utf8"} & set(named(server.mails()))


async def test_a_starttls_that_may_be_broken(server: OpenSmtpd) -> None:
    """Opportunistic: delivered, under TLS or, where the handshake fails, in clear. Required: under TLS or not at all."""
    async with calling(route_to(server.port, tls=TlsMode.OPPORTUNISTIC)) as caller:
        tried = await caller.send(letter("opportunistic"), "b@example.net")
        assert outcomes(tried) == [(DELIVERED, 250)]
        assert tried is not None
        works = bool(tried.tls)
    own = {"own": CertificateOptions(ca=str(server.certificate))}
    required = route_to(server.port, relays=(Relay("localhost", server.port),), tls=TlsMode.REQUIRED, certificates="own")
    async with calling(required, {}, own) as caller:
        if works:
            tried = await caller.send(letter("required"), "b@example.net")
            assert tried is not None
            assert tried.tls
        else:
            trouble = await caller.trouble()
            assert (trouble.reply.phase, trouble.reply.bounce_class) == (Phase.TLS, "tls")
    arrived(server, "opportunistic")


async def test_so_many_mails_a_connection() -> None:
    """After three it says 452 to MAIL, as often as it is asked: the mail is deferred, the connection left, and after two the pool knows."""
    demand("smtpd")
    with opensmtpd("smtp limit max-mails 3") as server:
        async with calling(route_to(server.port)) as caller:
            names = [f"many-{number}" for number in range(20)]
            tried = await caller.send_all(*(handoff(letter(name), "b@example.net") for name in names))
            found = {name: outcomes(one)[0] for name, one in zip(names, tried, strict=True)}
            assert [outcome for outcome, _ in found.values() if outcome is not DELIVERED] == [DEFERRED] * 2
        taken = [name for name, (outcome, _) in found.items() if outcome is DELIVERED]
        arrived(server, *taken)
        assert set(named(server.mails())) == set(taken)


async def test_killed_amid_a_load() -> None:
    """See account_of_a_kill."""
    demand("smtpd")
    with opensmtpd() as server:
        await account_of_a_kill(server, 150)
