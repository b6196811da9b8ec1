"""What `mailgate up` prepares: ports, the data directory, settings and key."""

from __future__ import annotations

import asyncio
import json
import stat
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailgate.cli.exits import Usage
from mailgate.cli.ports import Ports, free_ports
from mailgate.cli.stage import base_tables, child_environment, data_directory, restage, stage, wants_inbox
from mailgate.errors import SettingsInvalid

PORTS = Ports(11, 12, 13, 14, 0)
WITHOUT_ETCD = {"etcd": False}


async def test_taken_ports_are_all_named_with_their_flags() -> None:
    """Before anything starts; also two flags with one port."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    taken = server.sockets[0].getsockname()[1]
    free = await free_ports(Ports(0, 0, 0, 0), WITHOUT_ETCD)
    try:
        with pytest.raises(SettingsInvalid) as caught:
            await free_ports(Ports(taken, free.metrics, free.metrics, taken), WITHOUT_ETCD)
    finally:
        server.close()
        await server.wait_closed()
    cures = {mistake.key: mistake.cure for mistake in caught.value.mistakes}
    assert set(cures) == {"--port", "--inbox-port", "--inbox-smtp-port"}
    assert "another process has it" in cures["--port"]
    assert "--metrics-port has it already" in cures["--inbox-port"]


async def test_zero_is_any_free_port_and_what_is_not_needed_is_not_looked_for() -> None:
    """Each another one."""
    found = await free_ports(Ports(0, 0, 0, 0), {"inbox": False, "etcd": False})
    assert found.inbox == 0
    assert len({found.gateway, found.metrics, found.inbox_smtp}) == 3


def test_the_files_are_for_nobody_else_and_the_key_stays(tmp_path: Path) -> None:
    """A second start finds the first one's key; the settings hold only its hash."""
    first = stage(tmp_path, {}, PORTS, "")
    first.check({})
    first.write()
    for name in ("settings.toml", "client.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert stage(tmp_path, {}, PORTS, "").key == first.key
    settings = (tmp_path / "settings.toml").read_text()
    assert first.key not in settings
    assert tomllib.loads(settings)["tenants"]["default"]["domains"] == ["*"]
    assert json.loads((tmp_path / "client.json").read_text()) == {
        "address": "127.0.0.1:11",
        "key": first.key,
        "inbox": "http://127.0.0.1:13",
    }


def test_mail_goes_to_the_inbox_unless_something_else_takes_it_all() -> None:
    """`--relay`, or a route of the file without domains."""
    assert wants_inbox({}, "")
    assert wants_inbox({"routes": {"a": {"domains": ["x.example"]}}}, "")
    assert not wants_inbox({}, "smtp://h")
    assert not wants_inbox({"routes": {"a": {"relays": ["smtp://h"]}}}, "")


def test_a_relay_replaces_what_takes_all_and_its_password_is_a_secret(tmp_path: Path) -> None:
    """Routes with domains stay."""
    base: dict[str, Any] = {
        "routes": {"a": {"relays": ["smtp://a"], "domains": ["x"]}, "b": {"relays": ["smtp://b"]}},
        "secrets": {"s": "t"},
    }
    made = stage(tmp_path, base, PORTS, "smtp://us%40er:p%3Aw@mail.example.com:587")
    made.check({})
    assert set(made.tables["routes"]) == {"a", "default"}
    assert made.tables["routes"]["default"] == {"relays": ["smtp://mail.example.com:587"], "username": "us@er", "secret": "relay"}
    assert made.tables["secrets"] == {"s": "t", "relay": "p:w"}
    assert not made.inbox


@pytest.mark.parametrize(
    "relay", ["mail.example.com", "http://x", "smtp://", "smtp://:pw@x", "smtp://user@x", "smtp://u:geheim@x:99999", "smtp://u:geheim@x/y"]
)
def test_what_is_no_relay_is_refused_and_its_password_not_repeated(tmp_path: Path, relay: str) -> None:
    """With the flag and the cure."""
    with pytest.raises(Usage, match="--relay") as caught:
        stage(tmp_path, {}, PORTS, relay)
    assert "geheim" not in str(caught.value)


def test_mistakes_of_the_operators_file_are_found_before_anything_starts(tmp_path: Path) -> None:
    """Its own sections alone: [gateway], [tls] and [sender] are not looked at."""
    file = tmp_path / "x.toml"
    file.write_text('[gateway]\nlisten = "nonsense"\n[limits]\nmax_recipient = 5\n[telemetry]\nlog_level = "debug"\n')
    made = stage(tmp_path, base_tables(str(file)), PORTS, "")
    assert made.tables["telemetry"] == {"log_level": "debug", "listen": "127.0.0.1:12"}
    with pytest.raises(SettingsInvalid) as caught:
        made.check({"MAILGATE_DISPATCH__RETRY_FIRST": "x"})
    assert [mistake.key.split(" ")[0] for mistake in caught.value.mistakes] == ["limits.max_recipient", "dispatch.retry_first"]


def test_children_do_not_see_variables_of_what_up_decides() -> None:
    """All others they do."""
    environ = {"PATH": "p", "MAILGATE_GATEWAY__LISTEN": "x", "MAILGATE_LIMITS__MAX_TAGS": "1", "MAILGATE_TELEMETRY__LISTEN": "y"}
    seen = child_environment(environ, Path("/s"), MAILGATE_TELEMETRY__LISTEN="z")
    assert seen["MAILGATE_LIMITS__MAX_TAGS"] == "1"
    assert seen["MAILGATE_TELEMETRY__LISTEN"] == "z"
    assert seen["MAILGATE_CONFIG"] == "/s"
    assert "MAILGATE_GATEWAY__LISTEN" not in seen


def test_one_up_at_a_time_has_a_directory(tmp_path: Path) -> None:
    """The second is told so; a file in its place is no directory."""
    with data_directory(str(tmp_path / "d")), pytest.raises(Usage, match="another `mailgate up`"), data_directory(str(tmp_path / "d")):
        pass
    with data_directory(str(tmp_path / "d")):
        pass
    (tmp_path / "f").write_text("")
    with pytest.raises(Usage, match="choose another directory"), data_directory(str(tmp_path / "f")):
        pass


def test_settings_are_written_anew_for_children_that_run(tmp_path: Path) -> None:
    """From the operator's file as it is now, with the key and the token that the children know."""
    file = tmp_path / "mine.toml"
    file.write_text("[limits]\nmax_recipients = 5\n")
    before = stage(tmp_path, base_tables(str(file)), PORTS, "")
    before.write()
    file.write_text("[limits]\nmax_recipients = 6\n")
    after = restage(before, str(file), "", {})
    assert (after.key, after.tables["gateway"]) == (before.key, before.tables["gateway"])
    assert tomllib.loads(after.settings.read_text())["limits"] == {"max_recipients": 6}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[limits]\nmax_recipients = 0\n[journal]\nno_such = 1\n", "limits.max_recipients"),
        ("[limits\n", "it is not TOML"),
        ('[routes.default]\nrelays = ["smtp://mail.example:25"]\n', "the inbox would have to be stopped"),
    ],
)
def test_what_is_wrong_leaves_the_settings_of_the_children_as_they_are(tmp_path: Path, text: str, why: str) -> None:
    """A child that is started anew meanwhile reads what was right."""
    file = tmp_path / "mine.toml"
    file.write_text("")
    before = stage(tmp_path, base_tables(str(file)), PORTS, "")
    before.write()
    written = before.settings.read_text()
    file.write_text(text)
    with pytest.raises(SettingsInvalid, match=why):
        restage(before, str(file), "", {})
    assert before.settings.read_text() == written


def test_an_etcd_that_is_started_too_is_the_one_that_is_used(tmp_path: Path) -> None:
    """Whatever the operator's file and variables say of another; without it they count."""
    theirs = {"etcd": {"endpoints": ["etcd.example.com:2379"], "prefix": "/theirs"}}
    variables = {"MAILGATE_ETCD__ENDPOINTS": "etcd.example.com:2379", "MAILGATE_LIMITS__MAX_RECIPIENTS": "7"}
    with_etcd = stage(tmp_path, theirs, replace(PORTS, etcd=15), "")
    assert with_etcd.etcd == "127.0.0.1:15"
    assert with_etcd.tables["etcd"] == {"endpoints": ["127.0.0.1:15"]}
    assert "MAILGATE_ETCD__ENDPOINTS" not in with_etcd.environment(variables)
    assert with_etcd.environment(variables)["MAILGATE_LIMITS__MAX_RECIPIENTS"] == "7"
    without = stage(tmp_path, theirs, PORTS, "")
    assert without.etcd == ""
    assert without.tables["etcd"] == theirs["etcd"]
    assert without.environment(variables)["MAILGATE_ETCD__ENDPOINTS"] == "etcd.example.com:2379"
