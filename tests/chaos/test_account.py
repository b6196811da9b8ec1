"""The accounts themselves: a harness that could not find a fault would prove nothing."""

from __future__ import annotations

from benchmarks.peers.witness import Seen
from tests.chaos.account import Account, Death, How, account

KILL = Death("node-a", 10.0, 10.01)


def copy(at: float, node: str = "node-a", message_id: str = "<1@x>") -> Seen:
    return Seen(at, f"{node}.example.com", message_id, 2000, ("m.1@sink",))


def settle(seen: list[Seen], state: str = "DELIVERED", deaths: list[Death] | None = None, *, hold: bool = False) -> Account:
    return account({"id-1": "m.1@sink"}, set(), seen, {"id-1": state}, deaths or [], hold=hold, window=1.0)


def test_one_copy_and_delivered_is_clean() -> None:
    """Seen once, DELIVERED: nothing to say."""
    sums = settle([copy(1.0)])
    assert sums.clean
    assert (sums.sent, sums.delivered) == (1, 1)


def test_delivered_and_never_seen_is_lost() -> None:
    """GetMail's word does not count where the receiver has nothing."""
    assert settle([]).lost


def test_queued_for_ever_and_never_seen_is_lost() -> None:
    """Whatever the state: when all is drained, a mail with a receipt has come, or is in doubt under HOLD."""
    assert settle([], "QUEUED").lost
    assert settle([], "DEAD").lost
    assert settle([], "NOT_FOUND").lost


def test_seen_and_not_final_is_a_contradiction() -> None:
    """It came, and the ledger does not know."""
    assert settle([copy(1.0)], "QUEUED").contradicted


def test_in_doubt_is_allowed_under_hold_alone() -> None:
    """HOLD may end in doubt, seen or not; RESEND may not."""
    assert settle([], "IN_DOUBT", hold=True).clean
    assert settle([copy(1.0)], "IN_DOUBT", hold=True).in_doubt == 1
    assert settle([], "IN_DOUBT").lost
    assert settle([copy(1.0)], "IN_DOUBT").contradicted


def test_a_double_under_hold_has_no_excuse() -> None:
    """Not even the death of the node that sent the first copy."""
    assert settle([copy(9.9), copy(12.0, "node-b")], deaths=[KILL], hold=True).doubled


def test_a_double_is_excused_by_the_death_of_the_first_copys_node() -> None:
    """It was killed within the window after its dot."""
    sums = settle([copy(9.9), copy(12.0, "node-b")], deaths=[KILL])
    assert sums.clean
    assert sums.excused == 1


def test_a_double_is_not_excused_by_another_process() -> None:
    """Neither the other node's death nor the gateway's explains it."""
    deaths = [Death("node-b", 10.0, 10.01), Death("gateway", 10.0, 10.01)]
    assert settle([copy(9.9), copy(12.0, "node-b")], deaths=deaths).doubled


def test_a_double_long_before_or_after_the_death_has_no_excuse() -> None:
    """What was sent long before must have been recorded, and the dead send nothing."""
    assert settle([copy(8.0), copy(12.0, "node-b")], deaths=[KILL]).doubled
    assert settle([copy(11.0), copy(12.0, "node-b")], deaths=[KILL]).doubled


def test_each_copy_but_the_last_needs_its_own_excuse() -> None:
    """Three copies and one death: one is unexplained."""
    assert settle([copy(9.9), copy(12.0, "node-b"), copy(13.0, "node-b")], deaths=[KILL]).doubled


def test_another_message_id_is_never_excused() -> None:
    """A copy that calls itself another mail would not be recognised by the recipient's server."""
    assert settle([copy(9.9), copy(12.0, "node-b", "<2@x>")], deaths=[KILL]).doubled


def test_a_stopped_node_is_counted_apart() -> None:
    """It is excused as a killed one is, and shown in its own column."""
    sums = settle([copy(9.9), copy(12.0, "node-b")], deaths=[Death("node-a", 10.0, 14.0, How.STOPPED)])
    assert sums.clean
    assert sums.excused_stopped == 1


def test_mail_of_a_failed_call_may_come_or_not_but_not_twice() -> None:
    """No receipt, no promise; yet never two copies."""
    once = account({}, {"m.1@sink"}, [copy(1.0)], {}, [], hold=True, window=1.0)
    twice = account({}, {"m.1@sink"}, [copy(1.0), copy(2.0)], {}, [], hold=True, window=1.0)
    assert once.clean
    assert account({}, {"m.1@sink"}, [], {}, [], hold=True, window=1.0).clean
    assert twice.doubled


def test_given_up_after_deaths_may_have_come() -> None:
    """DEAD under RESEND, each copy by a node that was killed before its record; under HOLD, or without a death, it is a fault."""
    came = [copy(9.9)]
    assert settle(came, "DEAD", [KILL]).given_up == 1
    assert settle(came, "DEAD", [KILL]).clean
    assert settle(came, "DEAD", [KILL], hold=True).contradicted
    assert settle(came, "DEAD").contradicted
