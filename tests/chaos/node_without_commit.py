"""The control of the chaos tests: a node that ends each body at 354, and does not wait for COMMIT. `python -m` it in place of `sender`."""

from __future__ import annotations

import sys

import sender.app
from mailgate.lifecycle import serve
from sender import settings
from sender.delivery.deliver import Delivery
from sender.pool.handoff import Handoff


class Rash(Delivery):
    """READY is said, and the dot written with it: what a gateway without compare-and-set would have its nodes do."""

    def ready(self, handoff: Handoff) -> None:
        """Commit it ourselves; the gateway's COMMIT comes later, for nothing."""
        super().ready(handoff)
        work = self._works.get(handoff.fence)
        if work is not None:
            self.commit(work.stream, [handoff.fence])


if __name__ == "__main__":
    sender.app.Delivery = Rash  # type: ignore[misc]
    sys.exit(serve("sender", settings.read, sender.app.run))
