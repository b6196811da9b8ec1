"""The units, as systemd reads them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .described import DEPLOY, unit

UNITS = ("mailgate-gateway.service", "mailgate-sender@8700.service")
PROGRAM = "/opt/mailgate/bin/mailgate"
UNPACKED = "/opt/mailgate-servers/bin/systemd-analyze"
EXPOSURE = 15
"""Of 100, in systemd's own count: most services that ship with systemd have 20 to 60, one without any guard has 96."""

pytestmark = pytest.mark.servers


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze. With CI=true its absence is a failure, else a skip."""
    program = shutil.which("systemd-analyze") or (UNPACKED if os.path.exists(UNPACKED) else None)
    if program is None:
        missing = "systemd-analyze is not here: .ci/servers gets it, where there is Debian"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return subprocess.run([program, "--man=no", *arguments], capture_output=True, text=True, check=False, timeout=60)


def placed(name: str, folder: Path, **instead: str) -> Path:
    """The unit in `folder` under the name of an instance; the program is the one of this installation."""
    file = name.partition("@")[0] + ("@.service" if "@" in name else "")
    text = (DEPLOY / "systemd" / file).read_text()
    assert text.count(PROGRAM) == 1
    text = text.replace(PROGRAM, str(Path(sys.executable).with_name("mailgate")))
    for old, new in instead.items():
        assert old in text
        text = text.replace(old, new)
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    """Neither an unknown key nor a wrong value, nor a program that is not there."""
    found = analyze("verify", str(placed(name, tmp_path)))
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@pytest.mark.parametrize("name", UNITS)
def test_a_mistake_would_be_found(name: str, tmp_path: Path) -> None:
    """Else the test above would say nothing."""
    found = analyze("verify", str(placed(name, tmp_path, TimeoutStopSec="TimeoutStopsSec")))
    assert "TimeoutStopsSec" in found.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_service_may_do_little(name: str, tmp_path: Path) -> None:
    """By systemd's own count of what a service that was taken over could do."""
    found = analyze("security", "--offline=yes", f"--threshold={EXPOSURE}", str(placed(name, tmp_path)))
    assert found.returncode == 0, found.stdout.splitlines()[-1]


def test_reload_and_stop_reach_the_process_itself() -> None:
    """SIGHUP, as a gateway and a sender want it; a child of a node, such as a command that writes a token, is not cut off by a stop."""
    for file in ("mailgate-gateway.service", "mailgate-sender@.service"):
        lines = unit(file)
        assert lines["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
        assert lines["KillMode"] == ["mixed"]
        assert lines["RestartPreventExitStatus"] == ["2"]
