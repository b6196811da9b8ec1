"""The inbox's HTTP door: pages for people, JSON for programs, on starlette. Imported only when an inbox starts (extra `inbox`).

What keeps hostile mail harmless: only known Host names while bound to loopback (DNS rebinding), a content security policy on every answer,
mail's HTML alone in a sandbox that runs no scripts and loads nothing, attachments as downloads of a neutral type.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailgate.inbox import page
from mailgate.inbox.reading import Reading, Summary, read, summarise, with_images
from mailgate.inbox.store import Received, Store

MARK = "x-mailgate-inbox"
"""The header by which a client knows that an inbox answers."""

MAX_LIST = 500
_PAGE = 100

_SAFE = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store", MARK: "1"}
_OURS = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NOTHING = "default-src 'none'; sandbox; frame-ancestors 'none'"
_MAILS_HTML = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@\s]+)(?::\d{1,5})?", re.IGNORECASE)


class Door:
    """The ASGI application over a store. `host` is what it is bound to."""

    def __init__(self, store: Store, host: str) -> None:
        self._store = store
        self._summaries: WeakKeyDictionary[Received, Summary] = WeakKeyDictionary()
        self._router: ASGIApp = Router(
            [
                Route("/", self._list_page),
                Route("/list", self._list_rows),
                Route("/mails/{mail:int}", self._mail_page),
                Route("/mails/{mail:int}/html", self._mail_html),
                Route("/mails/{mail:int}/source", self._mail_source),
                Route("/static/{name}", self._static),
                Route("/api/mails", self._api_list, methods=["GET"]),
                Route("/api/mails", self._api_clear, methods=["DELETE"]),
                Route("/api/mails/{mail}", self._api_mail),
                Route("/api/mails/{mail}/raw", self._api_raw),
                Route("/api/mails/{mail}/attachments/{part:int}", self._api_attachment),
            ]
        )
        self._hosts = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host.lower()} if is_loopback(host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what came for another name, and mark every answer."""
        if scope["type"] != "http":
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                have = {name for name, _ in message["headers"]}
                defaults = {**_SAFE, "content-security-policy": _OURS}
                message["headers"] += [(k.encode(), v.encode()) for k, v in defaults.items() if k.encode() not in have]
            await send(message)

        name = _HOST.fullmatch(Headers(scope=scope).get("host", ""))
        if self._hosts is not None and (name is None or name[1].lower() not in self._hosts):
            refusal = JSONResponse({"error": "this inbox answers only to localhost, 127.0.0.1 and [::1]: use one of these names"}, 421)
            await refusal(scope, receive, marked)
            return
        await self._router(scope, receive, marked)

    async def _list_page(self, request: Request) -> Response:
        rows = await self._rows(_number(request.query_params.get("after")))
        return HTMLResponse(page.list_page(rows, self._store.stats()))

    async def _list_rows(self, request: Request) -> Response:
        return HTMLResponse(await self._rows(None))

    async def _rows(self, after: int | None) -> str:
        mails, older = await self._page_of(_PAGE, after)
        return page.list_rows(mails, self._store.stats(), older)

    async def _page_of(self, limit: int, after: int | None) -> tuple[list[tuple[Received, Summary]], int | None]:
        """A page of mails with their summaries, and where the next one begins, if there is one."""
        found = self._store.newest(limit + 1, after)
        shown = found[:limit]
        new = [mail for mail in shown if mail not in self._summaries]
        if new:
            self._summaries.update(await asyncio.to_thread(lambda: {mail: summarise(mail) for mail in new}))
        summaries = [self._summaries[mail] for mail in shown]
        return list(zip(shown, summaries, strict=True)), shown[-1].id if len(found) > limit else None

    async def _mail_page(self, request: Request) -> Response:
        mail = self._mail(request)
        if mail is None:
            return HTMLResponse(page.error_page(_gone(request)), 404)
        return HTMLResponse(page.mail_page(mail, await asyncio.to_thread(read, mail)))

    async def _mail_html(self, request: Request) -> Response:
        mail = self._mail(request)
        reading = await asyncio.to_thread(read, mail) if mail else None
        if reading is None or reading.html is None:
            return PlainTextResponse(_gone(request), 404)
        html = '<base target="_blank">' + with_images(reading.html, reading.attachments)
        return HTMLResponse(html, headers={"content-security-policy": _MAILS_HTML})

    async def _mail_source(self, request: Request) -> Response:
        mail = self._mail(request)
        if mail is None:
            return HTMLResponse(page.error_page(_gone(request)), 404)
        return Response(mail.message, media_type="text/plain; charset=utf-8", headers={"content-security-policy": _NOTHING})

    async def _static(self, request: Request) -> Response:
        kinds = {"inbox.css": "text/css", "inbox.js": "text/javascript"}
        name = request.path_params["name"]
        if name not in kinds:
            return PlainTextResponse("not found", 404)
        return Response(_static_file(name), media_type=kinds[name])

    async def _api_list(self, request: Request) -> Response:
        asked = request.query_params
        limit, after = _number(asked.get("limit", "50")), _number(asked.get("after"))
        if limit is None or (after is None and "after" in asked):
            return JSONResponse({"error": f"limit is a number from 1 to {MAX_LIST}, after the id of a mail"}, 400)
        mails, older = await self._page_of(min(limit, MAX_LIST), after)
        stats = asdict(self._store.stats())
        return JSONResponse({"mails": [_summary_json(mail, summary) for mail, summary in mails], "next": older, "stats": stats})

    async def _api_clear(self, request: Request) -> Response:
        return JSONResponse({"removed": self._store.clear()})

    async def _api_mail(self, request: Request) -> Response:
        mail = self._mail(request)
        if mail is None:
            return JSONResponse({"error": _gone(request)}, 404)
        return JSONResponse(_mail_json(mail, await asyncio.to_thread(read, mail)))

    async def _api_raw(self, request: Request) -> Response:
        mail = self._mail(request)
        if mail is None:
            return JSONResponse({"error": _gone(request)}, 404)
        return _download(mail.message, f"mail-{mail.id}.eml", "message/rfc822")

    async def _api_attachment(self, request: Request) -> Response:
        mail = self._mail(request)
        parts = (await asyncio.to_thread(read, mail)).attachments if mail else ()
        number = request.path_params["part"]
        if number >= len(parts):
            return JSONResponse({"error": _gone(request)}, 404)
        return _download(parts[number].data, parts[number].filename or f"attachment-{number}", "application/octet-stream")

    def _mail(self, request: Request) -> Received | None:
        number = _number(str(request.path_params["mail"]))
        return self._store.get(number) if number else None


def is_loopback(host: str) -> bool:
    """Bound to this, only this machine can connect."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _number(text: str | None) -> int | None:
    """A whole number from 1; None for anything else."""
    return int(text) or None if text and text.isascii() and text.isdigit() and len(text) <= 15 else None  # noqa: PLR2004


def _gone(request: Request) -> str:
    return f"mail {str(request.path_params['mail'])[:20]} is not here (any more): the inbox keeps only the last ones"


def _summary_json(mail: Received, summary: Summary) -> dict[str, Any]:
    return {
        "id": mail.id,
        "received": datetime.fromtimestamp(mail.received_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "sender": mail.sender,
        "recipients": mail.recipients,
        "size": len(mail.message),
        "subject": summary.subject,
        "from": summary.from_,
        "to": summary.to,
    }


def _mail_json(mail: Received, reading: Reading) -> dict[str, Any]:
    return {
        **_summary_json(mail, reading.summary),
        "headers": [{"name": name, "value": value} for name, value in reading.headers],
        "text": reading.text,
        "html": reading.html,
        "attachments": [
            {"index": n, "filename": p.filename, "content_type": p.content_type, "content_id": p.content_id, "size": len(p.data)}
            for n, p in enumerate(reading.attachments)
        ],
        "trouble": reading.trouble,
    }


def _download(data: bytes, filename: str, kind: str) -> Response:
    where = f"attachment; filename*=utf-8''{quote(filename, safe='')}"
    return Response(data, media_type=kind, headers={"content-disposition": where, "content-security-policy": _NOTHING})


@lru_cache
def _static_file(name: str) -> bytes:
    return (files("mailgate.inbox") / "static" / name).read_bytes()
