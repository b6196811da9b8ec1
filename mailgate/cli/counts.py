"""The one line of counts of `mailgate up`: asked of the gateway, and of its metrics page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from mailgate.errors import MailgateError
from mailgate.telemetry.names import RECIPIENTS_ACCEPTED, RECIPIENTS_BOUNCED, RECIPIENTS_DEAD, RECIPIENTS_DELIVERED, RECIPIENTS_EXPIRED

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient

PAGE_TIMEOUT = 2.0

RISING = {
    "accepted": RECIPIENTS_ACCEPTED,
    "delivered": RECIPIENTS_DELIVERED,
    "bounced": RECIPIENTS_BOUNCED,
    "expired": RECIPIENTS_EXPIRED,
    "dead": RECIPIENTS_DEAD,
}
"""What only rises, and where the metrics page says it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Recipients accepted, delivered and failed since `up` started; jobs that wait now; nodes.

    The gateway knows what waits by the job (the recipients of a mail with one way out), and what became of it by the recipient: they are
    told apart, since their sums need not agree.
    """

    accepted: int = 0
    delivered: int = 0
    queued: int = 0
    deferred: int = 0
    bounced: int = 0
    expired: int = 0
    dead: int = 0
    in_doubt: int = 0
    ready: int = 0
    nodes: int = 0

    def __str__(self) -> str:
        recipients = _listed(
            {"accepted": self.accepted, "delivered": self.delivered},
            {"bounced": self.bounced, "expired": self.expired, "dead": self.dead},
        )
        jobs = _listed({"queued": self.queued, "deferred": self.deferred}, {"in doubt": self.in_doubt})
        return f"recipients: {recipients}   jobs: {jobs}   nodes ready {self.ready}/{self.nodes}"

    def json(self) -> dict[str, int]:
        """For programs."""
        return asdict(self)


def _listed(always: Mapping[str, int], seldom: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in {**always, **{k: v for k, v in seldom.items() if v}}.items())


class Rising:
    """A counter of a process that may start anew: its readings, added up over restarts."""

    def __init__(self) -> None:
        self._before = 0
        self._last = 0

    def see(self, reading: int) -> int:
        """The sum with this reading."""
        if reading < self._last:
            self._before += self._last
        self._last = reading
        return self._before + reading


class Counter:
    """Asks for the counts; what can't be asked now keeps its last value."""

    def __init__(self, client: GatewayClient, host: str, metrics_port: int) -> None:
        self._client = client
        self._page = (host, metrics_port)
        self._risen = {name: Rising() for name in RISING}
        self._last = Counts()

    async def ask(self) -> Counts:
        """The counts now; never raises for a gateway that is away."""
        from mailgate.client.views import NodeState

        try:
            nodes, queue = await asyncio.gather(self._client.nodes(), self._client.queue())
            page = await asyncio.to_thread(_page, *self._page)
        except (MailgateError, OSError, HTTPException):
            self._last = replace(self._last, ready=0, nodes=0)
            return self._last
        self._last = Counts(
            **{name: self._risen[name].see(total(page, metric.name)) for name, metric in RISING.items()},
            queued=queue.ready + queue.in_flight,
            deferred=queue.deferred,
            in_doubt=queue.in_doubt,
            ready=sum(node.state is NodeState.READY for node in nodes),
            nodes=len(nodes),
        )
        return self._last


def total(page: str, name: str) -> int:
    """The sum of a metric's samples over its labels, on a page in Prometheus' text form; 0 where there are none."""
    samples = re.findall(rf"^{re.escape(name)}(?:\{{[^}}\n]*\}})? ([0-9.eE+]+)", page, re.MULTILINE)
    return round(sum(map(float, samples)))


def _page(host: str, port: int) -> str:
    connection = HTTPConnection(host, port, timeout=PAGE_TIMEOUT)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
