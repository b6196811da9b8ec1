"""A site's dialogue watched while thousands of mails a second go through it: what is not told is counted, and mail is not held up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import grpc

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.sinks import SmtpSink
from mailgate.api.admin.v1 import admin_service_pb2 as admin
from mailgate.api.admin.v1 import admin_service_pb2_grpc as admin_grpc
from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2
from tests.servers.conftest import demand_postfix

MARKER = "kaleidoscope"
MAILS = 5000
PER_MAIL = 8
"""Lines: three commands, three replies, a body and its reply."""


@contextlib.contextmanager
def tracing(fleet: Fleet, calls: int) -> Iterator[list[grpc.Call]]:
    """So many calls, of which nobody reads more than the beginning."""
    with grpc.insecure_channel(fleet.address) as channel, contextlib.ExitStack() as stack:
        made = []
        for _ in range(calls):
            request = admin.TraceSiteRequest(site_key="default")
            made.append(admin_grpc.AdminServiceStub(channel).TraceSite(request, metadata=(("authorization", f"Bearer {KEY}"),)))
            stack.callback(made[-1].cancel)
            next(made[-1])
        yield made


def test_a_flood_is_told_as_far_as_it_is_read(tmp_path: Path) -> None:
    """Four watch and do not read: every mail is delivered. Then one reads: each line that there was is there, or is counted as lost."""
    demand_postfix()
    shared = plain_mail("", f"Look, a {MARKER}")
    del shared.to[:]
    entries = [mail_service_pb2.BatchEntry(to=[mail_pb2.Address(email=f"u{number}@example.org")]) for number in range(MAILS)]
    # No chunks, and no mail behind another: eight lines a mail.
    route = {"chunking": False, "min_idle": 50, "connections": 50}
    with SmtpSink(tmp_path) as sink, Fleet(tmp_path, sink.port, senders=1, route=route) as fleet, fleet.door() as door:
        wait_until(lambda: door.nodes()[0].warm == 50, "the node has no connections")
        with tracing(fleet, 4) as calls:
            time.sleep(1)
            door.send_batch(mail_service_pb2.BatchSendMailRequest(shared=shared, entries=entries))
            wait_until(lambda: sink.count() == MAILS, "mail does not go on", 60)
            heard = lost = 0
            while heard < MAILS * PER_MAIL:
                for line in next(calls[0]).lines:
                    lost += line.lost
                    heard += line.lost + (line.direction in (admin.DIRECTION_SENT, admin.DIRECTION_RECEIVED))
                    assert MARKER not in line.text
            assert heard == MAILS * PER_MAIL
            assert lost, "there was no flood"
