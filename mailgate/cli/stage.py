"""What `mailgate up` prepares before it starts anything: the data directory, the settings of its children, the key."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mailgate.cli.config import hash_of, new_key
from mailgate.cli.etcd import ETCD_SECTION
from mailgate.cli.exits import Usage
from mailgate.cli.ports import HOST, Ports
from mailgate.cli.target import CLIENT_FILE
from mailgate.config.routes import RELAY_CURE, read_relay
from mailgate.config.sources import read_toml
from mailgate.config.toml import dumps
from mailgate.errors import Mistake, SettingsInvalid

OWN_SECTIONS = ("gateway", "tls", "sender")
"""`up` runs on this machine alone and decides these itself; the file's other sections count."""

TENANT = "default"
SECRET = "relay"  # noqa: S105
INBOX_CONNECTIONS = 10
"""The inbox runs in one process beside the senders: more connections would only wait in it."""

PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Stage:
    """All that the children need. `inbox`: mail goes to the development inbox."""

    data: Path
    ports: Ports
    inbox: bool
    key: str
    tables: Mapping[str, Any]

    @property
    def settings(self) -> Path:
        """The file that gateway and senders read."""
        return self.data / "settings.toml"

    @property
    def address(self) -> str:
        """The gateway."""
        return f"{HOST}:{self.ports.gateway}"

    @property
    def etcd(self) -> str:
        """The etcd that is started too; empty: none is."""
        return f"{HOST}:{self.ports.etcd}" if self.ports.etcd else ""

    @property
    def logs(self) -> Path:
        """Where the children write."""
        return self.data / "logs"

    def environment(self, environ: Mapping[str, str], **own: str) -> dict[str, str]:
        """That of a child: the operator's, without variables for sections that `up` decides."""
        sections = (*OWN_SECTIONS, ETCD_SECTION) if self.etcd else OWN_SECTIONS
        return child_environment(environ, self.settings, sections, **own)

    def check(self, environ: Mapping[str, str]) -> None:
        """Read the settings as the children will.

        Raises:
            SettingsInvalid: with every mistake, the operator's file and variables included.
        """
        from gateway import settings as gateway
        from sender import settings as sender

        mistakes: dict[Mistake, None] = {}
        seen = self.environment(environ)
        for part in (gateway, sender):
            try:
                part.from_tables(dict(self.tables), seen)
            except SettingsInvalid as error:
                mistakes.update(dict.fromkeys(error.mistakes))
        if mistakes:
            raise SettingsInvalid(list(mistakes))

    def write(self) -> None:
        """Put the files there, readable for nobody else."""
        self.logs.mkdir(exist_ok=True)
        _write_private(self.settings, "# Written by `mailgate up` at each start.\n" + dumps(self.tables))
        left = {"address": self.address, "key": self.key, "inbox": f"http://{HOST}:{self.ports.inbox}" if self.inbox else ""}
        _write_private(self.data / CLIENT_FILE, json.dumps(left, indent=1) + "\n")


@contextmanager
def data_directory(path: str) -> Iterator[Path]:
    """The directory, made where it is not there, held against another `mailgate up`.

    Raises:
        Usage: it can't be made, or is in use.
    """
    data = Path(path).absolute()
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data / "up.lock").open("a+")
    except OSError as error:
        raise Usage(f"--data {path}: it can't be written ({error.strerror}): choose another directory") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Usage(f"--data {path}: another `mailgate up` uses it: stop that one, or choose another directory") from None
        yield data


def base_tables(config: str) -> dict[str, Any]:
    """The sections of the operator's file that count for `up`.

    Raises:
        SettingsInvalid: it can't be read.
    """
    mistakes: list[Mistake] = []
    tables = read_toml(config, mistakes) if config else {}
    if mistakes:
        raise SettingsInvalid(mistakes)
    return {name: table for name, table in tables.items() if name not in OWN_SECTIONS}


def wants_inbox(tables: Mapping[str, Any], relay: str) -> bool:
    """Nothing else takes the mail of all domains."""
    routes = tables.get("routes", {})
    return not relay and not any(isinstance(route, dict) and not route.get("domains") for route in routes.values())


def restage(before: Stage, config: str, relay: str, environ: Mapping[str, str]) -> Stage:
    """The settings anew from the operator's file, for the children that run; written where they are right, else nothing has changed.

    Raises:
        SettingsInvalid: with every mistake.
    """
    made = stage(before.data, base_tables(config), before.ports, relay, before.tables["gateway"]["fleet_token"])
    if made.inbox is not before.inbox:
        what = "started: nothing else takes the mail of all domains" if made.inbox else "stopped: a route takes the mail of all domains"
        raise SettingsInvalid([Mistake("routes", "(changed)", f"the inbox would have to be {what}; start `mailgate up` anew")])
    made.check(environ)
    try:
        made.write()
    except OSError as error:
        raise SettingsInvalid([Mistake(str(made.settings), "", f"it can't be written ({error.strerror}): make room")]) from None
    return made


def stage(data: Path, base: Mapping[str, Any], ports: Ports, relay: str, fleet_token: str = "") -> Stage:
    """Compose the children's settings. Reads the key that an earlier start left in `data`. Without a fleet token it makes one.

    Raises:
        Usage: `relay` is none.
    """
    inbox = wants_inbox(base, relay)
    key = _old_key(data / CLIENT_FILE) or new_key()
    tables: dict[str, Any] = {name: dict(table) if isinstance(table, dict) else table for name, table in base.items()}
    fleet_token = fleet_token or os.urandom(24).hex()
    tables["gateway"] = {"listen": f"{HOST}:{ports.gateway}", "data": str(data), "fleet_token": fleet_token}
    tables["sender"] = {"listen": f"{HOST}:0", "gateways": [f"{HOST}:{ports.gateway}"], "fleet_token": fleet_token}
    if ports.etcd:
        tables[ETCD_SECTION] = {"endpoints": [f"{HOST}:{ports.etcd}"]}
    tables["telemetry"] = {**_table(tables, "telemetry"), "listen": f"{HOST}:{ports.metrics}"}
    scopes = ["send", "read", "operate"]
    tenant = {"domains": ["*"], "keys": [{"hash": hash_of(key), "scopes": scopes}]}
    tables["tenants"] = {**_table(tables, "tenants"), TENANT: tenant}
    if relay:
        route, password = _relay_route(relay)
        others = {name: table for name, table in _table(tables, "routes").items() if _has_domains(table)}
        tables["routes"] = {**others, "default": route}
        if password:
            tables["secrets"] = {**_table(tables, "secrets"), SECRET: password}
    elif inbox:
        route = {"relays": [f"smtp://{HOST}:{ports.inbox_smtp}"], "tls": "none", "connections": INBOX_CONNECTIONS}
        tables["routes"] = {**_table(tables, "routes"), "default": route}
    return Stage(data, ports, inbox, key, tables)


def child_environment(environ: Mapping[str, str], settings: Path, sections: Sequence[str] = OWN_SECTIONS, **own: str) -> dict[str, str]:
    """The environment of a child: the operator's, without variables for these sections."""
    ours = (*(f"MAILGATE_{section.upper()}__" for section in sections), "MAILGATE_TELEMETRY__LISTEN")
    kept = {name: value for name, value in environ.items() if not name.startswith(ours)}
    return {**kept, "MAILGATE_CONFIG": str(settings), "PYTHONUNBUFFERED": "1", **own}


def _relay_route(relay: str) -> tuple[dict[str, Any], str]:
    """The route to a relay given as a URL, and the password in it."""
    url = urlsplit(relay)
    bare = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
    try:
        read_relay(bare)
        user, password = unquote(url.username or ""), unquote(url.password or "")
    except ValueError as error:
        cure = str(error) if url.netloc else RELAY_CURE
        raise Usage(f"--relay {bare!r}: {cure}") from None
    if bool(password) != bool(user):
        lacking = "a password without a user" if password else "a user without a password"
        raise Usage(f"--relay {bare!r}: {lacking}: write smtp://user:password@host:port, with %40 for an @ in them")
    route: dict[str, Any] = {"relays": [bare]}
    if user:
        route |= {"username": user, "secret": SECRET}
    return route, password


def _old_key(path: Path) -> str:
    try:
        key = json.loads(path.read_text(encoding="utf-8")).get("key", "")
    except (OSError, ValueError, AttributeError):
        return ""
    return key if isinstance(key, str) else ""


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable for others, not even for a moment."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = tables.get(name, {})
    return dict(found) if isinstance(found, dict) else {}


def _has_domains(route: object) -> bool:
    return isinstance(route, dict) and bool(route.get("domains"))
