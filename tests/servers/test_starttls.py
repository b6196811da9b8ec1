"""STARTTLS towards a real Postfix with a certificate of its own making: demanded, verified, and distrusted."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.postfix import Postfix
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

WAIT = Duration(seconds=20)


def fleet_before(maildrop: Postfix, folder: Path, *, trusted: bool) -> Fleet:
    """Routes that demand TLS: `checked.example.net` verifies the certificate, `unchecked.example.net` does not."""
    to = {"relays": [f"smtp://localhost:{maildrop.port}"], "tls": "required", "connections": 1}
    settings = {
        f"routes.{name}": {**to, "verify": name == "checked", "domains": [f"{name}.example.net"]} for name in ("checked", "unchecked")
    }
    env = {"SSL_CERT_FILE": str(maildrop.certificate)} if trusted else {}
    return Fleet(folder, maildrop.port, senders=1, settings=settings, sender_env=env)


def first_attempt(fleet: Fleet, to: str) -> mail.Recipient:
    """Send one mail; its recipient after the first attempt."""
    with fleet.door() as door:
        return door.send(service.SendMailRequest(mail=plain_mail(to, "in secret"), wait=WAIT), timeout=30).receipt.recipients[0]


def test_a_trusted_certificate_is_verified(maildrop: Postfix, tmp_path: Path) -> None:
    """Demanded and verified: DELIVERED, and the attempt tells the TLS version."""
    with fleet_before(maildrop, tmp_path, trusted=True) as fleet:
        recipient = first_attempt(fleet, "a@checked.example.net")
    assert recipient.state == mail.RECIPIENT_STATE_DELIVERED
    assert recipient.last_attempt.tls.startswith("TLSv1.")
    assert "TLS connection established" in maildrop.log()


def test_an_unknown_certificate_is_refused_unless_verification_is_off(maildrop: Postfix, tmp_path: Path) -> None:
    """Verified and not trusted: nothing is sent, and the text says that it is the certificate. `verify = false`: to whoever is there."""
    with fleet_before(maildrop, tmp_path, trusted=False) as fleet:
        refused = first_attempt(fleet, "a@checked.example.net")
        unchecked = first_attempt(fleet, "b@unchecked.example.net")
    assert refused.state == mail.RECIPIENT_STATE_DEFERRED
    assert refused.last_attempt.phase == mail.PHASE_TLS
    assert "certificate" in refused.last_attempt.text.lower()
    assert unchecked.state == mail.RECIPIENT_STATE_DELIVERED
    assert unchecked.last_attempt.tls.startswith("TLSv1.")
