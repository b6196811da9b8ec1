"""The node-loss counter of promise 6."""

from __future__ import annotations

from gateway.dispatch.losses import REMEMBERED, Losses
from tests.unit.gateway.dispatch.world import make_job


def test_each_loss_is_counted_and_sorted():
    """Free, then alone, then dead; all keep their ids."""
    losses = Losses(2, 3)
    counted = losses.count("a", b"1", [make_job(n, losses=n) for n in range(4)])
    assert [job.losses for job in counted.free] == [1]
    assert [job.losses for job in counted.alone] == [2]
    assert [job.losses for job in counted.dead] == [3, 4]
    assert len(counted.all) == 4
    assert [losses.must_be_alone(job) for job in counted.all] == [False, True, True, True]


def test_only_the_same_boot_is_forgiven_and_once():
    """A node started anew did die."""
    losses = Losses(2, 3)
    losses.count("a", b"1", [make_job(1)])
    assert losses.forgive("a", b"2") == frozenset()
    assert losses.forgive("b", b"1") == frozenset()
    assert losses.forgive("a", b"1") == {make_job(1).id}
    assert losses.forgive("a", b"1") == frozenset()
    assert losses.less(make_job(1)).losses == 0, "never below none"


def test_its_memory_is_bounded():
    """The oldest losses are forgotten."""
    losses = Losses(2, 3)
    for n in range(REMEMBERED + 1):
        losses.count("a", n.to_bytes(2, "big"), [make_job(1)])
    assert not losses.forgive("a", b"\0\0")
    assert losses.forgive("a", b"\0\1")
