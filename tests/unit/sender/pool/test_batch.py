"""Things put off to the next turn of the loop."""

from __future__ import annotations

from sender.pool.batch import Batch


def test_one_call_a_turn():
    """All that was added meanwhile, in order; what is added while it acts waits for the turn after."""
    turns, acted = [], []

    def act(items: list[int]) -> None:
        acted.append(items)
        if items == [1, 2]:
            batch.add(3)

    batch = Batch(turns.append, act)
    batch.add(1)
    batch.add(2)
    assert (len(turns), acted) == (1, [])
    turns.pop()()
    assert (len(turns), acted) == (1, [[1, 2]])
    turns.pop()()
    assert (turns, acted) == ([], [[1, 2], [3]])
