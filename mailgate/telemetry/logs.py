"""Structured logs: an event's name and its fields, one line each on stderr. Standard library logging comes out the same way.

Never an address or a body at INFO and above: whatever looks like an address is masked there, wherever it came from.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping, Sequence
from typing import Final, Protocol, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from mailgate.errors import SettingsInvalid
from mailgate.telemetry.options import TelemetryOptions

MASK: Final = "<address>"

_LOCAL = r"[^\s@<>\"()\[\],;:]"
_ADDRESS = re.compile(rf"(?:\"[^\"\n]{{0,320}}\"|(?<!{_LOCAL}){_LOCAL}++)@(?:\[[^\]\s]*\]|[^\s@<>\"'()\[\],;:]*)")
"""Takes more than an address rather than less. Time is linear in the text: a run of characters is tried once, a quote is bounded."""

_LONGEST: Final = 2000
"""Characters of a field at INFO and above; a traceback has more and may. Nothing that is worth a log line is longer, bodies are."""


class Logger(Protocol):
    """What a room logs to: an event's name (`node_lost`) and its fields. Cheap when the level is off: about 0.2 µs."""

    def debug(self, event: str, **fields: object) -> object:
        """For whoever looks for a fault; may name addresses."""
        ...

    def info(self, event: str, **fields: object) -> object:
        """What an operator wants to know; never per mail."""
        ...

    def warning(self, event: str, **fields: object) -> object:
        """Something is wrong and is being dealt with."""
        ...

    def error(self, event: str, **fields: object) -> object:
        """Something is wrong, and a person must deal with it."""
        ...

    def exception(self, event: str, **fields: object) -> object:
        """Within an except block: `error`, with the traceback."""
        ...


def get_logger(name: str, **fields: object) -> Logger:
    """A logger for a module, with fields that each of its lines has. May be called before `configure`, at import."""
    return cast(Logger, structlog.get_logger(module=name, **fields))


def configure(options: TelemetryOptions, stream: TextIO | None = None, **fields: object) -> None:
    """Set up the process's logs, once, first thing in `__main__`; `fields` (`role`, `node`) are on each line. Before it, all is written.

    `stream`: stderr unless given. A logger that has logged keeps the set-up of then. Raises SettingsInvalid when an option cannot be.
    """
    if mistakes := options.mistakes():
        raise SettingsInvalid(mistakes)
    out = stream if stream is not None else sys.stderr
    level = getattr(logging, options.log_level.upper())
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with(fields),
        structlog.processors.format_exc_info,
        mask,
    ]
    renderer = _renderer(options.log_format, out)
    structlog.configure(
        processors=[*before, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING) if level > logging.DEBUG else logging.INFO)


def mask(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Above DEBUG: addresses out of every string, however deep, and nothing longer than a log line has use for."""
    if method == "debug":
        return event
    for key, value in event.items():
        if type(value) is str:
            if "@" in value or len(value) > _LONGEST:
                event[key] = _masked(value, None if key == "exception" else _LONGEST)
        elif not isinstance(value, int | float | None):
            event[key] = _deep(value)
    return event


def _masked(text: str, longest: int | None) -> str:
    text = _ADDRESS.sub(MASK, text)
    return text if longest is None or len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def _deep(value: object) -> object:
    """Containers are looked through, octets are counted, and anything else is looked at as it would be written."""
    if isinstance(value, str):
        return _masked(value, _LONGEST)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return value.hex() if len(value) <= 16 else f"{len(value)} octets"  # noqa: PLR2004 - an id has 16
    if isinstance(value, MutableMapping):
        return {_deep(key): _deep(inner) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_deep(inner) for inner in value]
    return _masked(str(value), _LONGEST)


def _with(fields: dict[str, object]) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for key, value in fields.items():
            event.setdefault(key, value)
        return event

    return add


def _logger_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A record of the standard library: who wrote it."""
    event["module"] = event["_record"].name
    return event


def _renderer(log_format: str, out: TextIO) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=out.isatty())
