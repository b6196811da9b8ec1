"""Runs a command against the gateway: the loop, the client, and what a broken call means to a person."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
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

    with answering(target):
        return asyncio.run(main())


@contextmanager
def answering(target: Target) -> Iterator[None]:
    """What a person is told of a gateway that does not answer, or does not take the key.

    Raises:
        NoGateway: nobody answers there.
        Unauthenticated: with the cure.
    """
    try:
        yield
    except Unanswered as error:
        why, cure = broken(str(error), tls=bool(target.tls or target.ca))
        raise NoGateway(f"the gateway at {target.address} does not answer ({why}): {cure}") from None
    except Unauthenticated as error:
        cure = "give --key or MAILGATE_KEY" if not target.key else "give another --key, or start `mailgate up` anew"
        raise Unauthenticated(f"the gateway at {target.address} does not take this key ({error}): {cure}") from None


def broken(text: str, *, tls: bool) -> tuple[str, str]:
    """What a person needs of gRPC's long tale of a connection that did not come about: the reason alone, and the cure."""
    if found := re.search(r"CERTIFICATE_VERIFY_FAILED(?:: ([^:)]+))?", text):
        return f"its certificate is not trusted: {found[1] or 'unknown'}", "give the PEM file of its authority with --ca"
    if "Hostname Verification Check failed" in text:
        return "its certificate is for another name", "give --address as the certificate names the gateway"
    if tls and "WRONG_VERSION_NUMBER" in text:
        return "it speaks no TLS", "leave --tls and --ca out, or check --address"
    if not tls and "ocket closed" in text:
        return "it closed the connection", "if it speaks TLS, give --tls, or --ca with the PEM file of its authority"
    if "Failed parsing HTTP/2" in text:
        return "what answers there is no gateway", "check --address"
    if "ailed to connect" in text:
        text = text.rstrip(")").rpartition(": ")[2].lower()
    return text, "is it running? `mailgate up` starts one"
