"""Jobs that wait for a connection of their path."""

from __future__ import annotations

from types import SimpleNamespace

from mailgate.job import Fence
from mailgate.mail import Lane
from sender.delivery.lines import Lines
from sender.delivery.work import Offer, Work
from sender.pool.handoff import Handoff


class Busy:
    """No connection is idle, and nothing is wrong; but for one path, whose source can't be dialled from."""

    def start(self, handoff: Handoff) -> bool:
        return False

    def trouble(self, key: str) -> SimpleNamespace | None:
        return SimpleNamespace(of_source=True) if key == "out@down" else None


def work(number: int, path: str) -> Work:
    fence = Fence(bytes([number]), 1)
    handoff = Handoff(fence, "out", "s@example.com", (), b"")
    handoff.path = path
    return Work(Offer(fence, "out", Lane.BULK, frozenset(), b""), None, 0.0, handoff)  # type: ignore[arg-type]


def test_what_waits_for_a_path_that_is_gone_is_taken_out():
    """As for one whose source is down; what waits for another stays, and all keep their order."""
    lines = Lines(Busy())  # type: ignore[arg-type]
    waiting = [work(number, path) for number, path in enumerate(["out", "out@gone", "out@down", "out@gone"])]
    for each in waiting:
        lines.pump(lines.wait(each))
    assert lines.stranded({"out", "out@down"}) == [waiting[1], waiting[3], waiting[2]]
    assert lines.stranded({"out", "out@down"}) == []
    assert len(lines) == 1
