"""W3C Trace Context: the `traceparent` header, and whether to sample. Pure.

https://www.w3.org/TR/trace-context/ section 3.2: `version "-" trace-id "-" parent-id "-" trace-flags`, lowercase hex.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_FLAGS = slice(53, 55)
_SAMPLED = frozenset(f"{flags:02x}" for flags in range(1, 256, 2))


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A parsed traceparent: who the parent is. Ids are never 0."""

    trace_id: int
    span_id: int
    sampled: bool


def parse(header: str) -> TraceContext | None:
    """The context, or None when it must be ignored: malformed, an id of zeros, version ff, or more than version 00 may have.

    A later version is read as far as 00 goes (section 3.2.4).
    """
    if (form := _FORM.fullmatch(header)) is None:
        return None
    version, trace_id, span_id, flags, more = form.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    trace, span = int(trace_id, 16), int(span_id, 16)
    return TraceContext(trace, span, bool(int(flags, 16) & 1)) if trace and span else None


def format_traceparent(context: TraceContext) -> str:
    """The header, version 00."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.sampled:02x}"


def is_sampled(traceparent: str) -> bool:
    """The flag of a traceparent that `parse` admits (or of ""). Must be cheap: asked for every mail."""
    return traceparent[_FLAGS] in _SAMPLED


def decide(parent: TraceContext | None, ratio: float, chance: float) -> bool:
    """Whether to trace: the caller's flag where there is one, else `chance` (uniform in [0, 1)) below `ratio`."""
    return parent.sampled if parent is not None else chance < ratio
