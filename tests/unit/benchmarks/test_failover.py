"""What benchmarks/failover.py says of a run in which nothing happened, and before one that can't be told."""

from __future__ import annotations

import pytest

from benchmarks import failover
from benchmarks.peers.striking import Struck
from benchmarks.report import Report


def test_what_was_not_measured_is_no_good_result(capsys: pytest.CaptureFixture[str]):
    """A bar is not met by nothing."""
    report = Report("failover")
    failover.tell(report, Struck())
    names = ["node_kill_handover_ms_median", "node_kill_handover_ms_max", "node_stop_last_job_ms", "join_ms_max", "leave_last_job_ms_max"]
    assert {report.figures[name] for name in names} == {float("inf")}
    assert capsys.readouterr().err == ""


def test_a_curve_that_has_no_place(tmp_path, capsys: pytest.CaptureFixture[str]):
    """Is told before minutes of measuring."""
    with pytest.raises(SystemExit, match=r"no folder .*nowhere"):
        failover.main(["--quick", "--plot", str(tmp_path / "nowhere" / "curve.png")])
    assert capsys.readouterr().out == ""
