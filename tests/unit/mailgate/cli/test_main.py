"""How the command line ends."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailgate import __version__, errors
from mailgate.cli import __main__ as command
from mailgate.cli import batch, exits
from mailgate.cli.__main__ import main
from mailgate.cli.waits import with_wait


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
    elsewhere = errors.SettingsInvalid([errors.Mistake("k", "v", "c", "mine.toml")])
    assert exits.json_of(elsewhere)["error"]["mistakes"] == [{"file": "mine.toml", "key": "k", "value": "v", "cure": "c"}]
    assert "mine.toml: k = v: c" in exits.text_of(elsewhere)
    assert exits.text_of(errors.Invalid(violations)) == "2 mistakes:\n  a: b\n  c: d"


@pytest.mark.parametrize("wrong", [["sned"], ["get"], ["send", "--lane", "fast"]])
def test_what_the_parser_refuses_is_json_too(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A program that asked for JSON reads one object, whoever found the mistake."""
    with pytest.raises(SystemExit) as ended:
        main([*wrong, "--json"])
    told = capsys.readouterr()
    assert (ended.value.code, told.err) == (exits.USAGE, "")
    error = json.loads(told.out)["error"]
    assert error["reason"] == "USAGE"
    assert "--help explains" in error["message"]


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


def test_ctrl_c_while_modules_are_read_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing that reads modules of ours is `with_wait`."""

    def interrupted(_: list[str]) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "with_wait", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(["nodes"])
    assert ended.value.code == exits.INTERRUPTED


def test_ctrl_c_while_rows_are_checked_says_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing was begun: no results file either."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "_look", interrupted)
    people = tmp_path / "people.csv"
    people.write_text("email\nann@example.com\n")
    with pytest.raises(SystemExit) as ended:
        main(["batch", str(people), "--text", "x"])
    assert ended.value.code == exits.INTERRUPTED
    assert capsys.readouterr().err == "interrupted while the rows were checked: this run sent nothing\n"
    assert list(tmp_path.iterdir()) == [people]


def test_a_batch_that_says_nothing_is_told_of_its_own_flags(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--eml and --file are of `mailgate send` alone."""
    with pytest.raises(SystemExit) as ended:
        main(["batch", str(tmp_path / "people.csv"), "--subject", "Hi"])
    assert ended.value.code == exits.USAGE
    assert capsys.readouterr().err == "mailgate: the mails say nothing: give --text, --html, --text-file or --html-file\n"


def test_what_answers_in_another_protocol_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """As when a gateway's address is given for the inbox's."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            caller, _ = server.accept()
            with caller:
                caller.recv(1000)
                caller.sendall(b"\x00\x1b[2J\xff\r\n")

        answered = pool.submit(answer)
        with pytest.raises(SystemExit) as ended:
            main(["inbox", "list", "--inbox", f"127.0.0.1:{server.getsockname()[1]}"])
        answered.result(timeout=10)
    assert ended.value.code == exits.UNREACHABLE
    said = capsys.readouterr().err
    assert "(what answers there speaks no HTTP)" in said
    assert "\x1b" not in said


def test_a_settings_file_that_is_not_there_is_named_plainly(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is no key with a value."""
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", "--config", str(tmp_path / "none.toml")])
    assert ended.value.code == exits.USAGE
    assert f"  {tmp_path}/none.toml: it can't be read" in capsys.readouterr().err
