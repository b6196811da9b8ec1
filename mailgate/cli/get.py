"""`mailgate get`: what became of a mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailgate.cli import connect, exits, output, shown, target
from mailgate.ids import format_id
from mailgate.mail import Recipient

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient
    from mailgate.client.views import MailStatus

HELP = f"""Show what became of a mail.

Example: mailgate get 0192f0c1-7a3b-7c1d-9e2f-3a4b5c6d7e8f

{exits.HELP}"""

LISTED = 100


@target.reaches_gateway
def get(
    where: target.Where,
    mail_id: Annotated[str, typer.Argument(metavar="MAIL_ID", help="As `mailgate send` printed it.")],
    every: Annotated[bool, typer.Option("--all", help="List every recipient, not only the first 100.")] = False,
    json: target.Json = False,
) -> None:
    """Show what became of a mail. See HELP."""
    wanted = target.mail_id(mail_id)

    async def body(client: GatewayClient) -> tuple[MailStatus, tuple[Recipient, ...]]:
        status = await client.get(wanted)
        if not every or status.total <= LISTED:
            return status, status.recipients
        return status, tuple([recipient async for recipient in client.recipients(wanted)])

    status, recipients = connect.run(where.find(), body)
    if json:
        output.json_line(_json(status, recipients))
        return
    output.fields(
        {
            "mail": format_id(status.mail_id),
            "batch": format_id(status.batch_id) if status.batch_id else "",
            "accepted": shown.stamp(status.accept_ms),
            "tried until": "" if status.over else shown.stamp(status.expire_ms),
            "lane": status.lane.name.lower(),
            "on doubt": status.on_doubt.name.lower(),
            "tags": ", ".join(map(output.printable, status.tags)),
            "metadata": ", ".join(output.printable(f"{name}={value}") for name, value in status.metadata.items()),
            "recipients": ", ".join(f"{count} {state.name}" for state, count in status.counts.items()),
        }
    )
    for recipient in recipients:
        output.line(shown.recipient_line(recipient))
    if len(recipients) < status.total:
        output.line(f"… and {status.total - len(recipients)} more: --all lists them")


def _json(status: MailStatus, recipients: tuple[Recipient, ...]) -> dict[str, object]:
    return {
        "mail_id": format_id(status.mail_id),
        "batch_id": format_id(status.batch_id) if status.batch_id else "",
        "accept_time": shown.stamp(status.accept_ms),
        "expire_time": shown.stamp(status.expire_ms),
        "lane": status.lane.name,
        "on_doubt": status.on_doubt.name,
        "tags": list(status.tags),
        "metadata": dict(status.metadata),
        "counts": {state.name: count for state, count in status.counts.items()},
        "recipients": [shown.recipient_json(recipient) for recipient in recipients],
    }
