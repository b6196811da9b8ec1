"""An Exim of one's own: every file below one temporary folder, loopback only, no DNS; all mail ends in one maildir."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from .postfix import make_certificate
from .process import free_port
from .unpacked import Unpacked, make_home, unpacked

NOBODY = 65534
LOGIN = ("me", "pass")
"""Whom it knows, by AUTH PLAIN."""

SETTINGS = """\
exim_user = nobody
exim_group = nogroup
exim_path = {program}
never_users =
spool_directory = {home}/spool
log_file_path = {home}/spool/%slog
pid_file_path = {home}/spool/pid
primary_hostname = exim.example.net
qualify_domain = exim.example.net
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
domainlist local_domains = *
deliver_drop_privilege = true
queue_only_load_latch = false
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = 6M
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
received_header_text =
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = {home}/tls/certificate.pem
tls_privatekey = {home}/tls/key.pem
return_path_remove = false
envelope_to_remove = false
delivery_date_remove = false
keep_environment =
{settings}
begin acl
rcpt:
  deny local_parts = refused
       message = 5.1.1 nobody is called $local_part here\\nwe have looked\\nin every corner
  defer local_parts = later
        message = 4.2.0 not now
  accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {home}/mail
  maildir_format
  use_crlf
  batch_max = 100
  user = nobody
begin retry
* * F,1h,1s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = *
"""


class Exim(Unpacked):
    """`mails()` have CRLF, and not an octet more than was sent. `refused@` and `later@` are, in three lines and in one."""

    @property
    def certificate(self) -> Path:
        """What its STARTTLS shows; it is its own authority, for the name localhost and 127.0.0.1."""
        return self.home / "tls/certificate.pem"

    def story(self) -> str:
        """Its main log."""
        with contextlib.suppress(OSError):
            return (self.home / "spool/mainlog").read_text(errors="replace")
        return ""


@contextlib.contextmanager
def exim(settings: str = "") -> Iterator[Exim]:
    """Run Exim until the end of the block. `settings`: further lines of its main section.

    Raises:
        Missing: it is not there.
        RuntimeError, TimeoutError: it did not start.
    """
    program, port = unpacked("exim"), free_port()
    home = make_home("exim-", owner=NOBODY)
    try:
        make_certificate(home / "tls")
        (home / "tls/key.pem").chmod(0o644)
        user, password = LOGIN
        text = SETTINGS.format(program=program, home=home, port=port, settings=settings, user=user, password=password)
        (home / "exim.conf").write_text(text)
        with Exim("exim", home, port, [program, "-C", home / "exim.conf", "-bdf", "-q1s"]) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)
