"""A file that may be read again and again: itself, or a copy of what can be read once alone, such as a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, cast

from mailgate.cli.exits import Usage

STDIN = Path("-")
"""How a command line names standard input."""


def comes_once(path: Path) -> bool:
    """Standard input, a pipe, a socket, a device: whoever opens it again finds the rest, or nothing, or waits for ever."""
    return path == STDIN or (path.exists() and not path.is_file() and not path.is_dir())


@contextmanager
def standing(path: Path) -> Iterator[Path]:
    """Where the file is while the block lasts. A copy is in the folder for temporary files, readable by its owner alone, and removed then.

    Blocks until whoever writes a pipe has closed it.

    Raises:
        Usage: it cannot be read, or the disk has no room for the copy.
    """
    if not comes_once(path):
        yield path
        return
    with NamedTemporaryFile(prefix="mailgate-", suffix=".csv") as copy:
        _copy(path, cast("IO[bytes]", copy))
        yield Path(copy.name)


def _copy(path: Path, copy: IO[bytes]) -> None:
    try:
        if path == STDIN:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with path.open("rb") as file:
                shutil.copyfileobj(file, copy)
        copy.flush()
    except OSError as error:
        raise Usage(f"{path}: it can't be read and copied to {copy.name} ({error.strerror}): check the path, and the room there") from None
