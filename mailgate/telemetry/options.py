"""`[telemetry]` of the settings: where metrics and traces go, and how logs look. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mailgate.errors import Mistake

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("console", "json")


@dataclass(frozen=True, slots=True)
class TelemetryOptions:
    """What an operator sees of a process."""

    listen: str = ""
    """`host:port` of the Prometheus page; empty (the default): none. Every process of a machine needs a port of its own; port 0: any."""
    otlp_endpoint: str = ""
    """Where spans go by OTLP over gRPC, `http://host:4317` in clear or `https://…`; empty (the default): no spans. Needs mailgate[otlp]."""
    sample_ratio: float = 0.0
    """Share of calls without a traceparent that are traced, 0.0 to 1.0. A caller's own traceparent always decides for itself. Default 0:
    a span costs about 40 µs, as much as sending a mail."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`. Addresses are written only with `debug`."""
    log_format: str = "console"
    """`console` for people, `json` for machines: one object a line."""
    service_name: str = "mailgate"
    """Beginning of `service.name` in traces, the process's role follows: `mailgate-gateway`."""

    def mistakes(self, prefix: str = "telemetry") -> list[Mistake]:
        """Values that have the right type and yet cannot be, each with its cure."""
        found = []
        if self.listen and split_listen(self.listen) is None:
            found.append(Mistake(f"{prefix}.listen", f'"{self.listen}"', 'write "host:port", such as "127.0.0.1:8626", or "" for none'))
        if self.otlp_endpoint and not self.otlp_endpoint.startswith(("http://", "https://")):
            found.append(Mistake(f"{prefix}.otlp_endpoint", f'"{self.otlp_endpoint}"', 'write "http://host:4317" or "https://host:4317"'))
        if not 0.0 <= self.sample_ratio <= 1.0:
            found.append(Mistake(f"{prefix}.sample_ratio", repr(self.sample_ratio), "choose a share from 0.0 (none) to 1.0 (all)"))
        for key, value, choices in (("log_level", self.log_level, LOG_LEVELS), ("log_format", self.log_format, LOG_FORMATS)):
            if value not in choices:
                found.append(Mistake(f"{prefix}.{key}", f'"{value}"', "choose one of " + ", ".join(choices)))
        return found


def split_listen(listen: str) -> tuple[str, int] | None:
    """Host and port of `host:port` or `[v6]:port`; None when it is neither."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004
        return None
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or (":" in host and not bracketed):
        return None
    return (host[1:-1] if bracketed else host), int(port)
