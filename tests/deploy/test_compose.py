"""compose.yaml and the image: what of them can be checked without a container engine."""

from __future__ import annotations

import asyncio
import fnmatch
import re
import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import compose_spec
import pytest
import yaml

from mailgate.rpc.server import Door
from mailgate.rpc.tls import TlsOptions

from .described import DEPLOY, compose_file

ROOT = DEPLOY.parent
CONTAINERFILE = DEPLOY / "Containerfile"
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def test_it_is_as_the_compose_specification_has_it() -> None:
    """No key that is not one, and nothing named that is not there. A wrong key is found, or this would say nothing."""
    tables = compose_file()
    read = compose_spec.PyCompose.from_yaml(yaml.safe_dump(tables))
    read.validate()
    assert read.service_names() == ["etcd", "gateway-1", "gateway-2", "node-1", "node-2", "node-3"]
    tables["services"]["etcd"]["comand"] = []
    with pytest.raises(ValueError, match="comand"):
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(tables))


def test_the_files_that_it_names_are_here_or_the_operators() -> None:
    """Secrets never are: nobody shall run a fleet with a token that all the world knows."""
    tables = compose_file()
    for service in tables["services"].values():
        if "build" in service:
            context = DEPLOY / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).resolve() == CONTAINERFILE
    for secret in tables["secrets"].values():
        assert not (DEPLOY / secret["file"]).exists()
        assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_no_two_gateways_share_a_journal_or_a_port() -> None:
    """Each has a volume of its own."""
    gateways = [service for name, service in compose_file()["services"].items() if name.startswith("gateway")]
    assert len(gateways) == 2
    volumes = [each.partition(":")[0] for service in gateways for each in service["volumes"] if isinstance(each, str)]
    assert len(set(volumes)) == len(volumes) == 2
    published = [port.rpartition(":")[0] for service in gateways for port in service["ports"]]
    assert len(set(published)) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("serving", [True, False])
async def test_its_health_check_asks_the_process(serving: bool) -> None:
    """The command itself, against a door that serves and one that stops."""
    command = compose_file()["services"]["gateway-1"]["healthcheck"]["test"]
    assert command[:2] == ["CMD", "python"]
    door = Door([], [])
    address = await door.bind("127.0.0.1:0", TlsOptions(), key="listen", section="tls")
    await door.start()
    await door.serving(serving)
    try:
        asked = await asyncio.create_subprocess_exec(
            sys.executable, *command[2:], env={"PORT": address.rpartition(":")[2]}, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(asked.communicate(), 30)
    finally:
        await door.stop(timedelta(0))
    assert asked.returncode == (0 if serving else 1), said
    assert not said


def test_the_image_is_made_of_what_is_here_and_sent_to_the_builder() -> None:
    """Each file that is copied is one that .dockerignore lets through, and secrets and mail are not."""
    ignore = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and not line.startswith("#")]
    assert ignore[0] == "*"
    sent = [line[1:] for line in ignore if line.startswith("!")]
    copied = [
        source
        for line in CONTAINERFILE.read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert sorted(copied) == sorted(sent)
    assert all((ROOT / source).exists() for source in copied)
    assert not any(fnmatch.fnmatch(kept, pattern) for pattern in sent for kept in ("deploy/secrets/fleet-token", "mailgate-data", ".git"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    built = {project["project"]["readme"], "pyproject.toml", *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    assert built <= set(copied)


def test_the_image_runs_as_nobody_and_becomes_the_process() -> None:
    """PID 1 is Mailgate, which gets the signals; its user is the one that the volumes of kubernetes/ belong to."""
    last = CONTAINERFILE.read_text().rpartition("\nFROM ")[2]
    assert 'ENTRYPOINT ["mailgate"]' in last
    user = re.search(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
    assert user is not None
    assert f"--gid {user[2]}" in last
    assert f"--uid {user[1]}" in last
    for name in ("gateways", "nodes"):
        assert f"runAsUser: {user[1]}" in (DEPLOY / f"kubernetes/{name}.yaml").read_text()


def test_the_image_has_the_versions_that_were_tested() -> None:
    """Its lock has what Mailgate needs, at the versions of the lock for development, and nothing that only development needs."""
    image = dict(PIN.findall((DEPLOY / "requirements.lock").read_text()))
    tested = dict(PIN.findall(Path(ROOT / "requirements.lock").read_text()))
    assert image.items() <= tested.items(), "run `make lock`"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = lambda wanted: {re.split(r"[<>=!~\[; ]", each)[0] for each in wanted}  # noqa: E731
    needed = named(project["project"]["dependencies"]) | named(project["project"]["optional-dependencies"]["otlp"])
    assert needed <= image.keys(), "run `make lock`"
    assert not named(project["dependency-groups"]["dev"]) & image.keys()
