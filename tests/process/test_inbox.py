"""The development inbox over real sockets: mail in by SMTP, looked at over HTTP."""

from __future__ import annotations

import asyncio
import email.message
import json
import smtplib
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import aiosmtplib
import pytest

from mailgate.errors import Invalid, NotFound, SettingsInvalid, Unavailable
from mailgate.inbox import client
from mailgate.inbox.server import Inbox

FOLDER = Path(__file__).parents[1] / "data" / "eml"


@pytest.fixture
async def inbox():
    async with Inbox(smtp_port=0, door_port=0) as running:
        yield running


def ask(inbox: Inbox, path: str, method: str = "GET", host: str | None = None):
    """Status, headers and body of an answer of the door."""
    connection = HTTPConnection("127.0.0.1", inbox.door_port, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def send(inbox: Inbox, message: bytes, to: list[str] | None = None, sender: str = "a@example.com") -> None:
    with smtplib.SMTP("127.0.0.1", inbox.smtp_port, timeout=10) as connection:
        connection.sendmail(sender, to or ["b@example.com"], message)


async def exchange(inbox: Inbox, octets: bytes, replies: int) -> list[bytes]:
    """Write all at once, read so many lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", inbox.smtp_port)
    writer.write(octets)
    lines = [await asyncio.wait_for(reader.readline(), 10) for _ in range(replies)]
    writer.close()
    await writer.wait_closed()
    return lines


async def test_a_mail_sent_by_smtp_is_found_by_http(inbox):
    """Envelope, subject, parts; every recipient is taken."""
    message = email.message.EmailMessage()
    message["Subject"], message["From"], message["To"] = "Grüße", "Ada <a@example.com>", "b@example.com"
    message.set_content("Hallo")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="ä.pdf")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=inbox.smtp_port, recipients=["b@example.com", "c@example.net"])
    listed = await asyncio.to_thread(client.list_mails, inbox.door)
    [mail] = listed["mails"]
    assert mail["subject"] == "Grüße"
    assert (mail["sender"], mail["recipients"]) == ("a@example.com", ["b@example.com", "c@example.net"])
    assert listed["next"] is None
    assert listed["stats"]["received"] == inbox.stats().received == 1
    shown = await asyncio.to_thread(client.show_mail, inbox.door, mail["id"])
    assert shown["text"].strip() == "Hallo"
    assert shown["attachments"] == [{"index": 0, "filename": "ä.pdf", "content_type": "application/pdf", "content_id": "", "size": 4}]
    status, headers, body = await asyncio.to_thread(ask, inbox, "/api/mails/1/attachments/0")
    assert (status, body, headers["content-type"]) == (200, b"%PDF", "application/octet-stream")
    assert headers["content-disposition"] == "attachment; filename*=utf-8''%C3%A4.pdf"


@pytest.mark.parametrize("name", ["dots.eml", "latin1.eml", "long_lines.eml", "multipart.eml", "signed.eml"])
async def test_messages_are_kept_byte_for_byte(inbox, name):
    """Dots, 8-bit octets, lines of any length."""
    data = (FOLDER / name).read_bytes()
    await asyncio.to_thread(send, inbox, data)
    assert await asyncio.to_thread(client.raw_mail, inbox.door, 1) == data


async def test_a_large_mail_is_taken_and_one_above_the_limit_is_not(inbox):
    """64 MiB, as SIZE tells."""
    data = b"Subject: large\r\n\r\n" + (b"x" * 998 + b"\r\n") * 5_000
    await asyncio.to_thread(send, inbox, data)
    assert inbox.stats().octets == len(data)
    [*_, reply] = await exchange(inbox, b"EHLO x\r\nMAIL FROM:<a@b.c> SIZE=67108865\r\n", 8)
    assert reply.startswith(b"552")


async def test_what_is_offered_holds(inbox):
    """PIPELINING: everything up to DATA in one packet; a body and the next mail in another; SMTPUTF8 and 8BITMIME parameters."""
    lines = await exchange(
        inbox,
        b"EHLO x\r\nMAIL FROM:<a@example.com> BODY=8BITMIME SIZE=100\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@example.com>\r\nDATA\r\n"
        b"Subject: 1\r\n\r\n..dot\r\n.\r\n"
        + "MAIL FROM:<ü@example.com> SMTPUTF8\r\nRCPT TO:<用户@例え.example>\r\nDATA\r\n".encode()
        + b"2\r\n.\r\nQUIT\r\n",
        17,
    )
    assert {b"250-PIPELINING\r\n", b"250-8BITMIME\r\n", b"250-SMTPUTF8\r\n", b"250-SIZE 67108864\r\n"} <= set(lines)
    assert [line[:3] for line in lines[7:]] == [b"250", b"250", b"250", b"354", b"250", b"250", b"250", b"354", b"250", b"221"]
    first, second = [await asyncio.to_thread(client.show_mail, inbox.door, n) for n in (1, 2)]
    assert first["text"] == ".dot\r\n"
    assert second["recipients"] == ["用户@例え.example"]


async def test_the_null_sender_is_empty(inbox):
    """Bounces come from it."""
    await asyncio.to_thread(send, inbox, b"x", sender="")
    assert (await asyncio.to_thread(client.show_mail, inbox.door, 1))["sender"] == ""


@pytest.mark.parametrize(("address", "code"), [("bounce+550@example.com", 550), ("Defer+421@example.com", 421), ("bounce+552@x.y", 552)])
async def test_recipients_can_ask_for_trouble(inbox, address, code):
    """And only they: the others of the mail are taken."""

    def attempt():
        with smtplib.SMTP("127.0.0.1", inbox.smtp_port, timeout=10) as connection:
            connection.ehlo()
            connection.mail("a@example.com")
            return connection.rcpt(address)[0], connection.rcpt("bounce+450@x.y")[0], connection.rcpt("bounce@x.y")[0]

    assert await asyncio.to_thread(attempt) == (code, 250, 250)


async def test_only_names_of_this_machine_are_answered(inbox):
    """DNS rebinding: a page from elsewhere reaches the port under its own name."""
    for host in ("localhost:8025", "127.0.0.1", f"[::1]:{inbox.door_port}", "LOCALHOST"):
        assert (await asyncio.to_thread(ask, inbox, "/", host=host))[0] == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "evil.example:8025"):
        status, _, body = await asyncio.to_thread(ask, inbox, "/api/mails", host=host)
        assert status == 421
        assert "localhost" in json.loads(body)["error"]


async def test_hostile_html_stays_in_its_sandbox(inbox):
    """The page escapes it, the frame runs no scripts and loads nothing; source and downloads never are a page."""
    await asyncio.to_thread(
        send, inbox, b"Subject: <script>1</script>\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script><img src=http://x.y/z>"
    )
    status, headers, body = await asyncio.to_thread(ask, inbox, "/mails/1")
    assert status == 200
    assert b"<script>" not in body
    assert b'sandbox="allow-popups allow-popups-to-escape-sandbox"' in body
    assert "script-src 'self'" in headers["content-security-policy"]
    _, headers, body = await asyncio.to_thread(ask, inbox, "/mails/1/html")
    assert b"<script>alert(1)</script>" in body
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    for path, kind in (("/mails/1/source", "text/plain"), ("/api/mails/1/raw", "message/rfc822")):
        _, headers, _ = await asyncio.to_thread(ask, inbox, path)
        assert headers["content-type"].startswith(kind)
        assert headers["x-content-type-options"] == "nosniff"


async def test_the_list_pages_and_clears(inbox):
    """By limit and after; DELETE lets go of all; mistakes in the query are told."""

    def fill():
        with smtplib.SMTP("127.0.0.1", inbox.smtp_port, timeout=10) as connection:
            for n in range(5):
                connection.sendmail("a@example.com", ["b@example.com"], f"Subject: {n}\r\n\r\n".encode())

    await asyncio.to_thread(fill)
    page = await asyncio.to_thread(client.list_mails, inbox.door, 2)
    assert ([mail["subject"] for mail in page["mails"]], page["next"]) == (["4", "3"], 4)
    page = await asyncio.to_thread(client.list_mails, inbox.door, 3, page["next"])
    assert ([mail["subject"] for mail in page["mails"]], page["next"]) == (["2", "1", "0"], None)
    for query in ("limit=0", "limit=x", "after=-1", "limit=" + "9" * 30):
        status, _, body = await asyncio.to_thread(ask, inbox, f"/api/mails?{query}")
        assert (status, "limit" in json.loads(body)["error"]) == (400, True)
    assert b"Older" not in (await asyncio.to_thread(ask, inbox, "/"))[2]
    assert json.loads((await asyncio.to_thread(ask, inbox, "/api/mails", "DELETE"))[2]) == {"removed": 5}
    assert b"No mail yet" in (await asyncio.to_thread(ask, inbox, "/list"))[2]


@pytest.mark.parametrize(
    "path",
    [
        "/api/mails/7",
        "/api/mails/x",
        "/api/mails/7/raw",
        "/mails/7",
        "/mails/7/html",
        "/mails/7/source",
        "/static/../door.py",
        "/x",
        "/api/mails/7/attachments/0",
    ],
)
async def test_what_is_not_there_is_not_found(inbox, path):
    """Pages and JSON alike, marked as the inbox's."""
    status, headers, _ = await asyncio.to_thread(ask, inbox, path)
    assert status == 404
    assert headers["x-mailgate-inbox"] == "1"


async def test_the_client_tells_what_is_wrong(inbox):
    """No such mail, no inbox, something else than an inbox, no address: each with a cure."""
    with pytest.raises(NotFound, match="keeps only the last"):
        await asyncio.to_thread(client.show_mail, inbox.door, 9)
    with pytest.raises(Unavailable, match="mailgate up"):
        await asyncio.to_thread(client.list_mails, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="no inbox answers"):
        await asyncio.to_thread(client.list_mails, f"http://127.0.0.1:{inbox.smtp_port}")
    for door in ("ftp://x", "http://", "http://x:y"):
        with pytest.raises(Invalid, match="door"):
            await asyncio.to_thread(client.list_mails, door)


@pytest.mark.parametrize(("which", "flag"), [("smtp_port", "--inbox-smtp-port"), ("door_port", "--inbox-port")])
async def test_a_taken_port_says_which_and_how_to_choose_another(inbox, which, flag):
    """And nothing stays open behind."""
    ports = {"smtp_port": 0, "door_port": 0, which: getattr(inbox, which)}
    with pytest.raises(SettingsInvalid, match=f"another process has it: choose another port with {flag}") as refused:
        async with Inbox(**ports):
            pass
    assert str(ports[which]) in str(refused.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
async def test_an_address_of_another_machine_is_refused(host):
    """With the same error."""
    with pytest.raises(SettingsInvalid):
        async with Inbox(smtp_host=host, smtp_port=0, door_port=0):
            pass


async def test_it_stops_while_clients_are_connected():
    """Idle, in the middle of DATA, and half a request: the stop waits for none of them, and no task is left."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(30), Inbox(smtp_port=0, door_port=0) as inbox:
        idle = await asyncio.open_connection("127.0.0.1", inbox.smtp_port)
        half = await asyncio.open_connection("127.0.0.1", inbox.smtp_port)
        half[1].write(b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nhalf a mail")
        web = await asyncio.open_connection("127.0.0.1", inbox.door_port)
        web[1].write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for reader, _ in (idle, half, web):
            await asyncio.wait_for(reader.readline(), 10)
    assert inbox.stats().received == 0
    for _, writer in (idle, half, web):
        writer.close()
    await asyncio.sleep(0)
    assert not {task for task in asyncio.all_tasks() - before if not task.done()}


async def test_a_client_that_goes_away_is_no_error(inbox, caplog):
    """In the middle of a mail, by a reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", inbox.smtp_port)
    await reader.readline()
    writer.write(b"EHLO x\r\nMAIL FROM:<a@b.c>\r\n" + b"NOOP\r\n" * 2000)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
    await asyncio.to_thread(send, inbox, b"Subject: next\r\n\r\n")
    assert inbox.stats().received == 1
    assert not caplog.records


def test_importing_the_inbox_loads_none_of_its_libraries():
    """`mailgate --help` and `mailgate inbox list` must be quick."""
    code = (
        "import sys, mailgate.inbox.server, mailgate.inbox.client\n"
        "print([name for name in ('aiosmtpd', 'starlette', 'uvicorn') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_missing_extra_is_named_with_the_command():
    """Not a traceback about a module."""
    code = (
        "import sys, asyncio; sys.modules['starlette'] = None\n"
        "from mailgate.inbox.server import Inbox\n"
        "from mailgate.errors import SettingsInvalid\n"
        "try: asyncio.run(Inbox(smtp_port=0, door_port=0).__aenter__())\n"
        "except SettingsInvalid as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "starlette" in told
    assert "pip install 'mailgate[inbox]'" in told


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
