"""`python -m sender`: one node."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailgate.lifecycle import Again, Stop
    from sender.settings import SenderSettings


def read(path: str | None, environ: Mapping[str, str]) -> SenderSettings:
    """The settings; they load gRPC, which `serve` has something to say to before."""
    from sender import settings

    return settings.read(path, environ)


async def run(options: SenderSettings, stop: Stop, again: Again[SenderSettings]) -> None:
    """The composition root, imported when the settings are known to be right."""
    from sender import app

    await app.run(options, stop, again)


if __name__ == "__main__":
    # What `serve` needs takes a tenth of a second to load, and SIGHUP would end the process meanwhile: it is kept back until it is heard.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # Ctrl-C may end it until the loop hears it: nothing is begun, and a traceback would only tell which file was being read.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mailgate.lifecycle import serve

    sys.exit(serve("sender", read, run))
