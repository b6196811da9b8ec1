"""Runs a command against the gateway: the loop, the client, and what a broken call means to a person."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from mailgate.cli.exits import NoGateway
from mailgate.cli.target import Target
from mailgate.errors import Unanswered, Unauthenticated

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient

T = TypeVar("T")


def run(target: Target, body: Callable[[GatewayClient], Awaitable[T]]) -> T:
    """What `body` gives, with a client of `target` open around it.

    Raises:
        NoGateway: nobody answers there.
        MailgateError: the gateway's own word.
    """

    async def main() -> T:
        async with target.client() as client:
            return await body(client)

    try:
        return asyncio.run(main())
    except Unanswered as error:
        raise NoGateway(
            f"the gateway at {target.address} does not answer ({_why(error)}): is it running? `mailgate up` starts one"
        ) from None
    except Unauthenticated as error:
        cure = "give --key or MAILGATE_KEY" if not target.key else "give another --key, or start `mailgate up` anew"
        raise Unauthenticated(f"the gateway at {target.address} does not take this key ({error}): {cure}") from None


def _why(error: Unanswered) -> str:
    """The reason alone: gRPC tells the whole way to a refused connection."""
    text = str(error)
    return text.rstrip(")").rpartition(": ")[2].lower() if "ailed to connect" in text else text
