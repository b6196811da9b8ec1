"""`mailgate watch`: events as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailgate.cli import connect, exits, output, shown, target
from mailgate.mail import Event

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient

HELP = f"""Show events from now on, as they happen, until Ctrl-C; of one mail until it is over.

Examples:

  mailgate watch

  mailgate watch 0192f0c1-7a3b-7c1d-9e2f-3a4b5c6d7e8f --json      (one object a line)

{exits.HELP}"""


@target.reaches_gateway
def watch(
    where: target.Where,
    mail_id: Annotated[str, typer.Argument(metavar="[MAIL_ID]", help="Only this mail's events.", show_default=False)] = "",
    json: target.Json = False,
) -> None:
    """Show events as they happen. See HELP."""
    wanted = target.mail_id(mail_id) if mail_id else None

    async def body(client: GatewayClient) -> None:
        async with client.watch(wanted) as events:
            waiting = await _unfinished(client, wanted, json) if wanted else None
            if waiting == set():
                return
            if output.interactive() and not json:
                output.line("watching; Ctrl-C ends it")
            async for event in events:
                _tell(event, json)
                if waiting is not None and event.state.final:
                    waiting.discard(event.recipient_index)
                    if not waiting:
                        return

    connect.run(where.find(), body)


async def _unfinished(client: GatewayClient, mail_id: bytes, json: bool) -> set[int]:
    """The recipients whose end is still to come; of a mail that is over, what became of it is printed instead."""
    waiting, over = set(), []
    async for recipient in client.recipients(mail_id):
        (over.append(recipient) if recipient.state.final else waiting.add(recipient.index))
    for recipient in over:
        output.json_line(shown.recipient_json(recipient)) if json else output.line(shown.recipient_line(recipient))
    return waiting


def _tell(event: Event, json: bool) -> None:
    output.json_line(shown.event_json(event)) if json else output.line(shown.event_line(event))
