"""Traces: spans only for what is sampled, exported by OTLP where the settings say so."""

from __future__ import annotations

import asyncio
import random as _random
import threading
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Final

from mailgate import __version__
from mailgate.errors import Mistake, SettingsInvalid
from mailgate.telemetry import names
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.traceparent import TraceContext, decide, format_traceparent, is_sampled, parse

if TYPE_CHECKING:
    from opentelemetry import trace as otel
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

log = get_logger(__name__)

Value = str | bool | int | float
Attributes = Mapping[str, Value]
Event = tuple[str, int, Attributes]
"""Of a span: its name, nanoseconds since the epoch, and more."""

FLUSH = 5.0
"""Seconds at most to export what is left when the process ends."""


class Role(Enum):
    """What a span is in a call; OpenTelemetry calls it the kind."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"


class Span:
    """Work under way. Not sampled: it has the caller's traceparent (or none), and everything does nothing."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, traceparent: str, span: otel.Span | None = None) -> None:
        self.traceparent = traceparent
        """What the call's own spans name as their parent, also when it is not sampled; empty: nobody traces this."""
        self._span = span

    @property
    def sampled(self) -> bool:
        """Whether attributes are worth computing."""
        return self._span is not None

    @property
    def onward(self) -> str:
        """The parent of what goes on after the call, in whatever process; empty where neither we nor the caller sample the trace."""
        return self.traceparent if is_sampled(self.traceparent) else ""

    def set(self, attributes: Attributes) -> None:
        """Add attributes, by their names in names.py."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        """It failed: a class or a code, not a text, which may name an address."""
        if self._span is not None:
            _fail(self._span, error_type)

    def end(self) -> None:
        """It is over, now. A second time does nothing."""
        if self._span is not None:
            span, self._span = self._span, None
            span.end()

    def __enter__(self) -> Span:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.fail(kind.__name__)
        self.end()


_UNTRACED: Final = Span("")


class Tracer:
    """Makes spans of one process. Without an endpoint it makes none, and passes traceparents on.

    An async context manager: leaving it exports what is left, for 5 s at most. Raises SettingsInvalid when mailgate[otlp] is missing.
    """

    def __init__(self, options: TelemetryOptions, role: str, instance: str = "", random: Callable[[], float] = _random.random) -> None:
        """`role`: gateway or sender; `instance`: its id; `random`: uniform in [0, 1)."""
        self._ratio = options.sample_ratio if options.otlp_endpoint else 0.0
        self._random = random
        self._provider: TracerProvider | None = None
        self._tracer: otel.Tracer | None = None
        if options.otlp_endpoint:
            self._provider = _provider(options, f"{options.service_name}-{role}", instance)
            self._tracer = self._provider.get_tracer("mailgate", __version__)

    def begin(self, name: str, traceparent: str = "", attributes: Attributes | None = None, role: Role = Role.SERVER) -> Span:
        """A span from now on, for `with`: a call that came in, with the traceparent that came with it (anything, also rubbish).

        Here it is decided whether a call is traced. Not sampled: ≤ 1 µs without a traceparent, and nothing is built.
        """
        if not traceparent:
            if self._ratio == 0.0 or self._random() >= self._ratio:
                return _UNTRACED
            return self._start(name, None, attributes, role, None)
        parent = parse(traceparent)
        if not decide(parent, self._ratio, self._random() if parent is None else 0.0) or self._tracer is None:
            return Span(format_traceparent(parent)) if parent is not None else _UNTRACED
        return self._start(name, parent, attributes, role, None)

    def span(
        self,
        name: str,
        parent: str,
        start_ns: int,
        end_ns: int,
        attributes: Attributes | None = None,
        *,
        role: Role = Role.INTERNAL,
        error_type: str = "",
        events: Iterable[Event] = (),
    ) -> str:
        """A span of what has already happened, `start_ns` to `end_ns` since the epoch; its traceparent, for spans below it.

        `parent` is from a Span or from here. Not sampled: `parent` comes back, in ≤ 1 µs; so ask `is_sampled` before computing attributes.
        """
        if self._tracer is None or not is_sampled(parent):
            return parent
        span = self._start(name, parse(parent), attributes, role, start_ns)
        if span._span is not None:
            for event, at_ns, more in events:
                span._span.add_event(event, more, at_ns)
            if error_type:
                _fail(span._span, error_type)
            span._span.end(end_ns)
        return span.traceparent

    @property
    def exports(self) -> bool:
        """There is somewhere to send spans to."""
        return self._tracer is not None

    def wants(self, parent: str) -> bool:
        """Whether `span` would make one: before timestamps and attributes are gathered. Must be cheap."""
        return self._tracer is not None and is_sampled(parent)

    def _start(self, name: str, parent: TraceContext | None, attributes: Attributes | None, role: Role, start_ns: int | None) -> Span:
        if self._tracer is None:
            return _UNTRACED
        from opentelemetry.trace import SpanKind

        span = self._tracer.start_span(name, _context(parent), SpanKind[role.value], attributes, start_time=start_ns)
        context = span.get_span_context()
        return Span(format_traceparent(TraceContext(context.trace_id, context.span_id, True)), span)

    async def __aenter__(self) -> Tracer:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._provider is None:
            return
        provider, self._provider, self._tracer, self._ratio = self._provider, None, None, 0.0
        flush = threading.Thread(
            target=provider.shutdown, name="traces-flush", daemon=True
        )  # daemon: an exporter that hangs must not hold the exit
        flush.start()
        await asyncio.shield(asyncio.to_thread(flush.join, FLUSH))
        if flush.is_alive():
            log.warning("traces_not_exported", waited_s=FLUSH)


def _fail(span: otel.Span, error_type: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR))


def _context(parent: TraceContext | None) -> Context:
    """OpenTelemetry's context with this parent; an empty one makes a root, whatever is current in the process."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if parent is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED)
    return set_span_in_context(NonRecordingSpan(SpanContext(parent.trace_id, parent.span_id, True, flags)), Context())


def _provider(options: TelemetryOptions, service: str, instance: str) -> TracerProvider:
    """Raises SettingsInvalid when the extra is missing or the endpoint is none."""
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError as error:
        cure = "traces need an extra: pip install 'mailgate[otlp]' (or set it to \"\")"
        raise SettingsInvalid([Mistake("telemetry.otlp_endpoint", f'"{options.otlp_endpoint}"', cure)]) from error
    resource = Resource.create({names.SERVICE_NAME: service, names.SERVICE_VERSION: __version__, names.SERVICE_INSTANCE_ID: instance})
    exporter = OTLPSpanExporter(options.otlp_endpoint, insecure=options.otlp_endpoint.startswith("http://"), timeout=FLUSH)
    provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=4096, schedule_delay_millis=1000, max_export_batch_size=512))
    return provider
