"""How well the relays of a route do: which of them rest after failures. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mailgate.verdict import Reply

REST_FIRST = 1.0
"""Seconds after the first failure; doubled with each that follows."""
REST_LONGEST = 60.0
"""Seconds. Throughput towards dead hosts is bounded by the time spent on dialling them, so the rest must outlast `connect_timeout`."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a route has no usable connection: how the last dial failed, and when the first did of those that failed in a row."""

    reply: Reply
    remote_host: str
    remote_address: str
    since: float
    """Monotonic seconds."""


@dataclass(slots=True)
class _Relay:
    failures: int = 0
    failed_at: float = float("-inf")
    rests_until: float = float("-inf")


class Relays:
    """The record of each relay, by its place in the route."""

    def __init__(self, count: int) -> None:
        self._relays = [_Relay() for _ in range(count)]

    def failed(self, place: int, began: float, now: float, jitter: float) -> None:
        """A dial begun at `began` failed. Dials that were under way together count as one failure."""
        relay = self._relays[place]
        if began <= relay.failed_at:
            return
        rest = min(REST_FIRST * 2.0 ** min(relay.failures, 16), REST_LONGEST)
        relay.failures += 1
        relay.failed_at = now
        relay.rests_until = now + rest * (0.75 + jitter / 2)

    def proved(self, place: int, dialled_at: float) -> None:
        """A connection dialled at `dialled_at` is of use."""
        relay = self._relays[place]
        if dialled_at > relay.failed_at:
            relay.failures = 0

    def resting(self, place: int, now: float) -> bool:
        """It failed a short while ago and is not to be dialled."""
        return now < self._relays[place].rests_until

    def suspect(self, place: int) -> bool:
        """It failed, and has not shown yet that it is well again."""
        return self._relays[place].failures > 0

    def well(self, now: float) -> bool:
        """At least one is neither resting nor suspect."""
        return any(not relay.failures and now >= relay.rests_until for relay in self._relays)
