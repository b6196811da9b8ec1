"""Reports of servers: what the route asks for comes back to the return path, with the mail's id and the recipient as we know them."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.exim import exim
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.postfix import Postfix
from benchmarks.peers.process import wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.servers.conftest import demand

ASKED = {"success": {"dsn_notify": ["success"], "dsn_return": "headers"}, "never": {"dsn_notify": ["never"]}, "unsaid": {}}


@pytest.fixture(scope="module")
def stage(maildrop: Postfix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, dict[str, Callable[[], list[bytes]]]]]:
    """A fleet with a route for each server and each wish; and what is in the maildir of each."""
    demand("exim")
    with exim() as other:
        mails = {"postfix": maildrop.mails, "exim": other.mails}
        routes = {
            f"routes.{name}-{wish}": {
                "relays": [f"smtp://127.0.0.1:{port}"],
                "domains": [f"{wish}.{name}.example.net"],
                "connections": 1,
                **keys,
            }
            for name, port in (("postfix", maildrop.port), ("exim", other.port))
            for wish, keys in ASKED.items()
        }
        with Fleet(tmp_path_factory.mktemp("dsn"), other.port, senders=1, settings=routes) as fleet:
            yield fleet, mails


def send(fleet: Fleet, to: str) -> str:
    """A mail that is taken; its id."""
    with fleet.door() as door:
        receipt = door.send(service.SendMailRequest(mail=plain_mail(to, "text"), wait=Duration(seconds=20)), timeout=30).receipt
    assert receipt.recipients[0].state == mail.RECIPIENT_STATE_DELIVERED
    return receipt.mail_id


def reports(mails: list[bytes], mail_id: str) -> list[EmailMessage]:
    """Those that name the mail."""
    wanted = f"original-envelope-id: {mail_id}".encode()
    found = [email.message_from_bytes(one, policy=email.policy.default) for one in mails if wanted in one.lower()]
    return [one for one in found if one.get_content_type() == "multipart/report"]


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_delivery_is_reported(stage: tuple[Fleet, dict[str, Callable[[], list[bytes]]]], name: str) -> None:
    """Where it was asked for: one report, with headers alone. Mails sent before it, with `never` and with nothing said, have none."""
    fleet, mails = stage
    silent = [send(fleet, f"quiet@{wish}.{name}.example.net") for wish in ("never", "unsaid")]
    to = f"a+b@success.{name}.example.net"
    mail_id = send(fleet, to)
    wait_until(lambda: reports(mails[name](), mail_id), f"no report came: {mails[name]()[-2:]}", 20)
    (report,) = reports(mails[name](), mail_id)
    status = report.get_payload(1)
    (about,) = [part for part in status.get_payload() if part["Final-Recipient"]]
    assert about["Final-Recipient"].replace(" ", "") == f"rfc822;{to}"
    assert about["Original-Recipient"].replace(" ", "").replace("+2B", "+") == f"rfc822;{to}"
    assert about["Action"] in ("delivered", "relayed")
    assert report.get_payload(2).get_content_type() in ("text/rfc822-headers", "message/rfc822-headers")
    assert not [each for each in silent if reports(mails[name](), each)]
