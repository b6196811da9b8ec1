"""`python -m gateway`: one gateway."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from mailgate.lifecycle import Again, Stop

SWITCH_INTERVAL = 1e-4
"""Seconds. At the default of 5 ms, and still at 0.5 ms, a loop that is never idle starves the journal's writer thread: 0 commits in 4 s
measured; at 0.1 ms 27,000 rows/s."""


def read(path: str | None, environ: Mapping[str, str]) -> GatewaySettings:
    """The settings; they load gRPC, which `serve` has something to say to before."""
    from gateway import settings

    return settings.read(path, environ)


async def run(options: GatewaySettings, stop: Stop, again: Again[GatewaySettings]) -> None:
    """The composition root, imported when the settings are known to be right."""
    from gateway import app

    await app.run(options, stop, again)


if __name__ == "__main__":
    # What `serve` needs takes a tenth of a second to load, and SIGHUP would end the process meanwhile: it is kept back until it is heard.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # Ctrl-C may end it until the loop hears it: nothing is begun, and a traceback would only tell which file was being read.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mailgate.lifecycle import serve

    sys.setswitchinterval(SWITCH_INTERVAL)
    sys.exit(serve("gateway", read, run))
