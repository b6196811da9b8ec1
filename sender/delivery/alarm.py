"""An alarm: one timer that is moved. Monotonic seconds, as `time.monotonic` has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Alarm:
    """`ring` is called at the time that was set last, once."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Ring then, and not when it was set for before."""
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - time.monotonic()), self._ring)

    def stop(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
