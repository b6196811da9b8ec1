"""What delivery has counted. Pure, plain numbers."""

from __future__ import annotations

from mailgate.telemetry.histogram import LATENCIES, Histogram
from mailgate.verdict import Tried

SMOOTHING = 16
"""The mean of late gives each mail a sixteenth."""


class Tally:
    """Since the start, and the service time of late."""

    def __init__(self) -> None:
        self.expired = 0
        """COMMITs that came too late."""
        self.compose_time = Histogram(LATENCIES)
        self.service_times: dict[str, Histogram] = {}
        self._service_us = 0.0

    @property
    def service_us(self) -> int:
        """Mean time from COMMIT to answer of late, microseconds."""
        return int(self._service_us)

    def tried(self, route: str, tried: Tried) -> None:
        """A transaction has ended."""
        histogram = self.service_times.get(route)
        if histogram is None:
            histogram = self.service_times[route] = Histogram(LATENCIES)
        histogram.observe(tried.duration_us / 1e6)
        self._service_us += (tried.duration_us - self._service_us) / SMOOTHING
