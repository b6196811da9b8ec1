"""An alarm: one timer that is moved. Monotonic seconds, as `time.monotonic` has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Alarm:
    """`ring` is called at the time that was set last, once; it is to be given before the first is."""

    ring: Callable[[], None]

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Ring then, and not when it was set for before."""
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - time.monotonic()), self.ring)

    def stop(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
