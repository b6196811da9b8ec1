"""The gateway that `mailgate up` started on this machine: its address and key."""

from __future__ import annotations

import json
from pathlib import Path

from mailgate.errors import Unavailable

FILE = "client.json"


def local_gateway(data: Path) -> tuple[str, str]:
    """Address and key as they were left in the data directory.

    Raises:
        Unavailable: nothing was left there.
    """
    path = data / FILE
    try:
        left = json.loads(path.read_text(encoding="utf-8"))
        return str(left["address"]), str(left["key"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Unavailable(f"no gateway has left its address and key in {path}: start one with `mailgate up`") from None
