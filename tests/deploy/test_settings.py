"""Each process of deploy/ gets settings that it takes, reaches who it names, and is given the time that its leave may take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import app as gateway_app
from gateway import settings as gateway
from mailgate.cli.config import config
from mailgate.config.secret import Secret
from mailgate.config.sources import parse_toml
from mailgate.rpc.address import split_address
from sender import app as sender_app
from sender import settings as sender

from .described import SECRETS, SETTINGS, Described, everything

PROCESSES = everything()


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A folder with the secrets that docs/deploy.md has made."""
    (tmp_path / "fleet-token").write_text("token\n")
    (tmp_path / "relay-password").write_text("geheim\n")
    return f"{tmp_path}/"


def tables_of(process: Described, place: str) -> dict[str, Any]:
    """Its settings file, where the secrets lie in `place`."""
    mistakes: list[Any] = []
    tables = parse_toml(process.settings.replace(SECRETS, place).encode(), process.name, mistakes)
    assert not mistakes
    return tables


def gateway_of(process: Described, place: str) -> gateway.GatewaySettings:
    return gateway.from_tables(tables_of(process, place), process.environment)


def sender_of(process: Described, place: str) -> sender.SenderSettings:
    return sender.from_tables(tables_of(process, place), process.environment)


def of_role(role: str) -> list[Any]:
    found = [process for process in PROCESSES if process.role == role]
    assert {process.way for process in found} == {"compose", "kubernetes", "systemd"}
    return [pytest.param(process, id=str(process)) for process in found]


def reaches(process: Described, address: str) -> bool:
    """Its names lead to a process that listens there."""
    host, port = split_address(address, "")
    return process.names is None or port in process.names.get(host, ())


def test_the_file_has_no_mistakes(tmp_path: Path, place: str) -> None:
    """By the operator's own command, once its secrets are there; and the tenant that it shows for example is one."""
    text = SETTINGS.read_text().replace(SECRETS, place)
    example = re.search(r"^# (\[tenants\.shop\]\n.*)", text, re.DOTALL | re.MULTILINE)
    assert example is not None
    tenant = example[0].replace("# ", "").replace("sha256:…", "sha256:" + "ab" * 32)
    for each in (text, text.replace(example[0], tenant)):
        (tmp_path / "mailgate.toml").write_text(each)
        told = CliRunner().invoke(config, ["check", "--config", str(tmp_path / "mailgate.toml")], env={})
        assert told.exit_code == 0, told.output or told.exception
    assert set(gateway.read(str(tmp_path / "mailgate.toml"), {}).tenants) == {"shop"}


@pytest.mark.parametrize("process", of_role("gateway"))
def test_a_gateway_is_reached_where_it_says(process: Described, place: str) -> None:
    """It listens beyond loopback, guarded by the token, and publishes an address that leads to it."""
    settings = gateway_of(process, place)
    assert settings.gateway.fleet_token == Secret("token")
    assert settings.gateway.data == "/var/lib/mailgate"
    host, port = split_address(settings.gateway.listen, "")
    assert (host, port) == ("0.0.0.0", 8625)
    assert split_address(settings.gateway.advertise, "")[1] == port
    assert reaches(process, settings.gateway.advertise)
    assert not process.ports or port in process.ports


@pytest.mark.parametrize("process", of_role("gateway"))
def test_a_gateway_finds_etcd_and_has_no_relays_password(process: Described, place: str) -> None:
    """It has the secrets that it needs and no others, where it is others who hand them out."""
    etcd = gateway_of(process, place).etcd
    assert etcd.endpoints
    assert all(reaches(process, endpoint) for endpoint in etcd.addresses)
    if process.way != "systemd":
        assert process.secrets == {SECRETS + "fleet-token"}


@pytest.mark.parametrize("process", of_role("sender"))
def test_a_node_registers_an_address_at_which_it_listens(process: Described, place: str) -> None:
    """And with a gateway that it can reach."""
    settings = sender_of(process, place)
    options = settings.sender
    assert options.fleet_token == Secret("token")
    assert settings.secrets == {"relay": Secret("geheim")}
    assert process.secrets == {SECRETS + "fleet-token", SECRETS + "relay-password"}
    host, port = split_address(options.listen, "")
    assert host == "0.0.0.0"
    assert split_address(options.advertise, "")[1] == port
    assert reaches(process, options.advertise)
    assert all(reaches(process, address) for address in options.gateways)
    assert not process.ports or port in process.ports


@pytest.mark.parametrize("way", ["compose", "kubernetes", "systemd"])
def test_processes_of_a_machine_do_not_share_names_or_ports(way: str, place: str) -> None:
    """Of units on one machine also the metrics have a port of their own."""
    nodes = [sender_of(process, place) for process in PROCESSES if (process.way, process.role) == (way, "sender")]
    assert len({node.sender.id for node in nodes}) == len(nodes)
    assert len({node.sender.advertise for node in nodes}) == len(nodes)
    if way == "systemd":
        pages = [node.telemetry.listen for node in nodes]
        pages += [gateway_of(process, place).telemetry.listen for process in PROCESSES if (process.way, process.role) == (way, "gateway")]
        assert len(set(pages)) == len(pages)
        assert all(page.startswith("127.0.0.1:") for page in pages)


@pytest.mark.parametrize("process", [pytest.param(process, id=str(process)) for process in PROCESSES])
def test_who_stops_a_process_waits_for_its_leave(process: Described, place: str) -> None:
    """A node may wait ten minutes for the answer to a final dot: killed before, it would have mail sent twice."""
    if process.role == "gateway":
        leave = gateway_app.FINISH + gateway_app.CALLS.total_seconds()
    else:
        drain = sender_of(process, place).sender.drain_timeout.total_seconds()
        leave = drain + sender_app.UNANSWERED + 2 * sender_app.SETTLE
    assert leave + 5 <= process.grace <= leave + 60
