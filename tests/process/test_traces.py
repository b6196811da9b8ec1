"""A trace over process boundaries: from the caller's span by way of the gateway to the SMTP transaction on a node, at a real collector."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import wait_until
from mailgate.api.mail.v1 import mail_service_pb2, mail_service_pb2_grpc
from mailgate.telemetry import names
from tests.process.scripted import Scripted

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SEND_MAIL = "mailgate.api.mail.v1.MailService/SendMail"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP collector that keeps the spans it is told of, by name."""

    def __init__(self) -> None:
        self.spans = {}

    def Export(self, request, context):
        for spans in (scope.spans for resource in request.resource_spans for scope in resource.scope_spans):
            self.spans.update({span.name: span for span in spans})
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Listens at `endpoint`."""
    servicer = Collector()
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    servicer.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(0).wait(5)


def send_traced(fleet: Fleet) -> None:
    """One mail, delivered, of a caller who samples."""
    with grpc.insecure_channel(fleet.address) as channel:
        request = mail_service_pb2.SendMailRequest(mail=plain_mail("a@example.org", "Hello"), wait=Duration(seconds=10))
        metadata = (("authorization", f"Bearer {KEY}"), ("traceparent", f"00-{TRACE}-{PARENT}-01"))
        answer = mail_service_pb2_grpc.MailServiceStub(channel).SendMail(request, metadata=metadata, timeout=20)
    assert answer.receipt.recipients[0].last_attempt.code == 250


def test_the_transaction_hangs_below_the_call(collector: Collector, tmp_path: Path) -> None:
    """Where gateway and node both export: caller's span, SendMail, transaction."""
    telemetry = {"telemetry": {"otlp_endpoint": collector.endpoint}}
    with Scripted() as server, Fleet(tmp_path, port := server.port, senders=1, settings=telemetry) as fleet:
        send_traced(fleet)
        wait_until(lambda: len(collector.spans) >= 2, "the spans do not arrive", 10)
    call, transaction = collector.spans[SEND_MAIL], collector.spans[names.SPAN_TRANSACTION]
    assert {span.trace_id.hex() for span in (call, transaction)} == {TRACE}
    assert call.parent_span_id.hex() == PARENT
    assert transaction.parent_span_id == call.span_id
    events = [names.EVENT_MAIL, names.EVENT_RCPT, names.EVENT_READY, names.EVENT_COMMIT, names.EVENT_BODY_SENT, names.EVENT_REPLY]
    assert [event.name for event in transaction.events] == events
    times = [event.time_unix_nano for event in transaction.events]
    assert times == sorted(times)
    assert transaction.start_time_unix_nano <= times[0]
    assert times[-1] <= transaction.end_time_unix_nano
    said = {each.key: each.value.string_value or each.value.int_value for each in transaction.attributes}
    assert (said[names.PEER_ADDRESS], said[names.PEER_PORT]) == ("127.0.0.1", port)


def test_a_gateway_that_exports_nothing_cuts_no_trace(collector: Collector, tmp_path: Path) -> None:
    """Where only the node exports: the transaction hangs below the caller's own span."""
    environment = {"MAILGATE_TELEMETRY__OTLP_ENDPOINT": collector.endpoint}
    with Scripted() as server, Fleet(tmp_path, server.port, senders=1, sender_env=environment) as fleet:
        send_traced(fleet)
        wait_until(lambda: collector.spans, "the span does not arrive", 10)
    assert set(collector.spans) == {names.SPAN_TRANSACTION}
    transaction = collector.spans[names.SPAN_TRANSACTION]
    assert (transaction.trace_id.hex(), transaction.parent_span_id.hex()) == (TRACE, PARENT)
