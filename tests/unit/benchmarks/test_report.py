"""What a benchmark prints."""

from __future__ import annotations

import json

import pytest

from benchmarks.report import Report


def test_what_never_came_is_told(capsys: pytest.CaptureFixture[str]):
    """A time without an end is a finding, null in JSON: minutes of measuring are not lost over it."""
    report = Report("x", json=True)
    report.figure("handover_ms_max", float("inf"))
    report.figure("handover_ms_median", 20.12345)
    report.figure("mails", 75_155.2)
    report.finish()
    assert json.loads(capsys.readouterr().out)["figures"] == {
        "handover_ms_max": None,
        "handover_ms_median": 20.12,
        "mails": 75_155,
    }
