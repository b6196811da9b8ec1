"""`mailgate inbox`: what the development inbox received, and the inbox by itself."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mailgate.cli import exits, output, target

HELP = f"""Look into the development inbox of `mailgate up`.

Examples:

  mailgate inbox list

  mailgate inbox show 1 --raw > mail.eml

{exits.HELP}"""

COLUMNS = ("ID", "RECEIVED", "FROM", "TO", "SIZE", "SUBJECT")
SHOWN_RECIPIENTS = 3

inbox = typer.Typer(help=HELP, no_args_is_help=True)

Door = Annotated[
    str, typer.Option("--inbox", envvar="MAILGATE_INBOX", metavar="HOST:PORT", help="Its door.", show_default="of `mailgate up`")
]


@inbox.command("list")
def listing(
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="At most so many, the newest first.")] = 50,
    door: Door = "",
    data: target.Data = target.DEFAULT_DATA,
    json: target.Json = False,
) -> None:
    """List what was received, the newest first.

    Example: mailgate inbox list --limit 5
    """
    from mailgate.inbox.client import list_mails

    page = list_mails(_door(door, data), limit)
    if json:
        output.json_line(page)
        return
    output.table(COLUMNS, [_row(mail) for mail in page["mails"]], "the inbox is empty", ("ID", "SIZE"))
    left = page["stats"]["kept"] - len(page["mails"])
    if left > 0:
        output.line(f"… and {left} older: --limit shows more")


@inbox.command("show")
def show(
    mail: Annotated[int, typer.Argument(metavar="ID", min=1, help="As `mailgate inbox list` prints it.")],
    raw: Annotated[bool, typer.Option("--raw", help="The mail byte for byte.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Its HTML alone.")] = False,
    door: Door = "",
    data: target.Data = target.DEFAULT_DATA,
    json: target.Json = False,
) -> None:
    """Show one mail.

    Example: mailgate inbox show 1
    """
    from mailgate.inbox.client import raw_mail, show_mail

    if raw + html + json > 1:
        raise exits.Usage("inbox show: --raw, --html and --json exclude each other: give one of them")
    where = _door(door, data)
    if raw:
        sys.stdout.buffer.write(raw_mail(where, mail))
        sys.stdout.buffer.flush()
        return
    found = show_mail(where, mail)
    if json:
        output.json_line(found)
    elif html:
        if not found["html"]:
            raise exits.Usage(f"inbox show {mail} --html: the mail has no HTML: leave --html out")
        output.line(_lines(found["html"]))
    else:
        _tell(found)


@inbox.command("serve")
def serve(
    smtp_port: Annotated[int, typer.Option("--inbox-smtp-port", min=0, max=65535, help="Where it takes mail; 0: any free port.")] = 1025,
    port: Annotated[int, typer.Option("--inbox-port", min=0, max=65535, help="Its page; 0: any free port.")] = 8025,
) -> None:
    """Run the inbox by itself, on 127.0.0.1, until Ctrl-C. It keeps the last 1,000 mails in memory.

    Example: mailgate inbox serve --inbox-smtp-port 2525
    """
    import uvloop

    from mailgate.inbox.server import Inbox
    from mailgate.lifecycle import Stop, until_stopped

    async def life(stop: Stop) -> None:
        async with Inbox(smtp_port=smtp_port, door_port=port) as running:
            output.line(f"inbox: {running.door}, takes mail at {running.smtp_host}:{running.smtp_port}")
            await stop.graceful.wait()

    uvloop.run(until_stopped(life))


def _door(door: str, data: str) -> str:
    if door:
        return door
    from mailgate.inbox.client import DOOR

    try:
        found = target.find(data=data).inbox
    except exits.NoGateway:
        return DOOR
    if not found:
        # Never the usual door: what listens there is the inbox of another.
        raise exits.Usage(f"--data {data}: its `mailgate up` sends to a relay and has no inbox: give --inbox HOST:PORT for another one")
    return found


def _row(mail: dict[str, Any]) -> list[str]:
    recipients = mail["recipients"]
    more = f" +{len(recipients) - SHOWN_RECIPIENTS}" if len(recipients) > SHOWN_RECIPIENTS else ""
    cells = (
        str(mail["id"]),
        mail["received"][:19].replace("T", " "),
        mail["from"] or mail["sender"] or "<>",
        ", ".join(recipients[:SHOWN_RECIPIENTS]) + more,
        str(mail["size"]),
        mail["subject"],
    )
    return [output.printable(cell) for cell in cells]


def _tell(mail: dict[str, Any]) -> None:
    envelope = {"envelope from": mail["sender"] or "<>", "envelope to": ", ".join(mail["recipients"]), "received": mail["received"]}
    output.fields({name: output.printable(value) for name, value in envelope.items()})
    output.line()
    for header in mail["headers"]:
        output.line(output.printable(f"{header['name']}: {header['value']}"))
    output.line()
    output.line(_lines(mail["text"] or mail["html"] or ""))
    for file in mail["attachments"]:
        output.line(output.printable(f"[{file['content_type']}, {file['size']} octets] {file['filename'] or '(no name)'}"))
    if mail.get("trouble"):
        output.line(f"trouble: {output.printable(str(mail['trouble']))}")


def _lines(text: str) -> str:
    return "\n".join(output.printable(line.replace("\t", "    ")) for line in text.splitlines())
