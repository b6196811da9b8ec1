"""What can be read once alone is copied, and the copy goes with the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailgate.cli.standing import comes_once, standing

ROOT = str(Path(__file__).parents[4])
ROWS = "email,name\n" + "".join(f"p{number}@example.net,{'x' * 200}\n" for number in range(2000))
"""More than a pipe holds."""


SMALL = ("sh", "-c", 'ulimit -f 1; exec "$@"', "sh")
"""Files of a block at most. Not by `preexec_fn`: a fork of a process whose threads use gRPC may abort before it runs anything."""


def batch(folder: Path, *args: str, within: tuple[str, ...] = (), **options) -> subprocess.CompletedProcess[str]:
    """`mailgate batch`, as a user runs it; its temporary files are in `folder`/tmp."""
    (folder / "tmp").mkdir(exist_ok=True)
    command = [*within, sys.executable, "-m", "mailgate.cli", "batch", *args, "--subject", "Hi {{ name }}", "--text", "x"]
    env = {**os.environ, "PYTHONPATH": ROOT, "TMPDIR": str(folder / "tmp")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False, **options)


def left(folder: Path) -> list[str]:
    """Temporary files that are still there."""
    return [each.name for each in (folder / "tmp").iterdir()]


def test_a_fifo_is_read_once_and_to_its_end(tmp_path: Path) -> None:
    """Its writer writes once; all rows are there, those of the dry run too, which walks them a second time."""
    fifo = tmp_path / "people.csv"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=(ROWS,), daemon=True)
    writer.start()
    done = batch(tmp_path, "people.csv", "--dry-run", "--json")
    writer.join(10)
    told = json.loads(done.stdout)
    assert (done.returncode, told["good"], told["bad"], len(told["mails"])) == (0, 2000, [], 3), done.stderr
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input(tmp_path: Path, name: str) -> None:
    """By each of its names; a mistake is told with that name."""
    done = batch(tmp_path, name, "--dry-run", "--json", input=ROWS)
    assert (done.returncode, json.loads(done.stdout)["good"]) == (0, 2000), done.stderr
    done = batch(tmp_path, name, "--dry-run", input="mail\nx\n")
    assert (done.returncode, f"{name}: there is no column 'email'" in done.stderr) == (2, True), done.stderr
    assert left(tmp_path) == []


def test_a_pipe_has_no_name_to_go_on_by(tmp_path: Path) -> None:
    """So the results file is asked for, before anything is read."""
    done = batch(tmp_path, "-", input=ROWS)
    assert (done.returncode, "give --results FILE" in done.stderr) == (2, True)
    fifo = tmp_path / "people.csv"
    os.mkfifo(fifo)  # nobody writes
    done = batch(tmp_path, "people.csv")
    assert (done.returncode, "give --results FILE" in done.stderr) == (2, True)


def test_standard_input_is_one_thing(tmp_path: Path) -> None:
    """The CSV or the text."""
    done = batch(tmp_path, "-", "--dry-run", "--html-file", "-", input=ROWS)
    assert (done.returncode, "stdin is the CSV already" in done.stderr) == (2, True)


def test_a_file_is_itself(tmp_path: Path) -> None:
    """A link to one too; a folder is left for the reader to refuse."""
    file = tmp_path / "a.csv"
    file.write_text(ROWS)
    link = tmp_path / "b.csv"
    link.symlink_to(file)
    for path in (file, link, tmp_path, tmp_path / "none.csv"):
        assert not comes_once(path)
        with standing(path) as there:
            assert there == path


def test_a_copy_is_its_owners_alone_and_goes(tmp_path: Path) -> None:
    """Addresses are nobody else's; on an error too."""
    assert comes_once(Path("/dev/null"))
    seen = []

    def interrupted() -> None:
        with standing(Path("/dev/null")) as there:
            seen.append((there, there.stat().st_mode & 0o777))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ((there, mode),) = seen
    assert (mode, there.exists()) == (0o600, False)


def test_no_room_for_the_copy_is_told(tmp_path: Path) -> None:
    """As a mistake to mend, with the place."""
    done = batch(tmp_path, "-", "--dry-run", input=ROWS, within=SMALL)
    assert done.returncode == 2, done.stderr
    assert f"-: it can't be read and copied to {tmp_path / 'tmp'}" in done.stderr
    assert left(tmp_path) == []
