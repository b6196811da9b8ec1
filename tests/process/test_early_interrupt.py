"""Ctrl-C so early that a command is still being loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MAILGATE = str(Path(sys.executable).with_name("mailgate"))
PRESSED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n"


@pytest.mark.parametrize(
    ("command", "library"),
    [
        ([MAILGATE, "queue"], "typer"),
        ([sys.executable, "-P", "-m", "gateway"], "structlog"),
        ([sys.executable, "-P", "-m", "sender"], "structlog"),
        ([sys.executable, "-P", "-m", "gateway"], "uvloop"),
    ],
)
def test_it_ends_without_a_word(command: list[str], library: str, tmp_path: Path) -> None:
    """The key is pressed while a library is read; by the signal, as a shell wants to know it."""
    (tmp_path / f"{library}.py").write_text(PRESSED)
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
