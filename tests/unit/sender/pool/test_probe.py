"""A connection that was idle for long is asked whether it lives, before a mail is put on it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.unit.sender.pool.conftest import SILENCE


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, swift) -> None:
    """What is idle for a tenth of a second is stale, and has a fifth to answer."""
    monkeypatch.setattr("sender.pool.idle.STALE", 0.1)
    monkeypatch.setattr("sender.pool.connection.PROBE_TIMEOUT", timedelta(seconds=0.2))


async def test_one_that_lives_takes_the_mail(peer, running, route, handoff, until):
    """NOOP, and then the mail, on the same connection; while it is fresh nothing is asked."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        for _ in range(2):
            listener.send(mail := handoff())
            await until(lambda mail=mail: mail in listener.outcomes)
        (session,) = server.sessions
        assert b"NOOP" not in session.commands
        await asyncio.sleep(0.3)
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert len(server.sessions) == 1
        assert session.commands.index(b"NOOP") < len(session.commands) - 1 - session.commands[::-1].index(b"DATA")
        assert len(server.mails) == 3


@pytest.mark.parametrize("answer", [SILENCE, b"421 4.4.2 idle for too long\r\n", b"nonsense\r\n"])
async def test_one_that_does_not_is_replaced(peer, running, route, handoff, until, answer):
    """The mail costs no attempt: another connection is dialled and takes it."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r") == 1)
        server.answers["NOOP"] = answer
        await asyncio.sleep(0.3)
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert server.mails == [mail.message]
        assert len(server.sessions) == 2
        assert not any(command.startswith(b"MAIL") for command in server.sessions[0].commands)


async def test_what_nobody_asks_for_is_not_probed(peer, running, route, until):
    """An idle connection costs its server nothing."""
    async with peer() as server, running(route(server.relay, connections=3)) as listener:
        await until(lambda: listener.pool.warm("r") == 3)
        await asyncio.sleep(0.5)
        assert all(session.commands == [b"EHLO node.example"] for session in server.sessions)
