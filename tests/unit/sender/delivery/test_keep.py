"""What a node knows of attempts: never forgotten before it is settled, never more than one state."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailgate.job import Fence
from mailgate.verdict import Expired
from sender.delivery.keep import Keep, Known

ACTIONS = ("hold", "commit", "done", "drop", "settle")


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3), st.sampled_from(["g", "h"])), max_size=60))
def test_a_random_walk(steps: list[tuple[str, int, str]]):  # noqa: C901  # a case each action
    """Against a plain model; the counts by gateway follow."""
    keep = Keep()
    model: dict[Fence, tuple[str, Known]] = {}
    for action, n, gateway in steps:
        fence = Fence(bytes([n]), 1)
        owner, known = model.get(fence, ("", None))
        match action:
            case "hold":
                assert keep.hold(gateway, fence) == (known is None)
                model.setdefault(fence, (gateway, Known.HELD))
            case "commit" if known is Known.HELD:
                keep.commit(fence)
                model[fence] = (owner, Known.COMMITTED)
            case "done" if known in (Known.HELD, Known.COMMITTED):
                assert keep.done(fence, Expired()) == owner
                model[fence] = (owner, Known.DONE)
            case "drop":
                assert keep.drop(fence) == (known is Known.HELD)
                if known is Known.HELD:
                    del model[fence]
            case "settle":
                keep.settle([fence, fence])
                if known is Known.DONE:
                    del model[fence]
        assert len(keep) == len(model)
        for name in ("g", "h"):
            mine = {fence: known for fence, (owner, known) in model.items() if owner == name}
            assert keep.unsettled(name) == sum(known is Known.DONE for known in mine.values())
            told = {fence: kept.known for fence, kept in keep.inventory(name)}
            assert told == {fence: known for fence, known in mine.items() if known is not Known.HELD}
        assert keep.all_unsettled == keep.unsettled("g") + keep.unsettled("h")
        assert keep.committed == sum(known is Known.COMMITTED for _, known in model.values())
