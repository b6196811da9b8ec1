"""Runs a command against the gateway: the loop, the client, and what a broken call means to a person."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from mailgate.cli.exits import NoGateway, Usage
from mailgate.cli.target import Target
from mailgate.errors import Unanswered, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient

ETCD = 5.0
"""Seconds that etcd has to tell of gateways."""

T = TypeVar("T")


def run(target: Target, body: Callable[[GatewayClient], Awaitable[T]]) -> T:
    """What `body` gives, with a client of `target` open around it.

    Raises:
        NoGateway: nobody answers there.
        MailgateError: the gateway's own word.
    """

    async def main() -> T:
        async with (await located(target)).client() as client:
            return await body(client)

    with answering(target):
        return asyncio.run(main())


async def located(target: Target) -> Target:
    """The target itself, or of those that etcd tells the first one that takes calls.

    Raises:
        NoGateway: there is none.
        Usage: etcd does not tell us.
    """
    from mailgate.client.discovery import is_place, look, place_of
    from mailgate.etcd.failure import EtcdRefused

    if not is_place(target.address):
        return target
    place = place_of(target.address)
    try:
        addresses = await look(place, ETCD)
    except EtcdRefused as refused:
        cure = (
            f"MAILGATE_ETCD_USERNAME and MAILGATE_ETCD_PASSWORD say who asks, who must have a role that reads below {place.prefix.decode()}"
        )
        raise Usage(f"the etcd at {', '.join(place.etcd.addresses)} does not tell of gateways ({refused}): {cure}") from None
    except Unavailable as error:
        why, _ = broken(str(error), tls=place.etcd.tls is not None)
        cure = "is it running? --address or MAILGATE_ETCD says where it is, MAILGATE_ETCD_CA and its like how it is asked"
        raise NoGateway(f"the etcd at {', '.join(place.etcd.addresses)} does not answer ({why}): {cure}") from None
    for address in addresses:
        one = replace(target, address=address)
        async with one.client() as client:
            if await client.serving():
                return one
    told = f"none of {', '.join(addresses)} takes calls" if addresses else "no gateway is told there"
    raise NoGateway(f"{place}: {told}: is one running, with this etcd in its [etcd] endpoints?")


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
