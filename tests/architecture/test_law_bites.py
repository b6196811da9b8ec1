"""The import law of pyproject.toml bites: what it forbids is planted into a copy of the house, and each plant must be named.

Without this, a contract that a typing error has emptied would be kept for ever.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ("gateway", "sender", "mailgate")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


@dataclass(frozen=True)
class Plant:
    """A forbidden import: in which room, the code, what the report must call it, and which contract (by its number) must say so."""

    contract: str
    room: str
    code: str
    imported: str

    def __str__(self) -> str:
        return f"{self.contract} {self.room} {self.imported}"


def plain(contract, room, imported):
    return Plant(contract, room, f"import {imported}", imported)


PLANTS = [
    # the processes never meet
    plain("1", "sender.delivery", "gateway.ledger.port"),
    Plant("1", "gateway.dispatch", "from sender.pool import handoff", "sender.pool.handoff"),
    Plant("1", "mailgate.client", "def late() -> None:\n    import gateway.queue.port", "gateway.queue.port"),
    Plant("1", "mailgate.inbox", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sender.smtp", "sender.smtp"),
    # rooms of the gateway: downward only, and not sideways
    plain("2", "gateway.ledger", "gateway.queue.port"),
    Plant("2", "gateway.balancing", "from ..registry.port import Registry", "gateway.registry.port"),
    plain("2", "gateway.registry", "gateway.ledger.port"),
    plain("2", "gateway.dispatch", "gateway.admission"),
    plain("2", "gateway.admission", "gateway.events"),
    plain("2", "gateway.journal", "gateway.dispatch.link"),
    plain("2", "gateway.dispatch", "gateway.rpc"),
    plain("2", "gateway.rpc", "gateway.app"),
    # rooms of the sender
    plain("3", "sender.smtp", "sender.pool"),
    plain("3", "sender.compose", "sender.pool.handoff"),
    plain("3", "sender.pool", "sender.delivery"),
    plain("3", "sender.delivery", "sender.rpc"),
    # rooms of the kernel
    plain("4", "mailgate.api", "mailgate.errors"),
    plain("4", "mailgate.config", "mailgate.telemetry.names"),
    plain("4", "mailgate.telemetry", "mailgate.rpc"),
    plain("4", "mailgate.inbox", "mailgate.client"),
    plain("4", "mailgate.rpc", "mailgate.cli"),
    plain("4", "mailgate.rpc", "mailgate.etcd.client"),
    plain("4", "mailgate.etcd", "mailgate.client"),
    plain("4", "mailgate.shaping", "mailgate.rpc"),
    plain("4", "mailgate.config", "mailgate.shaping"),
    # purity is the default
    plain("5", "gateway.admission", "asyncio"),
    plain("5", "sender.smtp", "threading"),
    Plant("5", "gateway.balancing", "from time import monotonic as now", "time"),
    Plant("5", "gateway.dispatch", "from random import random", "random"),
    Plant("5", "sender.compose", "def sign() -> bytes:\n    from os import urandom\n    return urandom(4)", "os"),
    plain("5", "sender.delivery", "signal"),
    plain("5", "mailgate.shaping", "os"),
    plain("5", "gateway.events", "ssl"),
    plain("5", "mailgate.telemetry", "asyncio.events"),
    # nobody needs these
    plain("5b", "sender.pool", "requests"),
    plain("5b", "mailgate.config", "pydantic"),
    plain("5b", "mailgate.rpc", "grpc_status"),
    Plant("5b", "gateway.dispatch", "from uuid import uuid4", "uuid"),
    plain("5b", "gateway.journal", "asyncpg"),
    # libraries belong to somebody
    plain("6a", "gateway.queue", "apsw"),
    plain("6b", "sender.rpc", "aiosmtplib"),
    plain("6c", "gateway.admission", "grpc.aio"),
    Plant("6c", "gateway.dispatch", "from google.protobuf import message", "google"),
    plain("6c", "mailgate.telemetry", "grpc_health"),
    plain("6c", "mailgate.inbox", "grpc_reflection"),
    Plant("6d", "sender.delivery", "from mailgate.api.node.v1 import node_pb2", "mailgate.api.node.v1.node_pb2"),
    plain("6d", "gateway.dispatch", "mailgate.api.mail.v1.mail_pb2"),
    plain("6d", "gateway.registry", "mailgate.api.etcd.v1.etcd_pb2"),
    plain("6e", "gateway.dispatch", "opentelemetry.trace"),
    plain("6e", "gateway.dispatch", "structlog"),
    plain("6e", "sender.pool", "prometheus_client"),
    plain("6e", "sender.compose", "structlog"),
    plain("6f", "sender.compose", "socket"),
    # the template engine
    plain("6g", "gateway.admission", "minijinja"),
    plain("6g", "sender.compose", "minijinja"),
    plain("6h", "sender.pool", "dns.resolver"),
    plain("6h", "gateway.admission", "dns"),
    # adapters are chosen by the wiring
    plain("7", "gateway.rpc", "gateway.journal"),
    plain("7", "gateway.admission", "gateway.ledger.memory"),
    plain("7", "gateway.dispatch", "gateway.queue.memory"),
    plain("7", "gateway.dispatch", "gateway.registry.memory"),
    plain("7", "gateway.rpc", "gateway.registry.etcd.registry"),
    plain("7", "gateway.events", "gateway.rpc.node_link"),
]

STRANGERS = {"2": "gateway.stranger", "3": "sender.stranger", "4": "mailgate.stranger"}
"""Modules that no layer lists, by the contract that must miss them."""


def path_of(root, module):
    """The folder of a package, or the file of a module (there or not)."""
    path = root / module.replace(".", "/")
    return path if path.is_dir() else path.with_suffix(".py")


def named_modules(contract):
    """Every module of ours that a contract names."""
    yield from (module for key in ("protected_modules", "allowed_importers") for module in contract.get(key, ()))
    for container in contract.get("containers", ()):
        for layer in contract["layers"]:
            yield from (f"{container}.{name.strip('()')}" for name in re.split(r"\s*[|:]\s*", layer) if not name.startswith("("))


def build_house(root):
    """A copy in which each library that has an owner is used by one: the law can't speak of what nobody imports."""
    for package in HOUSE:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__", "planted_*"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for contract in CONTRACTS:
        for module in named_modules(contract):
            if module.partition(".")[0] in HOUSE and not path_of(root, module).exists():
                path_of(root, module).write_text('"""Not built yet."""\n')
    for contract in CONTRACTS:
        libraries = [module for module in contract.get("protected_modules", ()) if module.partition(".")[0] not in HOUSE]
        if libraries:
            owner = path_of(root, contract["allowed_importers"][0])
            with (owner / "rightful.py" if owner.is_dir() else owner).open("a") as file:
                file.write("".join(f"\nimport {library}" for library in libraries) + "\n")


def lint(root):
    """{contract's number: (is it kept, what is said of it)}."""
    script = (
        "import sys; from importlinter.cli import lint_imports_command; sys.argv = ['lint-imports', '--no-cache']; lint_imports_command()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env=os.environ | {"COLUMNS": "500"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = done.stdout + done.stderr
    verdicts = dict(re.findall(r"^(\d[a-z]?)\. .* (KEPT|BROKEN)\b", text, re.MULTILINE))
    assert verdicts.keys() == {contract["name"].partition(".")[0] for contract in CONTRACTS}, text
    said = re.split(r"^(\d[a-z]?)\. .*\n-+$", text.partition("Broken contracts")[2], flags=re.MULTILINE)
    sections = dict(zip(said[1::2], said[2::2], strict=True))
    return {number: (verdict == "KEPT", sections.get(number, "")) for number, verdict in verdicts.items()}


@pytest.fixture(scope="module")
def as_it_stands(tmp_path_factory):
    root = tmp_path_factory.mktemp("house")
    build_house(root)
    return lint(root)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The report on the house with all plants in it."""
    root = tmp_path_factory.mktemp("planted")
    build_house(root)
    for number, plant in enumerate(PLANTS):
        (path_of(root, plant.room) / f"planted_{number}.py").write_text(f'"""Planted."""\n{plant.code}\n')
    for stranger in STRANGERS.values():
        path_of(root, stranger).write_text('"""In no layer."""\n')
    return lint(root)


@pytest.mark.parametrize("number", [contract["name"].partition(".")[0] for contract in CONTRACTS])
def test_the_house_keeps_the_law(as_it_stands, number):
    """Without plants every contract is kept: what is caught below is caught because it was planted."""
    kept, said = as_it_stands[number]
    assert kept, said


@pytest.mark.parametrize(("number", "plant"), list(enumerate(PLANTS)), ids=lambda value: str(value) if isinstance(value, Plant) else "")
def test_each_plant_is_named(planted, number, plant):
    """By the contract that forbids it, with importer and imported: a person finds the line."""
    kept, said = planted[plant.contract]
    assert not kept
    top = plant.imported if plant.imported.partition(".")[0] in HOUSE else plant.imported.partition(".")[0]
    assert re.search(rf"{re.escape(plant.room)}\.planted_{number} -> {re.escape(top)}\b", said), said


@pytest.mark.parametrize(("number", "stranger"), STRANGERS.items())
def test_a_module_in_no_layer_is_named(planted, number, stranger):
    """A new room must be given its place."""
    kept, said = planted[number]
    assert not kept
    assert re.search(rf"^- {re.escape(stranger)}$", said, re.MULTILINE), said


def test_who_may_is_not_named(planted):
    """The law allows what it should: owners import their libraries."""
    assert not [said for _, said in planted.values() if "rightful" in said]


def test_every_contract_is_tried():
    """A contract without a plant is one that nobody knows to bite."""
    tried = {plant.contract for plant in PLANTS}
    untried = {contract["name"].partition(".")[0] for contract in CONTRACTS} - tried
    assert not untried, f"plant something that contracts {sorted(untried)} forbid"
