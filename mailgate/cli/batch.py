"""`mailgate batch`: a mail of one text for each row of a CSV."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from mailgate.cli import connect, exits, flags, output, target
from mailgate.cli.exits import Usage
from mailgate.cli.mailing import Mailing, bad_results, send
from mailgate.cli.progress import bar
from mailgate.cli.results import Results, open_results
from mailgate.cli.sheet import BadRow, Row, open_sheet
from mailgate.cli.standing import STDIN, comes_once, standing
from mailgate.cli.wanted import Flags, shared_of
from mailgate.errors import Unanswered, Unavailable
from mailgate.mail import Parts

SHOWN = 3
"""Rendered mails that a dry run shows."""
LISTED = 20
"""Bad rows that are listed before the rest is counted; a dry run lists all."""

HELP = """Send a mail of one text to each row of a CSV.

The first line names the columns. One of them is `email`; all of them are variables of subject, text and HTML: `Hi {{ name }}`.
`{{ name|default("friend") }}` does without one, `{% if … %}` and `{% for … %}` work too, and HTML is escaped.

Examples:

  mailgate batch people.csv --from news@example.com --subject 'Hi {{ name }}' --text-file news.txt --html-file news.html --dry-run

  mailgate batch people.csv --from news@example.com --subject 'Hi {{ name }}' --text-file news.txt --html-file news.html

  psql -c 'COPY … TO STDOUT CSV HEADER' | mailgate batch - --results news.results.csv --subject 'Hi {{ name }}' --text-file news.txt

The second writes people.results.csv, a line for each recipient. Interrupted, by whatever, give the same command again: it goes on where it
was, and nobody gets the mail twice.

What comes from a pipe (`-`, /dev/stdin, `<(…)`, a FIFO) is read to its end, and copied to a temporary file, before anything is sent. It has
no name to go on by, so --results is needed; the same command again sends to those who are in what comes and not yet in that file.

Exit codes: 0 all rows were accepted; 1 some were bad or refused; 2 usage, settings or key; 3 no gateway answers, try again;
130 interrupted, go on with the same command."""


@target.reaches_gateway
def batch(
    where: target.Where,
    csv: Annotated[Path, typer.Argument(metavar="CSV", help="The recipients; - is stdin.", show_default=False)],
    from_: flags.From = "",
    reply_to: flags.ReplyTo = [],  # noqa: B006
    subject: flags.Subject = "",
    text: flags.TextBody = None,
    html: flags.HtmlBody = None,
    text_file: flags.TextFile = "",
    html_file: flags.HtmlFile = "",
    attach: flags.Attach = [],  # noqa: B006
    header: flags.ExtraHeader = [],  # noqa: B006
    return_path: flags.ReturnPath = None,
    lane: Annotated[flags.LaneName | None, typer.Option("--lane", help="The priority class.", show_default="bulk")] = None,
    route: flags.RouteName = "",
    hash_key: flags.HashKey = "",
    on_doubt: flags.Doubt = flags.DoubtName.resend,
    ttl: flags.Ttl = "",
    tag: flags.Tag = [],  # noqa: B006
    meta: flags.Meta = [],  # noqa: B006
    email_column: Annotated[str, typer.Option("--email-column", metavar="NAME", help="The column with the address.")] = "email",
    name_column: Annotated[
        str, typer.Option("--name-column", metavar="NAME", help="A column shown beside the address in To.", show_default="none")
    ] = "",
    encoding: Annotated[str, typer.Option("--encoding", metavar="NAME", help="The file's: utf-8, latin-1, cp1252, utf-16.")] = "utf-8",
    delimiter: Annotated[
        str, typer.Option("--delimiter", metavar="CHAR", help="Between fields.", show_default="comma, semicolon or tab, as the head has it")
    ] = "",
    results: Annotated[
        str,
        typer.Option(
            "--results", metavar="FILE", help="What became of each.", show_default="CSV with .results before .csv; none for a pipe"
        ),
    ] = "",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Send to the sound rows though some are bad.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the first three mails and every bad row; send nothing.")] = False,
    json: target.Json = False,
) -> None:
    """Send a mail to each row. See HELP."""
    typed = Flags(
        from_=from_,
        reply_to=tuple(reply_to),
        subject=subject,
        text=text,
        html=html,
        text_file=text_file,
        html_file=html_file,
        attach=tuple(attach),
        header=tuple(header),
        return_path=return_path,
        lane=lane.value if lane else "",
        route=route,
        hash_key=hash_key,
        on_doubt=on_doubt.value,
        ttl=ttl,
        tag=tuple(tag),
        meta=tuple(meta),
    )
    if comes_once(csv) and not (results or dry_run):
        raise Usage(f"{csv}: what comes from a pipe has no name to go on by after an interruption: give --results FILE")
    if csv == STDIN and "-" in (text_file, html_file, *attach):
        raise Usage("stdin is the CSV already: give text, HTML and attachments as files")
    shared = shared_of(typed)
    with ExitStack() as held:
        try:
            file = held.enter_context(standing(csv))
            sheet = open_sheet(file, encoding=encoding, delimiter=delimiter, email=email_column, name=name_column, shown=str(csv))
            mailing = Mailing.of(shared, sheet)
            good, bad = _look(mailing, json)
        except KeyboardInterrupt:
            output.line("interrupted while the rows were checked: this run sent nothing", sys.stderr)
            raise typer.Exit(exits.INTERRUPTED) from None
        if dry_run:
            raise typer.Exit(_tell_dry(mailing, good, bad, json))
        if (bad and not (skip_bad and good)) or sheet.broken is not None:
            raise typer.Exit(_tell_bad(csv, good, bad, json))
        path = Path(results) if results else csv.with_name(f"{csv.stem}.results.csv")
        with open_results(path, mailing.fingerprint, os.urandom(8)) as kept:
            raise typer.Exit(_send(where.find(), mailing, kept, good, bad, json))


def _look(mailing: Mailing, json: bool) -> tuple[int, list[BadRow]]:
    """Walk all rows: how many are sound, and those that are not."""
    good, bad = 0, []
    with bar("checking", None, quiet=json) as step:
        for row in mailing.checked():
            if isinstance(row, BadRow):
                bad.append(row)
            else:
                good += 1
            step(1)
    return good, bad


def _send(where: target.Target, mailing: Mailing, results: Results, good: int, bad: list[BadRow], json: bool) -> int:
    before = len(results.done)
    if bad and not before:
        results.write(bad_results(bad))
    accepted = refused = 0
    try:
        with bar("sending", max(0, good - before), quiet=json) as step:
            accepted, refused = _run(where, mailing, results, step)
    except KeyboardInterrupt:
        output.line(f"interrupted: {results.path} has what was answered; the same command goes on", sys.stderr)
        return exits.INTERRUPTED
    except (Unavailable, Unanswered, exits.NoGateway) as error:
        text = f"{exits.text_of(error)}; {results.path} has what was answered: the same command goes on, and sends nothing twice"
        raise exits.NoGateway(text) from None
    told = {"accepted": accepted, "refused": refused, "bad": len(bad), "before": before, "results": str(results.path)}
    if json:
        output.json_line(told)
    else:
        parts = [f"{accepted:,} accepted", *([f"{refused:,} refused"] if refused else []), *([_rows(bad)] if bad else [])]
        output.line(f"{', '.join(parts)}{f', {before:,} done before' if before else ''}: see {results.path}")
    return exits.REFUSED if refused or bad else exits.OK


def _run(where: target.Target, mailing: Mailing, results: Results, step: Callable[[int], None]) -> tuple[int, int]:
    async def main() -> tuple[int, int]:
        async with where.mail_client() as client:
            return await send(client, mailing, results, step)

    with connect.answering(where):
        return asyncio.run(main())


def _tell_dry(mailing: Mailing, good: int, bad: list[BadRow], json: bool) -> int:
    rows = list(islice((row for row in mailing.checked() if isinstance(row, Row)), SHOWN))
    mails = [(row, mailing.rendered(row)) for row in rows]
    if json:
        shown = [{"line": row.line, "email": row.email, "subject": m.subject, "text": m.text, "html": m.html} for row, m in mails]
        output.json_line({"good": good, "bad": [{"line": each.line, "why": each.why} for each in bad], "mails": shown})
    else:
        for row, mail in mails:
            _show(row, mail)
        for each in bad:
            output.line(f"line {each.line}: {output.printable(each.why)}")
        output.line(f"{good:,} mail{'s' if good != 1 else ''} would be sent; {_rows(bad) if bad else 'no bad row'}")
    return exits.REFUSED if bad else exits.OK


def _show(row: Row, mail: Parts) -> None:
    output.line(f"--- line {row.line}: {output.printable(row.email)}")
    output.line(f"Subject: {output.printable(mail.subject)}")
    for title, body in (("text", mail.text), ("html", mail.html)):
        if body:
            output.line(f"{title}:")
            for line in body.splitlines():
                output.line(f"  {output.printable(line)}")
    output.line()


def _tell_bad(csv: Path, good: int, bad: list[BadRow], json: bool) -> int:
    if json:
        output.json_line({"accepted": 0, "good": good, "bad": [{"line": each.line, "why": each.why} for each in bad]})
        return exits.REFUSED
    for each in bad[:LISTED]:
        output.line(f"{csv}, line {each.line}: {output.printable(each.why)}", sys.stderr)
    if len(bad) > LISTED:
        output.line(f"… and {len(bad) - LISTED:,} more: --dry-run lists them all", sys.stderr)
    output.line(f"{_rows(bad)}, {good:,} sound: nothing was sent. Mend them, or send to the sound ones with --skip-bad", sys.stderr)
    return exits.REFUSED


def _rows(bad: list[BadRow]) -> str:
    return f"{len(bad):,} bad row{'s' if len(bad) != 1 else ''}"
