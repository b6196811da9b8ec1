"""What a route wants reported reaches its servers, and so does a change of that while connections are warm."""

from __future__ import annotations

from dataclasses import replace

from mailgate.route import DsnNotify, DsnReturn

EHLO = b"250-x\r\n250-8BITMIME\r\n250-DSN\r\n250 PIPELINING\r\n"
ASKED = {"dsn_notify": (DsnNotify.FAILURE,), "dsn_return": DsnReturn.HEADERS}


def told(session) -> list[tuple[bytes, bytes]]:
    """The parameters of MAIL and RCPT, mail by mail."""
    lines = [command.partition(b">")[2] for command in session.commands if command[:4] in (b"MAIL", b"RCPT")]
    return list(zip(lines[::2], lines[1::2], strict=True))


async def test_asked_for_from_the_next_mail_on(peer, running, route, handoff, until, swift):
    """Over the same connection: nothing, then as the route says since, then nothing again."""
    async with peer(EHLO=EHLO) as server, running(route(server.relay, connections=1)) as listener:
        mine = route(server.relay, connections=1)
        for asked in (mine, replace(mine, **ASKED), mine):
            listener.use(asked)
            looks = iter(range(50))
            await until(lambda looks=looks: next(looks, None) is None)  # a sweep has passed
            listener.send(mail := handoff())
            await until(lambda mail=mail: mail in listener.outcomes)
        (session,) = server.sessions
        silent, loud, again = told(session)
        assert silent == again == (b"", b"")
        assert loud == (b" RET=HDRS ENVID=6a6f62----", b" NOTIFY=FAILURE ORCPT=rfc822;r0@example.com")


async def test_where_it_is_not_offered(peer, running, route, handoff, until):
    """Not a word."""
    async with peer() as server, running(route(server.relay, connections=1, **ASKED)) as listener:
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert not any(b"NOTIFY" in command or b"ENVID" in command for command in server.sessions[0].commands)
