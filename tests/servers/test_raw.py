"""A folder of real messages through gateway and node to Exim and OpenSMTPD: what the caller wrote is in their maildirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.exim import exim
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.opensmtpd import opensmtpd
from benchmarks.peers.process import wait_until
from benchmarks.peers.unpacked import Unpacked
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.test_raw import EML, expected_of, is_broken
from tests.servers.conftest import demand

TRACE = re.compile(rb"(?:(?:Return-Path|Delivered-To|Received|Message-ID|Date):[^\n]*\n(?:[ \t][^\n]*\n)*)*", re.IGNORECASE)
SERVERS = ("exim", "smtpd")

Stage = tuple[Fleet, dict[str, Unpacked]]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One fleet, whose recipients' domain says which server gets the mail."""
    for name in SERVERS:
        demand(name)
    with ExitStack() as stack:
        servers: dict[str, Unpacked] = {"exim": stack.enter_context(exim()), "smtpd": stack.enter_context(opensmtpd())}
        routes = {
            f"routes.{name}": {"relays": [f"smtp://127.0.0.1:{server.port}"], "domains": [f"{name}.example.net"], "connections": 2}
            for name, server in servers.items()
        }
        folder = tmp_path_factory.mktemp("raw")
        yield stack.enter_context(Fleet(folder, servers["exim"].port, senders=1, settings=routes)), servers


@pytest.mark.parametrize("path", EML, ids=lambda path: path.name)
@pytest.mark.parametrize("name", SERVERS)
def test_raw_arrives_as_it_is(stage: Stage, name: str, path: Path) -> None:
    """Nothing changes but bare line ends and Bcc, and the ends of lines as they are stored; only trace headers are put on top."""
    fleet, servers = stage
    given = path.read_bytes()
    one = plain_mail(f"to@{name}.example.net", "")
    one.raw = given
    before = servers[name].mails()
    with fleet.door() as door:
        receipt = door.send(service.SendMailRequest(mail=one, wait=Duration(seconds=20)), timeout=30).receipt
    assert receipt.recipients[0].state == mail.RECIPIENT_STATE_DELIVERED, receipt
    wait_until(lambda: len(servers[name].mails()) > len(before), f"it never came: {servers[name].tail()}", 15)
    (came,) = [each for each in servers[name].mails() if each not in before]
    if path.name == "long_lines.eml":
        assert is_broken(came, given)
        return
    came, expected = came.replace(b"\r\n", b"\n"), expected_of(given).replace(b"\r\n", b"\n")
    assert came.endswith(expected)
    assert TRACE.fullmatch(came.removesuffix(expected)), "more than trace headers was put on top"
