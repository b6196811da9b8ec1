"""The counts of `mailgate up`."""

from __future__ import annotations

from mailgate.cli.counts import Counts, Rising, total

PAGE = """# HELP mailgate_x_total X.
# TYPE mailgate_x_total counter
mailgate_x_total{lane="bulk"} 2.0
mailgate_x_total{lane="transactional"} 1e+03
mailgate_x_total_created 7
mailgate_y_total 5
"""


def test_samples_are_added_over_labels() -> None:
    """And names that only begin alike are not."""
    assert total(PAGE, "mailgate_x_total") == 1002
    assert total(PAGE, "mailgate_y_total") == 5
    assert total(PAGE, "mailgate_z_total") == 0


def test_a_counter_that_starts_anew_goes_on() -> None:
    """A gateway that was killed counts from zero again."""
    counter = Rising()
    assert [counter.see(reading) for reading in (5, 9, 0, 2, 2, 1)] == [5, 9, 9, 11, 11, 12]


def test_the_line_says_troubles_only_when_there_are_some() -> None:
    """They are seldom, and then nobody should have to guess where the rest of what was accepted went."""
    assert str(Counts()) == "recipients: 0 accepted, 0 delivered   jobs: 0 queued, 0 deferred   nodes ready 0/0"
    troubled = str(Counts(bounced=3, expired=1, dead=1, in_doubt=2))
    assert "0 delivered, 3 bounced, 1 expired, 1 dead   jobs: 0 queued, 0 deferred, 2 in doubt   nodes" in troubled


def test_what_is_counted_by_the_recipient_is_not_mixed_with_jobs() -> None:
    """A mail to many on one route is one job that waits, and many recipients that were accepted."""
    recipients, jobs, _nodes = str(Counts(accepted=100, delivered=97, bounced=1, queued=1, deferred=1)).split("   ")
    assert recipients == "recipients: 100 accepted, 97 delivered, 1 bounced"
    assert jobs == "jobs: 1 queued, 1 deferred"
