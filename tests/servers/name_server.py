"""A real name server (NSD) with the zone that a test writes, on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.peers.process import Process, free_port, wait_until

NSD = Path("/opt/mailgate-servers/bin/nsd")
ZONE = "test"

_SETTINGS = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  database: ""
  pidfile: "{folder}/pid"
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd"
  xfrdir: "{folder}"
  cookie-secret-file: ""
  server-count: 1
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "{zone}"
  zonefile: "zone"
zone:
  name: "broken"
  zonefile: "is not there"
"""
_ASK = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02ns\x04test\x00\x00\x01\x00\x01"
"""A query for the address of ns.test."""


class NameServer:
    """Serves the zone `test`, and answers SERVFAIL for `broken` and REFUSED for all else. Names in records are relative to the zone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._serial = 0
        (folder / "nsd.conf").write_text(_SETTINGS.format(port=self.port, folder=folder, zone=ZONE))
        self.process = Process("nsd", [NSD, "-d", "-c", folder / "nsd.conf"], folder / "nsd.log")

    def write(self, *records: str, ttl: int = 60) -> None:
        """The zone's records from the next start, or `reload`, on."""
        self._serial += 1
        lines = [f"$TTL {ttl}", f"@ SOA ns.test. root.test. {self._serial} 3600 600 86400 30", "@ NS ns", f"ns A 127.0.{self._serial}.1"]
        (self.folder / "zone").write_text("\n".join([*lines, *records, ""]))

    def reload(self, *records: str, ttl: int = 60) -> None:
        """Other records now."""
        self.write(*records, ttl=ttl)
        os.kill(int((self.folder / "pid").read_text()), signal.SIGHUP)
        wait_until(self._answers, "the name server does not answer with the new zone")

    def start(self) -> None:
        """Begin a life."""
        self.process.start()
        wait_until(self._answers, "the name server does not answer", timeout=20)

    @property
    def pids(self) -> list[int]:
        """Of the server and its children."""
        main = int((self.folder / "pid").read_text())
        found = [main]
        for pid in found:
            found += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return found

    def _answers(self) -> bool:
        """With this zone, by the address that ns.test has in it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
            ask.settimeout(0.5)
            try:
                ask.sendto(_ASK, ("127.0.0.1", self.port))
                return bytes([127, 0, self._serial, 1]) in ask.recv(512)
            except OSError:
                return False


@contextmanager
def name_server(folder: Path, *records: str, ttl: int = 60) -> Iterator[NameServer]:
    """One that runs."""
    if not NSD.exists():
        text = "NSD is not there: run .ci/servers"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    server = NameServer(folder)
    server.write(*records, ttl=ttl)
    try:
        server.start()
        yield server
    finally:
        server.process.kill()
