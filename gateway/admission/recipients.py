"""Who a mail goes to: to, cc and bcc checked, duplicates folded, each with its route. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.admission.addresses import Mailbox, Unsound, has_controls, parse
from gateway.admission.faults import Faults, show
from gateway.admission.limits import MAX_LINE, Limits
from gateway.admission.routing import Routed, Routes
from mailgate.mail import Address
from mailgate.route import Route


class Addressed(Protocol):
    """A Mail, or an entry of a batch."""

    @property
    def to(self) -> Sequence[Address]:
        """Header and envelope."""
        ...

    @property
    def cc(self) -> Sequence[Address]:
        """Header and envelope."""
        ...

    @property
    def bcc(self) -> Sequence[Address]:
        """Envelope only."""
        ...


@dataclass(slots=True)
class Recipients:
    """Sound recipients. `to` and `cc` are the header's, without duplicates; `envelope[i]` has the index i."""

    envelope: list[Routed]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    header_utf8: bool
    """An address of the header needs SMTPUTF8."""
    any_utf8: bool
    """An address of the envelope does."""


def check_recipients(mail: Addressed, field: str, forced: Route | None, routes: Routes, limits: Limits, faults: Faults) -> Recipients:
    """Note what is wrong with them; what is sound comes back. `forced`: the route that the mail names; None: by domain."""
    count = len(mail.to) + len(mail.cc) + len(mail.bcc)
    result = Recipients([], (), (), False, False)
    if not count:
        faults.add(f"{field}.to", "nobody would get the mail: give at least one address in `to`, `cc` or `bcc`")
        return result
    if count > limits.max_recipients:
        faults.add_large(
            f"{field}.to", f"{count:,} recipients, at most {limits.max_recipients:,} are allowed: send several mails, or a batch"
        )
        return result
    gather = _Gather(field, forced, routes, faults, result.envelope)
    result.to, result.header_utf8 = gather.role("to", mail.to)
    if mail.cc:
        result.cc, utf8 = gather.role("cc", mail.cc)
        result.header_utf8 |= utf8
    result.any_utf8 = result.header_utf8
    if mail.bcc:
        _, utf8 = gather.role("bcc", mail.bcc)
        result.any_utf8 |= utf8
    return result


def check_address(address: Address, field: str, faults: Faults) -> tuple[Address, Mailbox] | None:
    """Note what is wrong with it; the address as the header has it, and its mailbox."""
    if fault := _name_fault(address.display_name):
        faults.add(f"{field}.display_name", fault)
    try:
        mailbox = parse(address.email)
    except Unsound as reason:
        faults.add(f"{field}.email", f"{show(address.email)} is not an address to use: {reason}")
        return None
    return _as_written(address, mailbox), mailbox


class _Gather:
    """One pass over the roles of a mail."""

    __slots__ = ("_envelope", "_faults", "_field", "_forced", "_routes", "_seen")

    def __init__(self, field: str, forced: Route | None, routes: Routes, faults: Faults, envelope: list[Routed]) -> None:
        self._field, self._forced, self._routes, self._faults = field, forced, routes, faults
        self._envelope = envelope
        self._seen: set[str] = set()

    def role(self, role: str, addresses: Sequence[Address]) -> tuple[tuple[Address, ...], bool]:
        """Take the addresses of one role; those for its header, and whether one of them needs SMTPUTF8."""
        seen, header, utf8 = self._seen, [], False
        for index, address in enumerate(addresses):
            if address.display_name and (fault := _name_fault(address.display_name)):
                self._faults.add(f"{self._field}.{role}[{index}].display_name", fault)
            try:
                mailbox = parse(address.email)
            except Unsound as reason:
                self._faults.add(f"{self._field}.{role}[{index}].email", f"{show(address.email)} is not an address to use: {reason}")
                if self._faults.full:
                    break
                continue
            if mailbox.email in seen:
                continue
            seen.add(mailbox.email)
            route = self._forced or self._routes.for_domain(mailbox.domain)
            if route is None:
                self._note_no_route(f"{self._field}.{role}[{index}].email", mailbox)
                continue
            self._envelope.append(Routed(mailbox, route))
            header.append(_as_written(address, mailbox))
            utf8 |= mailbox.utf8
        return tuple(header), utf8

    def _note_no_route(self, field: str, mailbox: Mailbox) -> None:
        cure = (
            f"no route takes mail for {mailbox.domain}: name one in `route` (there are: {self._routes.names}), or have the operator add one"
        )
        self._faults.add(field, cure)


def _as_written(address: Address, mailbox: Mailbox) -> Address:
    return address if address.email == mailbox.email else Address(mailbox.email, address.display_name)


def _name_fault(name: str) -> str:
    if has_controls(name):
        return "it holds CR, LF, NUL or another control character, which could begin another header field: remove it"
    if len(name) > MAX_LINE:
        return f"it has {len(name)} characters, at most {MAX_LINE} are allowed"
    return ""
