"""What the operator's door asks of the rooms behind it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from gateway.dispatch.dialogues import Watcher
from gateway.dispatch.member import NodeState
from gateway.dispatch.seen import SiteSum
from gateway.ledger.port import QueueCount
from gateway.registry.port import Drain


class Resolution(IntEnum):
    """How a doubt is decided; numbers are those of the proto."""

    RESEND = 1
    DELIVERED = 2
    BOUNCED = 3


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as this gateway sees it. Times in seconds; `heard_ago` None: nothing was heard yet."""

    node_id: str
    address: str
    state: NodeState
    reason: str = ""
    version: str = ""
    in_flight: int = 0
    committed: int = 0
    warm: int = 0
    offered: int = 0
    delivered: int = 0
    service_time: float = 0.0
    heard_ago: float | None = None
    registered: bool = True
    warnings: tuple[str, ...] = ()
    """What an operator should look at though the node gets jobs."""
    settings_version: str = ""
    """Empty: it has told none yet."""
    in_hand: int = 0
    """Jobs that the node has, of all gateways, as it said last."""
    drained: Drain | None = None
    protocol: int = 0
    """That its stream speaks; 0: it has none."""
    weight: float = 0.0
    service_p50: float = 0.0
    service_p99: float = 0.0
    picks_per_second: float = 0.0
    ejections: int = 0


@dataclass(frozen=True, slots=True)
class SettingsView:
    """What the gateway runs by. `refusal`: the mistakes of the last reading; `restart`: keys that count from the next start on."""

    version: str
    loaded_ms: int
    refusal: str = ""
    restart: Sequence[str] = ()


class SiteOrder(IntEnum):
    """Numbers are those of the proto."""

    NAME = 1
    WAITING = 2


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site over all nodes, and, where that was asked for, on each."""

    total: SiteSum
    nodes: Sequence[tuple[str, SiteSum]] = ()


@dataclass(frozen=True, slots=True)
class QueueView:
    """All jobs that are not over. `in_flight`: nodes have them, or their outcome is being asked for or recorded."""

    waiting: Sequence[QueueCount]
    in_flight: int
    in_doubt: int
    dead: int


class Operations(Protocol):
    """Implemented where dispatch and ledger are put together."""

    def nodes(self) -> Sequence[NodeView]:
        """By node id."""
        ...

    def settings(self) -> SettingsView:
        """As they are now."""
        ...

    async def queue(self) -> QueueView:
        """How many jobs are where."""
        ...

    async def resolve_doubt(self, job_id: bytes, resolution: Resolution) -> None:
        """Decide it; durable when this returns.

        Raises:
            NotFound: no such job.
            WrongState: it is not in doubt.
        """
        ...

    async def drain(self, node_id: str, reason: str) -> NodeView:
        """No gateway gives it new jobs from now on; it ends what it has. How it is then.

        Raises:
            NotFound: no such node.
        """
        ...

    async def resume(self, node_id: str) -> NodeView | None:
        """It may get jobs again. How it is then; None: it is not here.

        Raises:
            NotFound: no such node, and none of that name is drained.
        """
        ...


class SiteOperations(Protocol):
    """Implemented where dispatch and what waits are put together."""

    async def sites(self, prefix: str, order: SiteOrder, after: str, limit: int, *, by_node: bool) -> tuple[Sequence[SiteView], str]:
        """At most so many sites behind the place that `after` names, and the name of the place after them; empty: there are no more.

        Raises:
            Invalid: it names no place.
        """
        ...

    def trace(self, site_key: str, node_id: str) -> Watcher:
        """Watch the dialogue of a site, on one node or (empty) on all.

        Raises:
            NotFound: no such site, or no such node.
            Unavailable: too many watch already.
        """
        ...

    def now_ms(self) -> int:
        """The gateway's time."""
        ...
