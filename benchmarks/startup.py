"""From typing `mailgate up` to the first delivered mail: the command with its gateway, two nodes and the inbox, on an empty data folder.

    python benchmarks/startup.py [--quick] [--json]

The mail is sent by a client that tries every few milliseconds, and waits for DELIVERED. One round warms the disk's cache; medians count.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.up import Up
from benchmarks.report import Report, arguments
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

REQUEST = service.SendMailRequest(mail=plain_mail("first@example.com", "Hello"), wait=Duration(seconds=20))


def start_once() -> tuple[float, float, float]:
    """Seconds from the start of the command to the first receipt of a delivered mail; of a second mail; and of the stop."""
    with tempfile.TemporaryDirectory(prefix="startup-") as folder:
        begin = time.monotonic()
        with Up(Path(folder)) as up:
            with up.door() as door:
                receipt = up.first_answer(door, REQUEST).receipt
                first = time.monotonic() - begin
                if receipt.recipients[0].state != mail.RECIPIENT_STATE_DELIVERED:
                    raise RuntimeError(f"not delivered: {receipt}\n{up.tail()}")
                again = time.monotonic()
                door.send(REQUEST)
                second = time.monotonic() - again
            leaving = time.monotonic()
            up.stop(20)
            return first, second, time.monotonic() - leaving


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("startup", json=options.json)
    start_once()
    rounds = [start_once() for _ in range(3 if options.quick else 7)]
    first, second, leave = (statistics.median(values) for values in zip(*rounds, strict=True))
    report.figure("up_to_delivered_s", first)
    report.figure("up_to_delivered_worst_s", max(values[0] for values in rounds))
    report.figure("warm_send_wait_ms", second * 1000)
    report.figure("stop_s", leave)
    report.finish()


if __name__ == "__main__":
    main()
