"""`python -m sender`: one node."""

from __future__ import annotations

import sys

from mailgate.lifecycle import Stop, serve
from sender import settings


async def run(options: settings.SenderSettings, stop: Stop) -> None:
    """The composition root, imported when the settings are known to be right."""
    from sender import app

    await app.run(options, stop)


if __name__ == "__main__":
    sys.exit(serve("sender", settings.read, run))
