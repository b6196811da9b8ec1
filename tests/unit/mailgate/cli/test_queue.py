"""What `mailgate queue` prints."""

from __future__ import annotations

from mailgate.cli.queue import COLUMNS, rows
from mailgate.client.views import Queue, Waiting
from mailgate.mail import Lane


def test_a_dash_stands_where_nothing_could_go_now() -> None:
    """All wait for their next attempt: an empty cell would look like something that is missing."""
    found = Queue((Waiting(Lane.BULK, "a", 3, 1, 5_000), Waiting(Lane.BULK, "b", 0, 7, None)), 0, 0, 0)
    assert COLUMNS[-1] == "OLDEST READY"
    assert rows(found, 70_000.0) == [["bulk", "a", "3", "1", "1m 05s"], ["bulk", "b", "0", "7", "-"]]
