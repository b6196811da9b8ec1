"""Mails by the hundred thousand before a receiver that cuts, stalls and refuses: nothing leaks, and every outcome is what the receiver saw.

MAILGATE_TEST_SOAK says how many mails: 8,000 by itself, 200,000 in `make chaos`. MAILGATE_TEST_SEED gives them another fate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.hostile import BEFORE_THE_END, FAULTS
from tests.chaos.soak import Summary

MAILS = int(os.environ.get("MAILGATE_TEST_SOAK", "8000"))
SEED = os.environ.get("MAILGATE_TEST_SEED", "1")
GROWTH_MB = 5.0
"""Of 45 MB, from the first fifth of the mails to the last. A hundred octets that each mail left would be 16 MB in `make chaos`."""
MOST_TASKS = 150
"""Beside those that are always there: dials, and long mails being composed."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]


def test_every_mail_is_accounted_for_and_nothing_grows(capsys: pytest.CaptureFixture[str]) -> None:
    """Delivered: taken once. Deferred, bounced, given back: never. In doubt: once or never. dialled = closed + open at each look."""
    command = [sys.executable, "-m", "tests.chaos.soak", "--mails", str(MAILS), "--seed", SEED]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = Summary(**json.loads(done.stdout.splitlines()[-1]))
    with capsys.disabled():
        print(f"\n{replace(found, faults={'in all': sum(found.faults.values())})}")  # noqa: T201
    assert found.wrong == []
    assert sum(found.outcomes.values()) >= MAILS
    assert set(found.outcomes) == {"DELIVERED", "DEFERRED", "BOUNCED", "IN_DOUBT", "NOT_TRIED"}, "each of them must be met"
    assert {fault.partition(" at ")[0] for fault in found.faults} == {*FAULTS, *BEFORE_THE_END}, "each fault must have been played"
    assert found.end_mb - found.warm_mb < GROWTH_MB
    assert found.most_tasks < MOST_TASKS
    assert found.checks > 0
