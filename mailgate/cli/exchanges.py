"""Who takes a domain's mail, for a command that asks the DNS itself: the names that are typed, and whom to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailgate.cli import exits, output
from mailgate.errors import NotFound, Unavailable
from mailgate.verdict import Outcome

if TYPE_CHECKING:
    from sender.delivery.stub import Stub


def name_of(text: str, where: str) -> str:
    """The domain or host that is meant; of an address its domain.

    Raises:
        Usage: it is no name.
    """
    from gateway.admission.addresses import Unsound, canonical_domain

    name = text.removesuffix(".")
    if where == "DOMAIN" and text.count("@") == 1:
        name = name.partition("@")[2]
    try:
        return canonical_domain(name)
    except Unsound:
        raise exits.Usage(f"{where} {output.printable(text[:80])!r}: write a full name, such as shop.example") from None


def stub_of(nameservers: list[str]) -> Stub:
    """Whom to ask.

    Raises:
        Usage: one of them is no address.
    """
    from sender.delivery.stub import Stub, parse_nameserver

    for each in nameservers:
        try:
            parse_nameserver(each)
        except ValueError as error:
            raise exits.Usage(f"--nameserver {output.printable(each[:80])!r}: {error}") from None
    return Stub(nameservers)


async def exchanges(domain: str, stub: Stub) -> list[str]:
    """The domain's best mail servers.

    Raises:
        NotFound: there are none.
        NoAnswer: nobody knows now.
    """
    from sender.delivery.mx import Here, Nowhere
    from sender.delivery.mx import exchanges as best_first

    found = best_first(domain, await stub.ask(domain, "MX"), Here())
    if isinstance(found, Nowhere):
        kind = NoAnswer if found.outcome is Outcome.DEFERRED else NotFound
        raise kind(f"{found.reply.text}; name its servers by --mx HOST, and DNS is not asked")
    return [each.host for each in found if each.preference == found[0].preference]


class NoAnswer(Unavailable):
    """No name server says who takes the domain's mail."""
