"""One process for a data directory: an advisory lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from mailgate.errors import Mistake, SettingsInvalid


class DirectoryLock:
    """Holds `<directory>/lock`, with the holder's process id inside for people."""

    def __init__(self, directory: Path) -> None:
        """Make the directory where needed, and lock it.

        Raises:
            SettingsInvalid: another process holds it, or the directory cannot be used; says which and how to go on.
        """
        self._path = directory / "lock"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            cure = f"the directory cannot be used ({error.strerror}); name one that this user may write to"
            raise SettingsInvalid([Mistake("gateway.data", str(directory), cure)]) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            cure = f"the gateway with process id {holder} holds {self._path}; stop it, or give this one another directory"
            raise SettingsInvalid([Mistake("gateway.data", str(directory), cure)]) from None
        with suppress(OSError):  # a full disk: the lock holds without the name
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have the directory."""
        os.close(self._file)
