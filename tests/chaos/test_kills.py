"""kill -9 and SIGSTOP under load: nothing that was accepted is lost, nothing comes twice but for what the design excuses.

MAILGATE_TEST_KILLS says how many kills a run has: 2 by itself, 20 in `make chaos`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import SCENARIOS, Outcome, Scenario, run

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


def show(capsys: pytest.CaptureFixture[str], outcome: Outcome) -> None:
    """A line of the table, also when output is captured."""
    with capsys.disabled():
        print(f"\n{Outcome.HEAD}\n{outcome.row()}", *[f"{count} x {why}" for why, count in outcome.failures.items()], sep="\n")  # noqa: T201


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
@pytest.mark.parametrize("hold", [True, False], ids=["HOLD", "RESEND"])
def test_nothing_is_lost_or_doubled(tmp_path: Path, capsys: pytest.CaptureFixture[str], scenario: Scenario, hold: bool) -> None:
    """HOLD: no Message-ID twice, no excuse. RESEND: a double only where its node died between dot and record. Lost: 0."""
    outcome = run(tmp_path, scenario, hold=hold)
    show(capsys, outcome)
    assert outcome.account.clean, str(outcome.account)
    assert outcome.account.sent > 0


def test_without_commit_the_same_harness_finds_doubles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The control: nodes that end a body before COMMIT double mail, and it shows."""
    outcome = run(tmp_path, SCENARIOS[1], hold=True, kills=3, sender_module="tests.chaos.node_without_commit")
    show(capsys, outcome)
    assert outcome.account.doubled
