"""What operators said of nodes, in etcd: entries of nobody's lease, so that they outlive nodes and gateways."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from gateway.registry.port import Drain, is_node_id
from mailgate.etcd.client import Etcd
from mailgate.etcd.entries import delete_if, put_if, read
from mailgate.etcd.followed import Change, Followed
from mailgate.telemetry.logs import get_logger

MOST_REASON = 300
"""Characters; DrainNode takes 200."""
MOST_MS = 253_402_300_800_000
"""The end of the year 9999, that of protobuf's timestamps."""

log = get_logger(__name__)


class Drains:
    """`run` it. `changed` is called after each change.

    What was said here counts at once, and until as much was heard: what is heard may be of a time before, or late while a member hangs.
    It was said to that store: of one that was made anew, where revisions begin anew, what is heard counts.
    """

    def __init__(self, etcd: Etcd, prefix: bytes, changed: Callable[[], None], chance: Callable[[], float]) -> None:
        self._etcd, self._prefix, self._changed = etcd, prefix, changed
        self._followed = Followed(etcd, prefix, self._hear, chance)
        self._heard: dict[str, Drain] = {}
        self._said: dict[str, tuple[int, Drain | None]] = {}
        """By node id: the revision, and None for one that was resumed."""
        self._era = 0
        self.nodes: Mapping[str, Drain] = {}
        """By node id."""

    @property
    def known(self) -> bool:
        """Etcd has told them."""
        return self._followed.lists > 0

    async def run(self) -> None:
        """Until cancelled."""
        await self._followed.run()

    async def put(self, node_id: str, drain: Drain, within: float) -> None:
        """In place of an earlier one. Raises Unavailable, EtcdRefused."""
        value = json.dumps({"reason": drain.reason, "since_ms": drain.since_ms}, sort_keys=True).encode()
        put = await put_if(self._etcd, self._key(node_id), value, 0, None, within)
        self._say(node_id, drain, put.revision)

    async def delete(self, node_id: str, within: float) -> bool:
        """False: there was none. Raises Unavailable, EtcdRefused."""
        known = False
        while True:
            there, revision = await read(self._etcd, self._key(node_id), within)
            if there is not None:
                known = True
                if not (revision := await delete_if(self._etcd, self._key(node_id), there.value, within)):
                    continue  # somebody has said another word
            self._say(node_id, None, revision)
            return known

    def _key(self, node_id: str) -> bytes:
        return self._prefix + node_id.encode()

    def _say(self, node_id: str, drain: Drain | None, revision: int) -> None:
        self._followed.saw(revision)
        self._said[node_id] = revision, drain
        self._tell()

    def _hear(self, changes: Sequence[Change], _listed: bool) -> None:
        for change in changes:
            node_id = change.key[len(self._prefix) :].decode(errors="replace")
            drain = None if change.value is None or not is_node_id(node_id) else decode(change.value)
            if drain is not None:
                self._heard[node_id] = drain
            else:
                self._heard.pop(node_id, None)
                if change.value is not None:
                    log.warning("registry_drain_unreadable", node=node_id, consequence="it is passed over")
        self._tell()

    def _tell(self) -> None:
        if self._era != self._followed.eras:
            self._era = self._followed.eras
            self._said.clear()
        self._said = {node_id: said for node_id, said in self._said.items() if said[0] > self._followed.revision}
        nodes: dict[str, Drain | None] = {**self._heard, **{node_id: drain for node_id, (_, drain) in self._said.items()}}
        self.nodes = {node_id: drain for node_id, drain in nodes.items() if drain is not None}
        self._changed()


def decode(data: bytes) -> Drain | None:
    """None: it is none."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    reason, since_ms = told.get("reason", ""), told.get("since_ms", 0)
    if not isinstance(reason, str) or len(reason) > MOST_REASON or not reason.isprintable():
        return None
    return Drain(reason, since_ms) if isinstance(since_ms, int) and 0 <= since_ms < MOST_MS else None
