"""A mailing, as `mailgate batch` sends it: one text, a mail for each row; rendered here to see what is wrong with it, and on the nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from gateway.admission.addresses import has_controls
from mailgate.cli.exits import Usage
from mailgate.cli.results import Result, Results
from mailgate.cli.sheet import NAMED, BadRow, Row, Sheet
from mailgate.errors import MailgateError
from mailgate.ids import format_id
from mailgate.mail import Address, BatchEntry, Mail, Parts, Receipt
from mailgate.template.content import Templates, Unrenderable, compiled

if TYPE_CHECKING:
    from mailgate.client import MailClient

CHUNK = 500
"""Mails of a batch: one commit of the gateway, and what is sent again after a break."""
CHUNK_OCTETS = 512 * 1024
"""Of their variables."""
UNDER_WAY = 3
"""Batches at once."""
TAGS = ("{{", "{%", "{#")
"""What makes a text a template."""


@dataclass(frozen=True, slots=True)
class Mailing:
    """What the mails share, and the rows to send it to."""

    shared: Mail
    sheet: Sheet
    templates: Templates | None
    """None: the text names no variables."""

    @classmethod
    def of(cls, shared: Mail, sheet: Sheet) -> Mailing:
        """Raises Usage where the text is no template."""
        assert isinstance(shared.content, Parts)  # noqa: S101 - the flags of this command make no other
        try:
            templates = compiled(shared.content)
        except Unrenderable as fault:
            raise Usage(f"the {fault.field} is no template that can be sent: {fault}") from None
        if not any(mark in part for mark in TAGS for part in (shared.content.subject, shared.content.text, shared.content.html)):
            return cls(shared, sheet, None)
        return cls(replace(shared, variables=b"{}"), sheet, templates)

    @property
    def fingerprint(self) -> str:
        """Of what the mails say and how they are sent, for the results file."""
        shared = replace(self.shared, attachments=tuple(replace(file, digest="") for file in self.shared.attachments))
        return sha256(repr(shared).encode()).hexdigest()[:16]

    def checked(self) -> Iterator[Row | BadRow]:
        """All rows; one that the text cannot be rendered with is a bad one."""
        for row in self.sheet.rows():
            yield self._fault(row) or row if isinstance(row, Row) else row
        if self.sheet.broken is not None:
            yield self.sheet.broken

    def rendered(self, row: Row) -> Parts:
        """What the recipient will read."""
        assert isinstance(self.shared.content, Parts)  # noqa: S101 - as above
        return self.shared.content if self.templates is None else self.templates.render(row.values)

    def entry(self, row: Row, key: str) -> BatchEntry:
        """The row as the gateway takes it; of its values only what the text names."""
        variables = b""
        if self.templates is not None:
            values = {name: value for name, value in row.values.items() if name in self.templates.words}
            variables = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        return BatchEntry(to=(Address(row.email, row.name),), variables=variables, idempotency_key=key)

    def _fault(self, row: Row) -> BadRow | None:
        try:
            subject = self.rendered(row).subject
        except Unrenderable as fault:
            if fault.missing:
                given = ", ".join(self.sheet.names[:NAMED])
                return BadRow(row.line, f"the {fault.field} needs {', '.join(fault.missing)}; the columns are {given}")
            return BadRow(row.line, f"the {fault.field} cannot be rendered: {fault.text}")
        if has_controls(subject):
            return BadRow(row.line, "its subject would hold a line break or another control character")
        return None


async def send(client: MailClient, mailing: Mailing, results: Results, progress: Callable[[int], None]) -> tuple[int, int]:
    """Send what the results file does not have, a few batches at a time: how many were accepted and refused now.

    Raises:
        MailgateError: the gateway refuses the text as a whole, or does not answer. What was answered before is in the results file.
    """
    accepted = refused = 0
    async for rows, outcomes in _sent(client, mailing, results):
        told = [_result(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]
        results.write(told)
        ok = sum(each.status == "ACCEPTED" for each in told)
        accepted, refused = accepted + ok, refused + len(told) - ok
        progress(len(told))
    return accepted, refused


async def _sent(client: MailClient, mailing: Mailing, results: Results) -> AsyncIterator[tuple[list[Row], list[Receipt | MailgateError]]]:
    under_way: list[tuple[list[Row], asyncio.Task[list[Receipt | MailgateError]]]] = []

    async def batch(entries: list[BatchEntry]) -> list[Receipt | MailgateError]:
        return list((await client.send_batch(mailing.shared, entries)).results)

    try:
        for rows, entries in _chunks(mailing, results):
            under_way.append((rows, asyncio.ensure_future(batch(entries))))
            if len(under_way) >= UNDER_WAY:
                yield under_way[0][0], await under_way[0][1]
                del under_way[0]
        while under_way:
            yield under_way[0][0], await under_way[0][1]
            del under_way[0]
    finally:
        for _, task in under_way:
            task.cancel()
            with suppress(asyncio.CancelledError, MailgateError):
                await task


def _chunks(mailing: Mailing, results: Results) -> Iterator[tuple[list[Row], list[BatchEntry]]]:
    rows: list[Row] = []
    entries: list[BatchEntry] = []
    octets = 0
    for row in mailing.checked():
        if isinstance(row, BadRow) or row.email in results.done:
            continue
        rows.append(row)
        entries.append(mailing.entry(row, results.key(row.email)))
        octets += len(entries[-1].variables)
        if len(rows) >= CHUNK or octets >= CHUNK_OCTETS:
            yield rows, entries
            rows, entries, octets = [], [], 0
    if rows:
        yield rows, entries


def _result(row: Row, outcome: Receipt | MailgateError) -> Result:
    if isinstance(outcome, Receipt):
        return Result(row.line, row.email, "ACCEPTED", format_id(outcome.mail_id))
    return Result(row.line, row.email, "REFUSED", "", " ".join(str(outcome).split()))


def bad_results(bad: Iterable[BadRow]) -> list[Result]:
    """For the results file."""
    return [Result(each.line, "", "BAD", "", each.why) for each in bad]
