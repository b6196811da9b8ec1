"""The control of the chaos tests: a node that ends each body at 354, and does not wait for COMMIT. `python -m` it in place of `sender`."""

from __future__ import annotations

import sys

import sender.app
from mailgate.lifecycle import serve
from sender import settings
from sender.delivery.deliver import Delivery, boottime
from sender.pool.handoff import Handoff


class Rash(Delivery):
    """The dot is written at 354, and READY never said: what a gateway without compare-and-set would have its nodes do."""

    def ready(self, handoff: Handoff) -> None:
        """Commit it ourselves. The gateway takes the job for unsent until its verdict comes."""
        work = self._works.get(handoff.fence)
        if work is not None and work.handoff is handoff:
            work.ready_at = boottime()
            self.commit(work.stream, [handoff.fence])


if __name__ == "__main__":
    sender.app.Delivery = Rash  # type: ignore[misc]
    sys.exit(serve("sender", settings.read, sender.app.run))
