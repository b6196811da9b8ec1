"""smtp-sink as a fault machine: at each command it hangs up, says 421, refuses for now or for good, or says nothing for long.

Seen from a pool: what becomes of the mails, in which phase and of which class; that what is delivered was received, and what was not sent
was not; and that each connection that was dialled is closed or open.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.peers.process import wait_until
from benchmarks.peers.sinks import SmtpSink
from mailgate.verdict import Outcome, Phase
from tests.servers.caller import calling, handoff, outcomes, route_to
from tests.servers.conftest import demand_postfix
from tests.servers.letters import letter

DELIVERED, DEFERRED, BOUNCED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED, Outcome.IN_DOUBT
SOFT, HARD = "452 4.2.2 mailbox full", "552 5.3.4 message too large"
SWITCHES = {"drop": ["-q"], "421": ["-Q"], "soft": ["-b", SOFT, "-r"], "hard": ["-B", HARD, "-f"], "delay": ["-W"]}
BRISK = {
    "connect_timeout": timedelta(milliseconds=500),
    "command_timeout": timedelta(milliseconds=500),
    "data_timeout": timedelta(milliseconds=500),
    "body_timeout": timedelta(milliseconds=500),
}
BY_FAULT = {  # of one command: outcome, code, class
    "drop": (DEFERRED, 0, "connect"),
    "421": (DEFERRED, 421, None),
    "soft": (DEFERRED, 452, "mailbox_full"),
    "hard": (BOUNCED, 552, "too_large"),
    "delay": (DEFERRED, 0, "connect"),
}
AMID = {"MAIL": Phase.MAIL, "RCPT": Phase.RCPT, "DATA": Phase.DATA, ".": Phase.BODY}
MAILS = 3


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are looked at often, and relays rest shortly."""
    demand_postfix()
    monkeypatch.setattr("sender.pool.pool.SWEEP", 0.05)
    monkeypatch.setattr("sender.pool.circuits.REST_FIRST", 0.01)


def options(fault: str, command: str) -> list[str]:
    """Of smtp-sink."""
    return [*SWITCHES[fault], f"{command}:2" if fault == "delay" else command]


def receives(sink: SmtpSink, at_least: int, at_most: int) -> None:
    """So many mails, and not one more."""
    wait_until(lambda: at_least <= sink.count(), f"{sink.count()} mails came, and not {at_least}")
    assert sink.count() <= at_most


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("command", AMID)
@pytest.mark.parametrize("fault", BY_FAULT)
async def test_amid_a_mail(tmp_path: Path, fault: str, command: str, pipelining: bool) -> None:
    """Before the final dot, and by a reply to it, it is certain what became of a mail; without one nobody can know (RFC 1047)."""
    outcome, code, bounce_class = BY_FAULT[fault]
    if command == "." and not code:
        outcome = IN_DOUBT
    with SmtpSink(tmp_path, options(fault, command)) as sink:
        async with calling(route_to(sink.port, pipelining=pipelining, **BRISK)) as caller:
            mails = [handoff(letter(f"m{number}"), "b@example.net") for number in range(MAILS)]
            for tried in await caller.send_all(*mails):
                assert outcomes(tried) == [(outcome, code)]
                assert tried is not None
                reply = tried.recipients[0].reply
                # in a group: what was said before may be lost, or not be written yet, and this server answers out of order then
                grouped = pipelining and not code
                assert bounce_class in (None, reply.bounce_class) or (grouped and reply.bounce_class == "protocol")
                assert reply.phase is AMID[command] or (grouped and reply.phase < AMID[command])
            assert caller.counts.dialled == caller.counts.closed + caller.open
            assert caller.counts.dialled == 1 or fault not in ("soft", "hard")
        receives(sink, 0, MAILS if command == "." else 0)  # it counts what it refuses then


@pytest.mark.parametrize("command", ["CONNECT", "EHLO"])
@pytest.mark.parametrize("fault", BY_FAULT)
async def test_before_a_mail(tmp_path: Path, fault: str, command: str) -> None:
    """No connection, and why; but 5xx to EHLO is an old server, which is greeted by HELO (RFC 5321 3.2)."""
    with SmtpSink(tmp_path, options(fault, command)) as sink:
        async with calling(route_to(sink.port, **BRISK)) as caller:
            if (fault, command) == ("hard", "EHLO"):
                assert outcomes(await caller.send(letter("m"), "b@example.net")) == [(DELIVERED, 250)]
            else:
                reply = (await caller.trouble()).reply
                assert reply.phase is (Phase.CONNECT if command == "CONNECT" else Phase.EHLO)
                assert reply.code == BY_FAULT[fault][1]
                assert caller.counts.dialled == caller.counts.closed == 0
                assert caller.counts.failed > 0
        receives(sink, *((1, 1) if (fault, command) == ("hard", "EHLO") else (0, 0)))


@pytest.mark.parametrize("fault", BY_FAULT)
async def test_at_rset(tmp_path: Path, fault: str) -> None:
    """It follows a mail that nobody took, whose verdict stands; the connection is given up, and mails go on over others."""
    refusal = ["-B", HARD, "-f", "RCPT"]
    if fault == "hard":
        refusal[-1] = "RCPT,RSET"
    with SmtpSink(tmp_path, refusal if fault == "hard" else [*refusal, *options(fault, "RSET")]) as sink:
        async with calling(route_to(sink.port, **BRISK)) as caller:
            for _ in range(MAILS):
                assert outcomes(await caller.send(letter("m"), "b@example.net")) == [(BOUNCED, 552)]
            assert caller.counts.dialled == MAILS
        receives(sink, 0, 0)


@pytest.mark.parametrize("fault", BY_FAULT)
async def test_at_quit(tmp_path: Path, fault: str) -> None:
    """Whatever is said to a good-bye: the mail was delivered, the connection is closed, and the next mail takes another."""
    with SmtpSink(tmp_path, options(fault, "QUIT")) as sink:
        async with calling(replace(route_to(sink.port, **BRISK), max_mails_per_connection=1)) as caller:
            mails = 1 if fault == "delay" else MAILS
            for count in range(1, mails + 1):
                assert outcomes(await caller.send(letter("m"), "b@example.net")) == [(DELIVERED, 250)]
                await caller.until(lambda count=count: caller.counts.closed == count)
                assert caller.counts.dialled == caller.counts.closed + caller.open
        receives(sink, mails, mails)


async def test_cut_off_amid_a_long_body(tmp_path: Path) -> None:
    """550 right after DATA, and nothing more is read: the word counts, and the end of the body never leaves."""
    with SmtpSink(tmp_path, ["-A", "0"]) as sink:
        async with calling(route_to(sink.port, **BRISK)) as caller:
            tried = await caller.send(letter("long", b"x" * 76 + b"\r\n") * 100_000, "b@example.net")
            assert outcomes(tried)[0][0] in (BOUNCED, DEFERRED)
        receives(sink, 0, 0)
