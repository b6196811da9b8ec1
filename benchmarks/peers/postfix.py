"""A Postfix of one's own: every file below one temporary folder, loopback only, no DNS; relaying to a port, or delivering to maildirs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .process import answers, cpu_seconds, descendants, free_port, peak_mb, wait_until
from .sinks import Missing, program

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

SETTINGS = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
mail_owner = postfix
myhostname = peer.example.net
mydestination =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
default_process_limit = {processes}
default_destination_concurrency_limit = {concurrency}
initial_destination_concurrency = {concurrency}
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = static:all
smtp_connection_reuse_time_limit = 300s
max_use = 1000
message_size_limit = 100000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtputf8_enable = yes
smtpd_tls_security_level = {tls}
"""

RELAYING = """\
relayhost = [127.0.0.1]:{relay}
"""

DELIVERING = """\
virtual_mailbox_domains = static:all
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
"""

CERTIFICATE = """\
smtpd_tls_cert_file = {home}/tls/certificate.pem
smtpd_tls_key_file = {home}/tls/key.pem
smtpd_tls_loglevel = 1
"""


@dataclass
class Postfix:
    """A running instance. `mails()` are those delivered to maildirs, oldest first, as Postfix wrote them (LF line ends)."""

    home: Path
    port: int

    @property
    def master(self) -> int:
        """The pid of its first process."""
        return int((self.home / "queue/pid/master.pid").read_text())

    @property
    def certificate(self) -> Path:
        """What its STARTTLS shows; it is its own authority, for the name localhost and 127.0.0.1."""
        return self.home / "tls/certificate.pem"

    def mails(self) -> list[bytes]:
        """The mails in its maildirs."""
        files = sorted((self.home / "mail/all/new").glob("*"), key=lambda file: file.stat().st_mtime_ns)
        return [file.read_bytes() for file in files]

    def log(self) -> str:
        """Its log."""
        with contextlib.suppress(OSError):
            return (self.home / "maillog").read_text(errors="replace")
        return ""

    def cpu(self) -> float:
        """CPU seconds of all its processes, also of those that have ended."""
        living = sum(cpu_seconds(pid) for pid in descendants(self.master) if pid != self.master)
        return living + cpu_seconds(self.master, with_ended_children=True)

    def peak_mb(self) -> float:
        """The sum of the highest resident memory of its living processes, in MiB; memory that they share counts in each."""
        return sum(peak_mb(pid) for pid in descendants(self.master))


def why_not() -> str:
    """A sentence that says why Postfix cannot be run here; empty when it can."""
    try:
        program("postfix")
    except Missing as missing:
        return str(missing)
    return "" if os.geteuid() == 0 else "Postfix's master must be started as root"


@contextlib.contextmanager
def postfix(*, relay: int = 0, concurrency: int = 20, tls: bool = False, settings: str = "") -> Iterator[Postfix]:
    """Run Postfix until the end of the block: relaying everything to a port of 127.0.0.1, or, without one, into maildirs.

    Args:
        relay: the port; 0: deliver.
        concurrency: parallel deliveries to one destination, from the first mail on.
        tls: offer STARTTLS with a certificate made for it.
        settings: further lines of main.cf.

    Raises:
        Missing: it is not installed.
        RuntimeError: it did not start; the text has the end of its log.
    """
    control = program("postfix")
    home = Path(tempfile.mkdtemp(prefix="postfix-"))
    home.chmod(0o755)
    port = free_port()
    _write(home, port, relay, concurrency, tls=tls, settings=settings)
    try:
        started = subprocess.run([control, "-c", home / "etc", "start"], capture_output=True, text=True, timeout=60, check=False)
        server = Postfix(home, port)
        if started.returncode:
            raise RuntimeError(f"Postfix did not start: {started.stderr.strip()}\n{server.log()[-2000:]}")
        try:
            wait_until(lambda: answers(port), f"Postfix does not accept connections: {server.log()[-2000:]}")
            yield server
        finally:
            master = server.master
            subprocess.run([control, "-c", home / "etc", "abort"], capture_output=True, timeout=60, check=False)
            _wait_gone(master)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _write(home: Path, port: int, relay: int, concurrency: int, *, tls: bool, settings: str) -> None:
    for folder in ("etc", "queue", "data", "mail"):
        (home / folder).mkdir()
    shutil.chown(home / "data", "postfix")
    shutil.chown(home / "mail", "nobody")
    mail = (home / "mail").stat()
    text = SETTINGS + (RELAYING if relay else DELIVERING) + (CERTIFICATE if tls else "")
    values = {
        "home": home,
        "processes": concurrency + 50,
        "concurrency": concurrency,
        "relay": relay,
        "tls": "may" if tls else "none",
        "uid": mail.st_uid,
        "gid": mail.st_gid or mail.st_uid,
    }
    (home / "etc/main.cf").write_text(text.format(**values) + settings)
    (home / "etc/master.cf").write_text(MASTER.format(port=port))
    if tls:
        make_certificate(home / "tls")


def make_certificate(folder: Path) -> None:
    """certificate.pem and key.pem, valid for localhost and 127.0.0.1 for a day, signed by themselves."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
    )


def _wait_gone(pid: int) -> None:
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.01)
