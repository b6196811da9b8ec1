"""The inbox's pages. Mail is hostile: every word of it goes through `escape`, its HTML only into a sandboxed frame. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from mailgate.inbox.reading import Reading, Summary
from mailgate.inbox.store import InboxStats, Received

TROUBLE_HELP = (
    "Mail to bounce+550@… is answered with 550, mail to defer+451@… with 451, and so on: any 5xx after bounce+, any 4xx after defer+."
)
"""How to try what happens when a recipient is refused; for the page and for `--help`."""


def list_page(rows: str, stats: InboxStats) -> str:
    """The list of mails; `rows` as `list_rows` made them."""
    bar = f'<span class="counts" id="counts">{counts(stats)}</span><button id="clear" type="button">Clear</button>'
    return _page("Inbox", bar, f'<div id="list">{rows}</div><p class="hint">{escape(TROUBLE_HELP)}</p>')


def list_rows(mails: list[tuple[Received, Summary]], stats: InboxStats, older: int | None) -> str:
    """The list itself; `older`: the last mail shown, when there are more behind it."""
    told = f'<div data-counts="{counts(stats)}"></div>'
    if not mails:
        return told + '<div class="empty"><strong>No mail yet</strong>Whatever is sent to this inbox shows up here by itself.</div>'
    rows = "".join(_row(mail, summary) for mail, summary in mails)
    more = f'<p class="more"><a href="/?after={older}">Older mails</a></p>' if older else ""
    return (
        f'{told}<table class="list"><thead><tr><th class="subject">Subject</th><th>From</th><th class="to">To</th>'
        f'<th class="when">Received</th><th class="size">Size</th></tr></thead><tbody>{rows}</tbody></table>{more}'
    )


def _row(mail: Received, summary: Summary) -> str:
    sender = summary.from_ or mail.sender or "<>"
    subject = escape(summary.subject) or '<span class="none">no subject</span>'
    to = ", ".join(mail.recipients[:20]) + (f" and {len(mail.recipients) - 20} more" if len(mail.recipients) > 20 else "")  # noqa: PLR2004
    return (
        f'<tr><td class="subject"><a href="/mails/{mail.id}">{subject}</a></td><td title="{escape(sender)}">{escape(sender)}</td>'
        f'<td class="to" title="{escape(to)}">{escape(to)}</td><td class="when">{_time(mail.received_ms)}</td>'
        f'<td class="size">{size(len(mail.message))}</td></tr>'
    )


def mail_page(mail: Received, reading: Reading) -> str:
    """One mail."""
    summary = reading.summary
    links = (
        f'<span class="counts"></span><a href="/mails/{mail.id}/source">Source</a> '
        f'<a href="/api/mails/{mail.id}/raw" download="mail-{mail.id}.eml">Download</a>'
    )
    facts = [
        ("From", escape(summary.from_)),
        ("To", escape(summary.to)),
        ("Envelope", f"{escape(mail.sender or '<>')} → {escape(', '.join(mail.recipients))}"),
        ("Received", f"{_time(mail.received_ms)}, {size(len(mail.message))}"),
    ]
    trouble = f'<p class="trouble">{escape(reading.trouble)}</p>' if reading.trouble else ""
    headers = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in reading.headers)
    body = (
        f"<h2>{escape(summary.subject) or '<span class=none>no subject</span>'}</h2>{trouble}"
        f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in facts)}</dl>"
        f"<details><summary>{len(reading.headers)} headers</summary><dl>{headers}</dl></details>"
    )
    if reading.attachments:
        body += f"<h3>Attachments</h3><ul class=files>{_files(mail, reading)}</ul>"
    if reading.html is not None:
        sandbox = "allow-popups allow-popups-to-escape-sandbox"
        body += f'<h3>HTML</h3><iframe title="HTML" sandbox="{sandbox}" referrerpolicy="no-referrer" src="/mails/{mail.id}/html"></iframe>'
    if reading.text is not None:
        body += f"<h3>Text</h3><pre>{escape(reading.text)}</pre>"
    return _page(summary.subject or f"Mail {mail.id}", links, body)


def _files(mail: Received, reading: Reading) -> str:
    return "".join(
        f'<li><a href="/api/mails/{mail.id}/attachments/{n}">{escape(part.filename) or "unnamed"}'
        f"<small>{escape(part.content_type)}, {size(len(part.data))}</small></a></li>"
        for n, part in enumerate(reading.attachments)
    )


def error_page(text: str) -> str:
    """Something is not there."""
    return _page("Inbox", "", f'<div class="empty"><strong>{escape(text)}</strong><a href="/">Back to the list</a></div>')


def counts(stats: InboxStats) -> str:
    """What is kept and what was let go, in words."""
    told = f"{stats.kept:,} {'mail' if stats.kept == 1 else 'mails'}, {size(stats.octets)}"
    return f"{told}; {stats.evicted:,} older ones were let go" if stats.evicted else told


def size(octets: int) -> str:
    """For people."""
    if octets < 1024:  # noqa: PLR2004
        return f"{octets} B"
    return f"{octets / 1024:.1f} KiB" if octets < 1024 * 1024 else f"{octets / 1024 / 1024:.1f} MiB"


def _time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f'<time data-ms="{ms}" datetime="{moment.isoformat(timespec="milliseconds")}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>'


def _page(title: str, bar: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · Mailgate</title><link rel="stylesheet" href="/static/inbox.css"><link rel="icon" href="data:,"></head>'
        f'<body><header class="bar"><h1><a href="/">Inbox</a></h1>{bar}</header><main>{body}</main>'
        f'<script src="/static/inbox.js"></script></body></html>'
    )
