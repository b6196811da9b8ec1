"""Mails with variables through a real gateway and a real node: each recipient has his own, and what cannot be rendered is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

PARTS = mail.Parts(
    subject="Order {{ order.id }} for {{ name }}",
    text="Dear {{ name }},\n{% for line in order.lines %}{{ line.n }} {{ line.sku }}\n{% endfor %}",
    html="<p>Dear {{ name }}{% if vip %}!{% endif %}</p>",
)


@dataclass
class Stage:
    """A fleet before a witness that keeps what it takes."""

    witness: Witness
    fleet: Fleet


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for the whole file."""
    folder = tmp_path_factory.mktemp("variables")
    with Witness(folder, keep=True) as witness, Fleet(folder, witness.port, senders=1, route={"connections": 2}) as fleet:
        yield Stage(witness, fleet)


def template(parts: mail.Parts = PARTS, **variables: object) -> mail.Mail:
    """Without recipients."""
    made = plain_mail("to@example.net", "")
    made.ClearField("to")
    made.parts.CopyFrom(parts)
    made.variables = json.dumps(variables).encode() if variables else b""
    return made


def entry(number: int, **variables: object) -> service.BatchEntry:
    """To somebody of his own."""
    return service.BatchEntry(to=[mail.Address(email=f"to{number}@example.net")], variables=json.dumps(variables).encode())


def opened(octets: bytes) -> EmailMessage:
    found = message_from_bytes(octets, policy=SMTP)
    assert isinstance(found, EmailMessage)
    return found


def test_each_recipient_has_his_own(stage: Stage) -> None:
    """Names over the shared ones, nested ones, and HTML escaped; a bad entry is refused alone."""
    order = {"id": 12345678901234567, "lines": [{"n": 2, "sku": "pen"}, {"n": 1, "sku": "ink"}]}
    names = ["Ann", "Bö & Söhne", "<script>", "{{ name }}"]
    entries = [entry(number, name=name, vip=number == 1) for number, name in enumerate(names)]
    entries.append(entry(9, name="no vip"))
    before = len(stage.witness.mails())
    with stage.fleet.door() as door:
        answer = door.send_batch(service.BatchSendMailRequest(shared=template(order=order), entries=entries))
    assert [result.WhichOneof("outcome") for result in answer.results] == ["receipt"] * 4 + ["error"]
    assert "vip" in answer.results[4].error.message
    wait_until(lambda: len(stage.witness.mails()) == before + 4, "the mails do not arrive")
    came = {made["to"]: made for made in map(opened, stage.witness.mails()[before:])}
    for number, name in enumerate(names):
        made = came[f"to{number}@example.net"]
        assert made["subject"] == f"Order 12345678901234567 for {name}"
        text, html = made.get_body(("plain",)), made.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().split() == [*f"Dear {name},".split(), "2", "pen", "1", "ink"]
        shown = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert html.get_content().strip() == f"<p>Dear {shown}{'!' if number == 1 else ''}</p>"


def test_a_mail_alone_has_variables_too(stage: Stage) -> None:
    """And without them braces are text."""
    for given, subject in ((b'{"a": 1}', "n 1"), (b"", "n {{ a }}")):
        one = template(mail.Parts(subject="n {{ a }}", text="x"))
        one.to.add(email="to@example.net")
        one.variables = given
        before = len(stage.witness.mails())
        with stage.fleet.door() as door:
            receipt = door.send(service.SendMailRequest(mail=one, wait=Duration(seconds=20)), timeout=30).receipt
        assert receipt.recipients[0].state == mail.RECIPIENT_STATE_DELIVERED
        assert opened(stage.witness.mails()[before])["subject"] == subject


def test_a_bomb_is_refused_and_the_gateway_lives(stage: Stage) -> None:
    """At the door, with the field."""
    for text in ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "{{ a" + " ~ a" * 30_000 + " }}"):
        one = template(mail.Parts(subject="s", text=text), a="x" * 50_000)
        one.to.add(email="to@example.net")
        with stage.fleet.door() as door, pytest.raises(grpc.RpcError) as refused:
            door.send(service.SendMailRequest(mail=one))
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with stage.fleet.door() as door:
        assert door.ready_nodes() == 1


def test_what_only_the_node_can_know_bounces(stage: Stage) -> None:
    """An entry that the gateway did not render, of which the template asks what its value has not: in the phase COMPOSE, in words."""
    shared = template(mail.Parts(subject="s", text="{{ price|round(2) }}"))
    with stage.fleet.door() as door:
        answer = door.send_batch(service.BatchSendMailRequest(shared=shared, entries=[entry(1, price=1.234), entry(2, price="dear")]))
        mail_id = answer.results[1].receipt.mail_id
        final = mail.RECIPIENT_STATE_BOUNCED
        wait_until(lambda: door.get(mail_id).recipients[0].state == final, "the mail does not bounce")
        attempt = door.get(mail_id).recipients[0].last_attempt
    assert attempt.phase == mail.PHASE_COMPOSE
    assert "text" in attempt.text
