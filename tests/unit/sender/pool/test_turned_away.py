"""What a server says to a connection reaches whoever limits what it is sent."""

from __future__ import annotations


async def test_a_greeting_that_says_no_is_told(peer, running, route, until):
    """With its code, once a dial; also while other connections hold, of which the pool then wants fewer."""
    greetings = [b"220 here\r\n"] + [b"421 4.7.0 too many connections from you\r\n"] * 1000
    async with peer(GREETING=greetings) as server, running(route(server.relay, connections=3, min_idle=3)) as listener:
        await until(lambda: ("turned_away", 421) in listener.calls and listener.pool.warm("r") == 1)
        assert listener.calls.count(("turned_away", 421)) == listener.pool.stats()["r"].failed


async def test_a_server_that_has_enough_of_us_at_the_end_of_a_mail(peer, running, route, handoff, until):
    """Fewer connections are wanted, as after the same words to a greeting or to MAIL."""
    async with peer(DOT=b"421 4.7.0 too many connections from you\r\n") as server, running(route(server.relay, connections=4)) as listener:
        await until(lambda: listener.pool.warm("r") == 4)
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert listener.pool.standing("r").most == 3


async def test_who_is_not_there_says_nothing(peer, running, route, until):
    """Code 0: nobody's words."""
    async with peer() as server:
        gone = server.relay
    async with running(route(gone, connections=1, min_idle=1)) as listener:
        await until(lambda: listener.calls)
        assert listener.calls[0] == ("turned_away", 0)
