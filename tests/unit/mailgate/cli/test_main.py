"""How the command line ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailgate import __version__, errors
from mailgate.cli import exits
from mailgate.cli.__main__ import main, with_wait


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ([], []),
        (["send", "--wait"], ["send", "--wait=30"]),
        (["send", "--wait", "5"], ["send", "--wait", "5"]),
        (["send", "--wait", "500ms"], ["send", "--wait", "500ms"]),
        (["send", "--wait", "--json"], ["send", "--wait=30", "--json"]),
        (["send", "--wait=7"], ["send", "--wait=7"]),
    ],
)
def test_a_bare_wait_has_a_default(given: list[str], seen: list[str]) -> None:
    """An option of the parser's can't go without its value."""
    assert with_wait(given) == seen


def test_exit_codes_say_whether_trying_again_helps() -> None:
    """1 the mail, 2 the command, 3 the gateway."""
    assert exits.code_of(errors.Invalid.field("x", "y")) == 1
    assert exits.code_of(errors.NotFound("x")) == 1
    assert exits.code_of(exits.Usage("x")) == 2
    assert exits.code_of(errors.SettingsInvalid([])) == 2
    assert exits.code_of(errors.Unauthenticated("x")) == 2
    assert exits.code_of(errors.ScopeMissing("x")) == 2
    assert exits.code_of(errors.Unavailable("x")) == 3
    assert exits.code_of(errors.Unanswered("x")) == 3
    assert exits.code_of(exits.NoGateway("x")) == 3


def test_errors_as_json_name_each_field() -> None:
    """For programs."""
    violations = [errors.Violation("a", "b"), errors.Violation("c", "d")]
    assert exits.json_of(errors.Invalid(violations))["error"]["violations"] == [
        {"field": "a", "description": "b"},
        {"field": "c", "description": "d"},
    ]
    mistake = errors.Mistake("k", "v", "c")
    assert exits.json_of(errors.SettingsInvalid([mistake]))["error"]["mistakes"] == [{"key": "k", "value": "v", "cure": "c"}]
    assert exits.text_of(errors.Invalid(violations)) == "2 mistakes:\n  a: b\n  c: d"


def test_it_says_its_release(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that a report of a defect has to name."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"mailgate {__version__}\n")


def test_a_mistake_of_the_command_is_told_before_the_gateway_is_looked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Else somebody would start one to learn that a flag is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(["doubts", "resolve", "x", "--data", str(tmp_path)])
    assert ended.value.code == exits.USAGE
    assert "exactly one of --resend" in capsys.readouterr().err
