"""From drafts to what is durable and under way: the ledger, who listens, the queue. In this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.admission.drafts import accepted_facts
from gateway.admission.in_flight import Hold
from gateway.admission.ports import Hub, Shell
from gateway.admission.tally import Tally
from gateway.ledger.port import Accepted, Earlier, Ledger
from gateway.queue.port import Queue


class Store:
    """One a gateway."""

    def __init__(self, ledger: Ledger, queue: Queue, hub: Hub, shell: Shell, tally: Tally) -> None:
        self._ledger, self._queue, self._hub, self._shell, self._tally = ledger, queue, hub, shell, tally

    async def keep(self, accepted: Sequence[Accepted], started: float, holds: Sequence[Hold]) -> Mapping[bytes, Earlier]:
        """Store them, to the end though the caller goes meanwhile; the holds end with it. `started`: when they came, on the shell's clock.

        The result: those that were not stored, since their key is an earlier mail's. Raises StorageFull, StorageBroken.
        """
        handed = [hold.hand_over() for hold in holds]
        return await self._shell.finish(self._keep(accepted, started, handed))

    async def _keep(self, accepted: Sequence[Accepted], started: float, holds: Sequence[Hold]) -> Mapping[bytes, Earlier]:
        try:
            refused = await self._ledger.accept(accepted)
            if refused:
                self._tally.replayed += len(refused)
                accepted = [each for each in accepted if each.mail.id not in refused]
            if accepted:
                self._tally.accepted(accepted, self._shell.clock() - started)
                if self._hub.listening:
                    self._hub.publish(accepted_facts(accepted))
                await self._queue.put([job for each in accepted for job in each.jobs])
        finally:
            for hold in holds:
                hold.end()
        return refused
