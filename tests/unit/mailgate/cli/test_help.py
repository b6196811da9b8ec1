"""What `--help` promises: an example for every command, and texts that are printed whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import typer

from mailgate.cli.__main__ import build

PROCESSES = {"gateway", "sender", "inbox serve"}


def commands(group: typer.core.TyperGroup, path: str = "") -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every command that does something, by the words that run it."""
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


ALL = dict(commands(typer.main.get_command(build())))


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_an_example(name: str) -> None:
    """Of itself."""
    assert re.search(rf"Examples?:\s+(\S+=\S+ )?mailgate {name}\b", ALL[name].help or "")


@pytest.mark.parametrize("name", ["shaping explain", "shaping check", "config check", "nodes", "queue"])
def test_what_scripts_ask_says_its_exit_codes(name: str) -> None:
    """Where they are looked for."""
    assert "Exit codes: 0 done; 1 " in (ALL[name].help or "")


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_json_unless_it_becomes_a_process(name: str) -> None:
    """As the README says."""
    assert ("--json" in {option for each in ALL[name].params for option in each.opts}) == (name not in PROCESSES)


def test_commands_stand_in_the_order_of_need() -> None:
    """All of them, with or without commands of their own; who runs processes by hand looks last."""
    app = typer.main.get_command(build())
    listed = app.list_commands(typer.Context(app))
    assert listed[:7] == ["up", "send", "batch", "get", "watch", "nodes", "node"]
    assert listed[-2:] == ["gateway", "sender"]
    assert set(listed) == set(app.commands)


GATEWAY_FLAGS = ["--address", "--key", "--data", "--tls", "--ca"]
LOCAL = {"up", "gateway", "sender", "inbox list", "inbox show", "inbox serve", "config check", "config show", "config key"} | {
    *("shaping explain", "shaping show", "shaping check"),
}


@pytest.mark.parametrize("name", sorted(set(ALL) - LOCAL))
def test_whatever_asks_a_gateway_has_the_same_flags(name: str) -> None:
    """All of them, in the same order, and the last of all says how the answer is printed."""
    flags = [option for each in ALL[name].params for option in each.opts if option.startswith("--")]
    assert flags[-6:] == [*GATEWAY_FLAGS, "--json"]
    same = {each.name: each.help for each in ALL["queue"].params}  # type: ignore[attr-defined]
    assert {each.name: each.help for each in ALL[name].params if each.name in same} == same  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_taken_for_markup(name: str) -> None:
    """A word in square brackets would be swallowed where the help is printed with colours."""
    texts = [ALL[name].help or "", *(str(getattr(each, "help", "") or "") for each in ALL[name].params)]
    assert not [text for text in texts if re.search(r"\[[a-z/]", text)]
