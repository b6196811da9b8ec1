"""What routes name for the senders to have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailgate.cli.__main__ import main

ROUTE = '[routes.a]\nrelays = ["smtps://h"]\nusername = "u"\nsecret = "relay"\ncertificates = "partner"\nsources = "news"\n'
SENDER = '[secrets]\n{}_x = "geheim"\n[sources.mx7]\nhelo = "mx7.example.com"\naddress = "127.0.0.1"\npool = "{}"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mailgate.toml"


def checked(file: Path, text: str, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[str, str]:
    file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", "--config", str(file), *flags])
    assert ended.value.code == 0
    told = capsys.readouterr()
    return told.out, told.err


def test_what_no_sender_of_the_same_settings_has_is_warned_of(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what was probably meant; it is no mistake, as senders may have other settings."""
    out, err = checked(file, ROUTE + SENDER.format("relay", "newz"), capsys)
    assert out == f"{file}: no mistakes\n  routes.a: least_connections\n"
    assert [line.split(":")[1].strip() for line in err.splitlines()] == [
        'routes.a.secret = "relay"',
        'routes.a.certificates = "partner"',
        'routes.a.sources = "news"',
    ]
    assert "did you mean relay_x?" in err
    assert "did you mean newz?" in err
    out, _ = checked(file, ROUTE, capsys, "--json")
    assert [each["key"] for each in json.loads(out)["warnings"]] == ["routes.a.secret", "routes.a.certificates", "routes.a.sources"]


def test_what_is_there_is_not_warned_of(file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret of a variable, a pool of a source."""
    monkeypatch.setenv("MAILGATE_SECRET_RELAY", "geheim")
    assert checked(file, ROUTE.replace('certificates = "partner"\n', "") + SENDER.format("other", "news"), capsys)[1] == ""


def test_routes_at_odds_are_warned_of(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What both can send to counts its limits twice."""
    more = '[routes.b]\nmx = true\n[routes.c]\nmx = true\npolicy = "round_robin"\ndomains = ["example.com"]\n'
    assert checked(file, more, capsys)[1].startswith('warning: routes.c.policy = "round_robin": mail of routes.b ')
