"""Mailgate as a user starts it: a settings file, `python -m gateway`, `python -m sender`; every process with its log, CPU and memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .door import Door
from .process import Process, answers, free_port, wait_until

KEY = "a-key-of-the-benchmarks-and-tests"
TENANT = "peer"

Values = Mapping[str, object]


class Fleet:
    """One gateway and some nodes on one data folder. Entered: started, with every node ready. Left: killed.

    `settings` are further tables or keys of the settings file, such as `{"journal": {"reserve_bytes": 4096}}`; `route` further keys of the
    one route, to `relay` on 127.0.0.1; `sender_env` further variables of the nodes, `each_env` of the first, the second…,
    `gateway_env` of the gateway, `sender_module` what runs as one.
    """

    def __init__(
        self,
        folder: Path,
        relay: int,
        *,
        senders: int = 2,
        route: Values | None = None,
        settings: Mapping[str, Values] | None = None,
        sender_env: Mapping[str, str] | None = None,
        each_env: Sequence[Mapping[str, str]] = (),
        gateway_env: Mapping[str, str] | None = None,
        sender_module: str = "sender",
        data: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.data = data or folder / "data"
        self.address = f"127.0.0.1:{self.port}"
        self.settings = folder / "mailgate.toml"
        self.configure(relay, route, settings)
        root = Path(__file__).parents[2]
        self.gateway = Process(
            "gateway",
            [sys.executable, "-m", "gateway", "--config", self.settings],
            folder / "gateway.log",
            cwd=root,
            env={"PYTHONWARNINGS": "default", **(gateway_env or {})},
        )
        self.senders = [
            Process(
                f"node-{letter}",
                [sys.executable, "-m", sender_module, "--config", self.settings],
                folder / f"node-{letter}.log",
                cwd=root,
                env={
                    "MAILGATE_SENDER__ID": f"node-{letter}",
                    "MAILGATE_SENDER__HELO": f"node-{letter}.example.com",
                    "MAILGATE_SENDER__LISTEN": f"127.0.0.1:{free_port()}",
                    **(sender_env or {}),
                    **(each_env[number] if each_env else {}),
                },
            )
            for number, letter in enumerate("abcdefgh"[:senders])
        ]

    def configure(self, relay: int, route: Values | None = None, settings: Mapping[str, Values] | None = None) -> None:
        """Write the settings file (anew); whole or not at all, so that whoever reads it meanwhile sees one of the two."""
        new = self.settings.with_suffix(".new")
        new.write_text(self._toml(relay, route or {}, settings or {}))
        new.replace(self.settings)

    def _toml(self, relay: int, route: Values, settings: Mapping[str, Values]) -> str:
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        tables: dict[str, dict[str, object]] = {
            "gateway": {"listen": self.address, "data": str(self.data)},
            "sender": {"gateways": [self.address]},
            "routes.default": {"relays": [f"smtp://127.0.0.1:{relay}"], **route},
            f"tenants.{TENANT}": {"domains": ["*"]},
        }
        for name, values in settings.items():
            tables.setdefault(name, {}).update(values)
        lines = []
        for name, values in tables.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
        lines += [f"[[tenants.{TENANT}.keys]]", f'hash = "sha256:{digest}"', 'scopes = ["send", "read", "operate"]', ""]
        return "\n".join(lines)

    @property
    def processes(self) -> list[Process]:
        """The gateway and the nodes."""
        return [self.gateway, *self.senders]

    def start(self) -> None:
        """Start all, and wait until every node is ready."""
        for process in self.processes:
            process.start()
        self.wait_ready()

    def wait_accepting(self, timeout: float = 20.0) -> None:
        """Wait until the gateway's port answers."""
        wait_until(lambda: answers(self.port) or not self.gateway.alive, f"the gateway does not listen on {self.address}", timeout)
        if not self.gateway.alive:
            raise RuntimeError(f"the gateway has ended ({self.gateway.exit_code}):\n{self.gateway.tail()}")

    def wait_ready(self, timeout: float = 20.0) -> None:
        """Wait until the gateway gives jobs to every node that runs."""
        self.wait_accepting(timeout)
        expected = sum(node.alive for node in self.senders)
        with self.door() as door:
            try:
                wait_until(lambda: door.ready_nodes() >= expected, f"not all of {expected} nodes are ready", timeout, pause=0.02)
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{self.tails()}") from None

    @contextlib.contextmanager
    def door(self) -> Iterator[Door]:
        """A client of the gateway."""
        with Door(self.address, KEY) as door:
            yield door

    def tails(self, lines: int = 15) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {process!r}\n{process.tail(lines)}" for process in self.processes)

    def kill(self) -> None:
        """SIGKILL all."""
        for process in self.processes:
            process.kill()

    def __enter__(self) -> Fleet:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
