"""`mailgate doubts`: jobs of which nobody can know whether they were sent, and what to do about each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailgate.cli import connect, exits, output, shown, target
from mailgate.ids import format_id

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient
    from mailgate.client.views import Doubt

HELP = f"""List the mails that nobody can know the fate of, or decide one.

A process died between the final dot and the server's answer, and the mail said `--on-doubt hold`.

Examples:

  mailgate doubts

  mailgate doubts resolve 0192f0c1-7a3b-7c1d-9e2f-3a4b5c6d7e8f.0 --resend

{exits.HELP}"""

COLUMNS = ("DOUBT", "SINCE", "NODE", "RECIPIENTS", "WHY")
EMPTY = "no doubts"

doubts = typer.Typer(invoke_without_command=True, help=HELP, no_args_is_help=False)


@doubts.callback()
@target.reaches_gateway
def default(
    context: typer.Context,
    where: target.Where,
    json: target.Json = False,
) -> None:
    """Without a command: list."""
    if context.invoked_subcommand is None:
        _list(where.find(), json)


@doubts.command("list")
@target.reaches_gateway
def listing(
    where: target.Where,
    json: target.Json = False,
) -> None:
    """List the doubts, the oldest mail first.

    Example: mailgate doubts list --json
    """
    _list(where.find(), json)


@doubts.command("resolve")
@target.reaches_gateway
def resolve(
    where: target.Where,
    doubt_id: Annotated[str, typer.Argument(metavar="DOUBT", help="As `mailgate doubts` prints it.")],
    resend: Annotated[bool, typer.Option("--resend", help="Send it again; the recipient may see it twice.")] = False,
    delivered: Annotated[bool, typer.Option("--delivered", help="It was delivered.")] = False,
    bounced: Annotated[bool, typer.Option("--bounced", help="It was not, and is given up.")] = False,
    json: target.Json = False,
) -> None:
    """Decide one: exactly one of --resend, --delivered and --bounced.

    Example: mailgate doubts resolve 0192f0c1-7a3b-7c1d-9e2f-3a4b5c6d7e8f.0 --resend
    """
    chosen = [name for name, given in (("RESEND", resend), ("DELIVERED", delivered), ("BOUNCED", bounced)) if given]
    if len(chosen) != 1:
        raise exits.Usage("doubts resolve: give exactly one of --resend, --delivered and --bounced")

    async def body(client: GatewayClient) -> None:
        from mailgate.client.views import Resolution

        await client.resolve_doubt(doubt_id, Resolution[chosen[0]])

    connect.run(where.find(), body)
    if json:
        output.json_line({"doubt_id": doubt_id, "resolution": chosen[0]})
    else:
        output.line(f"{output.printable(doubt_id)}: {chosen[0].lower()}")


def _list(there: target.Target, json: bool) -> None:
    async def body(client: GatewayClient) -> list[Doubt]:
        return [doubt async for doubt in client.doubts()]

    found = connect.run(there, body)
    if json:
        output.json_line({"doubts": [_json(doubt) for doubt in found]})
    else:
        output.table(COLUMNS, [_row(doubt) for doubt in found], EMPTY)


def _row(doubt: Doubt) -> list[str]:
    emails = ", ".join(doubt.emails[:3]) + (f" and {len(doubt.emails) - 3} more" if len(doubt.emails) > 3 else "")  # noqa: PLR2004
    return [doubt.doubt_id, shown.stamp(doubt.start_ms), doubt.node_id, output.printable(emails), output.printable(doubt.reason)]


def _json(doubt: Doubt) -> dict[str, object]:
    return {
        "doubt_id": doubt.doubt_id,
        "mail_id": format_id(doubt.mail_id),
        "tenant": doubt.tenant,
        "emails": list(doubt.emails),
        "attempt": doubt.attempt,
        "node_id": doubt.node_id,
        "start_time": shown.stamp(doubt.start_ms),
        "reason": doubt.reason,
    }
