"""The flags that say what a mail is, the same for every command that sends."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class LaneName(StrEnum):
    """The lanes."""

    transactional = "transactional"
    bulk = "bulk"


class DoubtName(StrEnum):
    """What to do when nobody can know whether the mail was sent."""

    resend = "resend"
    hold = "hold"


Repeated = list[str]

From = Annotated[str, typer.Option("--from", metavar="ADDRESS", help="The author.", show_default="mailgate@localhost")]
ReplyTo = Annotated[Repeated, typer.Option("--reply-to", metavar="ADDRESS", help="Where answers go.")]
Subject = Annotated[str, typer.Option("--subject", help="The subject.")]
TextBody = Annotated[str | None, typer.Option("--text", help="The plain text.")]
HtmlBody = Annotated[str | None, typer.Option("--html", help="The HTML.")]
TextFile = Annotated[str, typer.Option("--text-file", metavar="FILE", help="The plain text from a file; - is stdin.")]
HtmlFile = Annotated[str, typer.Option("--html-file", metavar="FILE", help="The HTML from a file; - is stdin.")]
Attach = Annotated[Repeated, typer.Option("--attach", metavar="FILE", help="A file to attach; repeat it for more.")]
ExtraHeader = Annotated[Repeated, typer.Option("--header", metavar="'NAME: VALUE'", help="A further header field.")]
ReturnPath = Annotated[
    str | None, typer.Option("--return-path", metavar="ADDRESS", help="Where bounces go; '' for none.", show_default="the author")
]
RouteName = Annotated[str, typer.Option("--route", metavar="NAME", help="A route of the gateway.", show_default="by domain")]
HashKey = Annotated[
    str, typer.Option("--hash-key", metavar="KEY", help="Mails of one key go by one sender, where the route hashes by it (hash_by).")
]
Doubt = Annotated[DoubtName, typer.Option("--on-doubt", help="When nobody can know whether it was sent: send again, or hold.")]
Ttl = Annotated[str, typer.Option("--ttl", metavar="48h", help="How long it is tried.", show_default="the gateway's, 48h")]
Tag = Annotated[Repeated, typer.Option("--tag", metavar="WORD", help="A word that events repeat.")]
Meta = Annotated[Repeated, typer.Option("--meta", metavar="KEY=VALUE", help="A pair that events repeat.")]
