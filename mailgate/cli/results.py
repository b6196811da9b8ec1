"""The file in which `mailgate batch` says of each recipient what became of its mail, and by which it goes on after an interruption.

The head names the run. Keys of mails derive from the run and the address, so that what was sent and not written down before a break is
recognised by the gateway when it is sent again.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TextIO

from mailgate.cli.exits import Usage

COLUMNS = ["line", "email", "status", "mail_id", "reason"]
RUN = "run "
"""How the head's last column begins; the run's id follows."""


class Result(NamedTuple):
    """Of one recipient. `status`: ACCEPTED, REFUSED or BAD."""

    line: int
    email: str
    status: str
    mail_id: str = ""
    reason: str = ""


class Results(AbstractContextManager["Results"]):
    """The open file: `done` has the addresses that it says something final of."""

    def __init__(self, path: Path, run: str, done: set[str], accepted: int, file: TextIO) -> None:
        self.path, self.run, self.done, self.accepted, self._file = path, run, done, accepted, file
        self._writer = csv.writer(file)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(OSError):  # what could not be written was told when it was written
            self._file.close()

    def key(self, email: str) -> str:
        """The idempotency key of the run's mail to this address."""
        return f"{self.run}/{sha256(email.encode()).hexdigest()[:32]}"

    def write(self, results: Iterable[Result]) -> None:
        """Durable when it returns.

        Raises:
            Usage: the disk is full, or the like.
        """
        try:
            for each in results:
                self._writer.writerow((*each, ""))
            _sync(self._file)
        except OSError as error:
            text = f"{self.path}: it can't be written ({error.strerror}): make room; the same command goes on, and sends nothing twice"
            raise Usage(text) from None


def open_results(path: Path, text: str, random: bytes) -> Results:
    """Begin a run, or go on with the one that the file is of. `text`: the fingerprint of what the mails say; `random`: 8 octets or more.

    Raises:
        Usage: the file is of another text, or is no such file.
    """
    try:
        if not path.exists() or not path.stat().st_size:
            return _begin(path, f"{random.hex()}.{text}")
        return _go_on(path, text)
    except OSError as error:
        raise Usage(f"--results {path}: it can't be written ({error.strerror}): name another file") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise Usage(f"--results {path}: it is no results file ({error}): name another file") from None


def _begin(path: Path, run: str) -> Results:
    file = path.open("x" if not path.exists() else "w", encoding="utf-8", newline="")
    csv.writer(file).writerow((*COLUMNS, RUN + run))
    _sync(file)
    return Results(path, run, set(), 0, file)


def _go_on(path: Path, text: str) -> Results:
    with path.open(encoding="utf-8", newline="") as file:
        head = next(csv.reader(file, strict=True), [])
    ours = head[:-1] == COLUMNS and head[-1].startswith(RUN)
    if ours:
        _cut_last_line(path)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        next(reader, [])
        if not ours:
            raise Usage(f"--results {path}: it is no results file of `mailgate batch`: name another file")
        run = head[-1][len(RUN) :]
        if run.partition(".")[2] != text:
            raise Usage(
                f"--results {path}: it is of mails with another text: give the text of before to go on with them, or another --results "
                "to begin anew"
            )
        rows = [(row[1], row[2]) for row in reader if len(row) > len(COLUMNS) and row[2] != "BAD"]
    accepted = sum(status == "ACCEPTED" for _, status in rows)
    return Results(path, run, {email for email, _ in rows}, accepted, path.open("a", encoding="utf-8", newline=""))


def _cut_last_line(path: Path) -> None:
    """A death in the middle of a write leaves a piece of a line."""
    data = path.read_bytes()
    if not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


def _sync(file: TextIO) -> None:
    file.flush()
    os.fsync(file.fileno())
