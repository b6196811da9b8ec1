"""A process that this one started: its log, its CPU seconds and memory from /proc, and its end, always by its own pid."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PORTS = 20_000, 32_000
"""Below the kernel's range of local ports (net.ipv4.ip_local_port_range), so that a port stays free while its server is down: a client that
dials a dead port of that range may else connect to itself."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no outgoing connection will be given."""
    for _ in range(200):
        port = random.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no free port among {PORTS}")


def wait_until(true: Callable[[], object], what: str, timeout: float = 10.0, pause: float = 0.01) -> None:
    """Look every `pause` seconds until `true()` is.

    Raises:
        TimeoutError: it was not, within `timeout` seconds; `what` says what was missing.
    """
    end = time.monotonic() + timeout
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"after {timeout:.0f} s: {what}")
        time.sleep(pause)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


class Process:
    """One child with a name. It is killed when its owner leaves the `with`, and by the kernel when this process dies."""

    def __init__(
        self, name: str, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.name, self.argv, self.log = name, [str(part) for part in argv], log
        self._env, self._cwd = env, cwd
        self._child: subprocess.Popen[bytes] | None = None
        self.ended_cpu = 0.0
        """CPU seconds of former lives."""

    def __enter__(self) -> Process:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Begin a life; output is appended to the log."""
        leash = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(
                [*leash, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if self._env is None else {**os.environ, **self._env},
                cwd=self._cwd,
            )

    @property
    def pid(self) -> int:
        """Of the life under way, or the last one."""
        assert self._child is not None, f"{self.name} was never started"  # noqa: S101
        return self._child.pid

    @property
    def alive(self) -> bool:
        """It runs (or is stopped by a signal)."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Of the last life; negative: by that signal; None while it lives."""
        return None if self._child is None else self._child.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, if it lives."""
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Nothing happens when it has ended."""
        if self._child is not None and self.alive:
            self.ended_cpu += self.cpu()
            self._child.kill()
            self._child.wait()

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM, and wait; SIGKILL when it takes longer. Its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout: float) -> int:
        """Wait for its own end, then SIGKILL. Its exit code."""
        assert self._child is not None, f"{self.name} was never started"  # noqa: S101
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._child.wait(timeout)
        self.kill()
        return self._child.wait()

    def cpu(self) -> float:
        """CPU seconds, user and system, of this life and its threads."""
        return cpu_seconds(self.pid)

    def peak_mb(self) -> float:
        """Highest resident memory of this life so far, in MiB."""
        return _status(self.pid, "VmHWM:")

    def resident_mb(self) -> float:
        """Resident memory now, in MiB."""
        return _status(self.pid, "VmRSS:")

    def tail(self, lines: int = 30) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def __repr__(self) -> str:
        state = "new" if self._child is None else "alive" if self.alive else f"ended {self.exit_code}"
        return f"<{self.name} {state}>"


def cpu_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    """CPU seconds, user and system, of a process; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if with_ended_children else 13])) / TICKS


def descendants(pid: int) -> Iterator[int]:
    """A process and everything below it."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from descendants(int(child))


def peak_mb(pid: int) -> float:
    """Highest resident memory of a process, in MiB; 0 when it is gone."""
    return _status(pid, "VmHWM:")


def _status(pid: int, key: str) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
