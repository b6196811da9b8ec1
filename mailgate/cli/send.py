"""`mailgate send`: one mail, from flags, from a file in RFC 5322's form, or from JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mailgate.cli import connect, exits, flags, output, shown, target
from mailgate.cli.waits import seconds_of
from mailgate.cli.wanted import Flags, mail_of, read
from mailgate.errors import Invalid
from mailgate.ids import format_id
from mailgate.mail import Mail, Receipt, Recipient, RecipientState

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient


LISTED = 100
"""Recipients that a receipt lists; the others are paged."""

HELP = f"""Send one mail.

Examples:

  mailgate send --to a@example.com --subject Hi --text Hello --wait

  mailgate send --from 'Ann <ann@example.com>' --to b@example.com --html-file news.html --attach plan.pdf

  mailgate send --eml letter.eml          (the file as it is; the envelope is read from its header)

{exits.HELP}"""


@target.reaches_gateway
def send(
    where: target.Where,
    from_: flags.From = "",
    to: Annotated[flags.Repeated, typer.Option("--to", metavar="ADDRESS", help="A recipient; repeat it for more.")] = [],  # noqa: B006
    cc: Annotated[flags.Repeated, typer.Option("--cc", metavar="ADDRESS", help="A recipient shown in Cc.")] = [],  # noqa: B006
    bcc: Annotated[flags.Repeated, typer.Option("--bcc", metavar="ADDRESS", help="A recipient that the others do not see.")] = [],  # noqa: B006
    reply_to: flags.ReplyTo = [],  # noqa: B006
    subject: flags.Subject = "",
    text: flags.TextBody = None,
    html: flags.HtmlBody = None,
    text_file: flags.TextFile = "",
    html_file: flags.HtmlFile = "",
    attach: flags.Attach = [],  # noqa: B006
    header: flags.ExtraHeader = [],  # noqa: B006
    return_path: flags.ReturnPath = None,
    lane: Annotated[flags.LaneName | None, typer.Option("--lane", help="The priority class.", show_default="transactional")] = None,
    route: flags.RouteName = "",
    hash_key: flags.HashKey = "",
    on_doubt: flags.Doubt = flags.DoubtName.resend,
    ttl: flags.Ttl = "",
    tag: flags.Tag = [],  # noqa: B006
    meta: flags.Meta = [],  # noqa: B006
    eml: Annotated[str, typer.Option("--eml", metavar="FILE", help="A whole mail, sent as it is; - is stdin.")] = "",
    file: Annotated[
        str, typer.Option("--file", metavar="FILE", help="A Mail or SendMailRequest of the contract, in JSON; - is stdin.")
    ] = "",
    wait: Annotated[
        str | None, typer.Option("--wait", metavar="[SECONDS]", help="Wait for each recipient's first attempt; 30 s without a number.")
    ] = None,
    validate_only: Annotated[bool, typer.Option("--validate-only", help="Check everything, send nothing.")] = False,
    json: target.Json = False,
) -> None:
    """Send one mail. See HELP."""
    typed = Flags(
        from_=from_,
        to=tuple(to),
        cc=tuple(cc),
        bcc=tuple(bcc),
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
        eml=eml,
    )
    seconds = seconds_of(wait) if wait is not None else None
    mail, seconds, only_check = _wanted(typed, file, seconds, validate_only)
    there = where.find()

    async def body(client: GatewayClient) -> tuple[Receipt, tuple[Recipient, ...]]:
        receipt = await client.send(mail, wait=seconds, validate_only=only_check)
        if seconds is None or len(receipt.recipients) < LISTED:
            return receipt, receipt.recipients
        return receipt, tuple([recipient async for recipient in client.recipients(receipt.mail_id)])

    receipt, recipients = connect.run(there, body)
    raise typer.Exit(_tell(receipt, recipients, seconds is not None and not only_check, json))


def _wanted(flags: Flags, file: str, wait: float | None, validate_only: bool) -> tuple[Mail, float | None, bool]:
    if not file:
        return mail_of(flags), wait, validate_only
    if flags != Flags():
        raise exits.Usage(f"--file {file}: the file says everything about the mail: leave the other flags of the mail out")
    from mailgate.client.mailfile import read_request

    try:
        mail, waits, only = read_request(read("--file", file), f"--file {file}")
    except Invalid as error:
        raise exits.Usage(str(error)) from None
    return mail, waits if wait is None else wait, validate_only or only


def _tell(receipt: Receipt, recipients: tuple[Recipient, ...], waited: bool, json: bool) -> int:
    if json:
        output.json_line(shown.receipt_json(receipt, recipients))
    elif not receipt.mail_id:
        output.line(f"valid: {_count(len(recipients))}, nothing was sent" if recipients else "valid: nothing was sent")
    elif not waited:
        output.line(f"accepted {format_id(receipt.mail_id)}")
    else:
        for recipient in recipients:
            output.line(shown.recipient_line(recipient))
        if receipt.wait_elapsed:
            told = f"the wait is over; the mail goes on: mailgate get {format_id(receipt.mail_id)}"
            output.line(told)
    if not waited:
        return exits.OK
    return exits.OK if all(recipient.state is RecipientState.DELIVERED for recipient in recipients) else exits.REFUSED


def _count(recipients: int) -> str:
    return "1 recipient" if recipients == 1 else f"{recipients} recipients"
