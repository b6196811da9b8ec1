"""An OpenSMTPD of one's own: its files below one temporary folder, loopback only, no DNS; all mail ends in one maildir.

It has neither PIPELINING nor CHUNKING nor SMTPUTF8. The release of Debian 12 offers STARTTLS and fails at the handshake, since OpenSSL 3
came in (github.com/OpenSMTPD/OpenSMTPD/issues/1171); a login it would take under TLS alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .postfix import make_certificate
from .process import free_port
from .unpacked import Unpacked, make_home, unpacked

NOBODY = 65534

SETTINGS = """\
pki here cert "{home}/tls/certificate.pem"
pki here key "{home}/tls/key.pem"
smtp max-message-size {size}
{settings}
listen on 127.0.0.1 port {port} tls pki here hostname opensmtpd.example.net
action "maildir" maildir "{home}/mail" virtual {{ "later" = "error:451 4.2.0 not now", "@" = "nobody" }}
match from any for rcpt-to {{ "refused@example.net" }} reject
match from any for any action "maildir"
"""


class OpenSmtpd(Unpacked):
    """`mails()` have LF, and trace headers on top. `refused@example.net` and `later@` are."""

    @property
    def certificate(self) -> Path:
        """What its STARTTLS shows; it is its own authority, for the name localhost and 127.0.0.1."""
        return self.home / "tls/certificate.pem"


@contextlib.contextmanager
def opensmtpd(settings: str = "", *, size: str = "6M") -> Iterator[OpenSmtpd]:
    """Run OpenSMTPD until the end of the block. `settings`: further lines of its configuration; `size`: of the largest mail.

    Raises:
        Missing: it is not there.
        RuntimeError, TimeoutError: it did not start.
    """
    program, port = unpacked("smtpd"), free_port()
    home = make_home("opensmtpd-", owner=NOBODY)
    try:
        os.chown(home / "spool", 0, 0)
        (home / "spool").chmod(0o711)
        make_certificate(home / "tls")
        (home / "tls/key.pem").chmod(0o600)
        (home / "smtpd.conf").write_text(SETTINGS.format(home=home, port=port, settings=settings, size=size))
        (home / "smtpd.conf").chmod(0o600)
        argv = [program, "-d", "-f", home / "smtpd.conf"]
        with OpenSmtpd("smtpd", home, port, argv, {"MAILGATE_SMTPD_SPOOL": str(home / "spool")}) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)
