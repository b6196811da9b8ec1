"""Spans of what is sampled arrive at a real collector as one trace; what is not sampled leaves no trace."""

import builtins
import time

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from mailgate.errors import SettingsInvalid
from mailgate.telemetry import names, traces
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.traceparent import parse
from mailgate.telemetry.traces import Role, Tracer

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = CALLER[:-2] + "00"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP collector that keeps what it is told."""

    def __init__(self) -> None:
        self.requests = []

    async def Export(self, request, context):
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self):
        return {span.name: span for r in self.requests for rs in r.resource_spans for ss in rs.scope_spans for span in ss.spans}

    @property
    def services(self):
        return {
            attribute.value.string_value
            for request in self.requests
            for each in request.resource_spans
            for attribute in each.resource.attributes
            if attribute.key == names.SERVICE_NAME
        }


@pytest.fixture
async def collector():
    servicer = Collector()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    servicer.options = TelemetryOptions(otlp_endpoint=f"http://127.0.0.1:{port}", sample_ratio=1.0)
    yield servicer
    await server.stop(None)


def attributes(span):
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_a_mail_is_one_trace_from_the_call_to_the_transaction(collector):
    """The gateway's call and the sender's transaction, two processes' tracers, hang together below the caller's own span."""
    start = 1_700_000_000_000_000_000
    async with Tracer(collector.options, "gateway") as gateway, Tracer(collector.options, "sender", "n1") as sender:
        with gateway.begin("SendMail", CALLER, {names.BATCH_ID: "b1"}) as call:
            envelope = call.onward
            call.set({names.MAIL_ID: "m1"})
        attempt = sender.span("attempt", envelope, start, start + 9, {names.ATTEMPT_NUMBER: 1})
        events = [(names.EVENT_MAIL, start + 3, {}), (names.EVENT_REPLY, start + 6, {names.SMTP_CODE: 451})]
        sender.span(names.SPAN_TRANSACTION, attempt, start + 2, start + 7, role=Role.CLIENT, error_type="451", events=events)
    call, attempt, transaction = (collector.spans[name] for name in ("SendMail", "attempt", names.SPAN_TRANSACTION))
    assert {span.trace_id.hex() for span in (call, attempt, transaction)} == {"4bf92f3577b34da6a3ce929d0e0e4736"}
    assert call.parent_span_id.hex() == "00f067aa0ba902b7"
    assert (attempt.parent_span_id, transaction.parent_span_id) == (call.span_id, attempt.span_id)
    assert (transaction.start_time_unix_nano, transaction.end_time_unix_nano) == (start + 2, start + 7)
    assert attributes(call) == {names.BATCH_ID: "b1", names.MAIL_ID: "m1"}
    assert attributes(transaction) == {names.ERROR_TYPE: "451"}
    assert [(each.name, each.time_unix_nano) for each in transaction.events] == [(name, at_ns) for name, at_ns, _ in events]
    assert attributes(transaction.events[1]) == {names.SMTP_CODE: 451}
    assert transaction.status.code == 2
    assert attempt.status.code == 0
    assert collector.services == {"mailgate-gateway", "mailgate-sender"}


async def test_a_call_without_traceparent_begins_a_trace_by_chance(collector):
    """The ratio against the randomness given; the new trace has a root."""
    chances = iter([0.9, 0.1])
    options = TelemetryOptions(otlp_endpoint=collector.options.otlp_endpoint, sample_ratio=0.5)
    async with Tracer(options, "gateway", random=lambda: next(chances)) as tracer:
        with tracer.begin("not") as span:
            assert (span.traceparent, span.sampled) == ("", False)
        with tracer.begin("yes") as span:
            context = parse(span.traceparent)
            assert context is not None
            assert context.sampled
    assert set(collector.spans) == {"yes"}
    assert collector.spans["yes"].parent_span_id == b""
    assert collector.spans["yes"].trace_id.hex() == f"{context.trace_id:032x}"


async def test_a_caller_who_does_not_sample_is_obeyed(collector):
    """Whatever our ratio: nothing is exported, and the caller's traceparent goes on."""
    async with Tracer(collector.options, "gateway") as tracer:
        with tracer.begin("SendMail", UNSAMPLED) as span:
            assert (span.traceparent, span.sampled, span.onward) == (UNSAMPLED, False, "")
        assert tracer.span("x", UNSAMPLED, 1, 2) == UNSAMPLED
        assert tracer.span("x", "", 1, 2) == ""
        assert not tracer.wants(UNSAMPLED)
    assert collector.requests == []


async def test_rubbish_is_as_if_it_had_not_been_sent(collector):
    """A malformed traceparent is neither obeyed nor passed on."""
    async with Tracer(collector.options, "gateway") as tracer:
        with tracer.begin("SendMail", "rubbish") as span:
            assert parse(span.traceparent) is not None
        assert tracer.span("x", "r" * 53 + "01", 1, 2) != ""
    async with Tracer(TelemetryOptions(), "gateway") as tracer:
        assert tracer.begin("SendMail", "rubbish").traceparent == ""


async def test_an_error_in_the_block_marks_the_span_and_goes_on(collector):
    """Its class is told, never its text, which may name an address."""
    async with Tracer(collector.options, "gateway") as tracer:
        with pytest.raises(LookupError), tracer.begin("SendMail"):
            raise LookupError("joe@example.com")
    span = collector.spans["SendMail"]
    assert attributes(span) == {names.ERROR_TYPE: "LookupError"}
    assert span.status.code == 2
    assert b"joe" not in span.SerializeToString()


async def test_without_an_endpoint_traceparents_are_passed_on():
    """A gateway that does not trace must not cut a trace that others see."""
    async with Tracer(TelemetryOptions(sample_ratio=1.0), "gateway") as tracer:
        with tracer.begin("SendMail", CALLER) as span:
            assert (span.traceparent, span.sampled, span.onward) == (CALLER, False, CALLER)
        assert tracer.span("x", CALLER, 1, 2) == CALLER
        assert tracer.begin("SendMail").traceparent == ""


async def test_a_collector_that_is_away_holds_nothing_up(monkeypatch):
    """Neither spans nor the exit wait for it."""
    monkeypatch.setattr(traces, "FLUSH", 0.3)
    start = time.monotonic()
    async with Tracer(TelemetryOptions(otlp_endpoint="http://127.0.0.1:9", sample_ratio=1.0), "gateway") as tracer:
        for _ in range(100):
            tracer.begin("SendMail").end()
    assert time.monotonic() - start < 3


def test_a_missing_extra_is_named(monkeypatch):
    """The key, what stands there, and the command that cures it."""
    real = builtins.__import__

    def without_otel(name, *args, **kwargs):
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_otel)
    with pytest.raises(SettingsInvalid, match=r"telemetry\.otlp_endpoint = \"http://c:4317\".*pip install 'mailgate\[otlp\]'"):
        Tracer(TelemetryOptions(otlp_endpoint="http://c:4317"), "gateway")
