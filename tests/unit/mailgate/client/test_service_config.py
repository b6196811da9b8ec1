"""The clients' settings beside the protos: what gRPC makes of them, and that they name only what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import grpc
import pytest

from mailgate.api.admin.v1 import admin_service_pb2
from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.api.mail.v1 import mail_service_pb2_grpc
from mailgate.errors import Unavailable
from mailgate.rpc.channel import bearer
from tests.unit.mailgate.client.conftest import mail
from tests.unit.mailgate.client.toy_gateway import KEY, Lose, ToyGateway

FOLDER = Path(__file__).parents[4] / "protos/client"
TEXT = (FOLDER / "service_config.json").read_text()
CONFIG = json.loads(TEXT)
OPTIONS = json.loads((FOLDER / "channel_options.json").read_text())
SERVICES = {
    service.full_name: service for file in (pb.DESCRIPTOR, admin_service_pb2.DESCRIPTOR) for service in file.services_by_name.values()
}
READS = {"GetMail", "ListRecipients", "ListNodes", "GetQueue", "ListDoubts", "ListSites"}
DURATION = re.compile(r"\d+(\.\d{1,9})?s")
MEMBERS = {"name", "timeout", "retryPolicy"}
POLICY = {"maxAttempts", "initialBackoff", "maxBackoff", "backoffMultiplier", "retryableStatusCodes"}


def named() -> dict[tuple[str, str], dict[str, object]]:
    return {(name["service"], name["method"]): each for each in CONFIG["methodConfig"] for name in each["name"]}


def test_every_call_that_ends_has_a_deadline() -> None:
    """Each method is named once, and is one; those that stream without end have none."""
    assert len(named()) == sum(len(each["name"]) for each in CONFIG["methodConfig"])
    methods = {(name, method.name) for name, service in SERVICES.items() for method in service.methods}
    assert set(named()) == {each for each in methods if each[1] not in ("StreamMail", "WatchEvents", "TraceSite")}


def test_the_form_is_that_of_grpc() -> None:
    """Members, durations and ranges of grpc.service_config.ServiceConfig."""
    assert CONFIG["healthCheckConfig"]["serviceName"] in SERVICES
    for each in CONFIG["methodConfig"]:
        assert set(each) <= MEMBERS
        assert DURATION.fullmatch(each["timeout"])
        if policy := each.get("retryPolicy"):
            assert set(policy) == POLICY
            assert 2 <= policy["maxAttempts"] <= 5
            assert DURATION.fullmatch(policy["initialBackoff"])
            assert DURATION.fullmatch(policy["maxBackoff"])
            assert policy["retryableStatusCodes"] == ["UNAVAILABLE"]


def test_only_reads_are_tried_again() -> None:
    """Mail without a key would be sent twice."""
    assert {method for (_, method), each in named().items() if "retryPolicy" in each} == READS


@pytest.fixture
async def stub(pair: tuple[ToyGateway, ToyGateway]):
    options = [*OPTIONS.items(), ("grpc.service_config", TEXT), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"ipv4:{pair[0].address},{pair[1].address}", options=options) as channel:
        yield mail_service_pb2_grpc.MailServiceStub(channel)


async def test_a_real_channel_does_as_it_says(stub, pair: tuple[ToyGateway, ToyGateway]) -> None:
    """It goes round both gateways, tries reads again and mails not, and leaves a gateway that says NOT_SERVING alone."""
    request = pb.SendMailRequest(idempotency_key="0")
    request.mail.to.add(email=mail().to[0].email)
    for number in range(10):
        request.idempotency_key = str(number)
        answer = await stub.SendMail(request, metadata=bearer(KEY), wait_for_ready=True)
    assert all(each.stored for each in pair)
    for each in pair:
        each.faults.append(Lose)
    request.idempotency_key = "lost"
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.SendMail(request, metadata=bearer(KEY))
    pair[0].stored = pair[1].stored = {**pair[0].stored, **pair[1].stored}
    for each in pair:
        each.faults.clear()
        each.read_faults.append(Unavailable("full", 0.01))
    got = await stub.GetMail(pb.GetMailRequest(mail_id=answer.receipt.mail_id), metadata=bearer(KEY))
    assert got.mail_id == answer.receipt.mail_id
    await pair[0].serving(False)
    pair[0].calls.clear()
    pair[1].calls.clear()
    while True:
        before = len(pair[0].calls)
        for _ in range(4):
            await stub.GetMail(pb.GetMailRequest(mail_id=answer.receipt.mail_id), metadata=bearer(KEY))
        if len(pair[0].calls) == before:
            break
    assert len(pair[1].calls) >= 4
