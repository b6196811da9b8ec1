"""Discovery: the addresses of gateways, as they publish themselves in etcd: `etcd://HOST:PORT,HOST:PORT/mailgate/gateways`.

Without hosts etcd is where MAILGATE_ETCD says (addresses, divided by commas), or on this machine. MAILGATE_ETCD_CA, _CERTIFICATE, _KEY,
_SERVER_NAME, _USERNAME and _PASSWORD are the settings of a gateway's `[etcd]` by the same names.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mailgate.config.secret import Secret
from mailgate.errors import Mistake, SettingsInvalid
from mailgate.etcd.client import Etcd
from mailgate.etcd.entries import end_of
from mailgate.etcd.followed import Change, Followed
from mailgate.etcd.naming import decode
from mailgate.etcd.options import LOCAL, EtcdOptions
from mailgate.etcd.trouble import SILENT
from mailgate.rpc.tls import channel_credentials

SCHEME = "etcd://"
VARIABLE = "MAILGATE_ETCD"
CURE = 'write "etcd://host:2379,host:2379/mailgate/gateways", or "etcd:///mailgate/gateways"'


@dataclass(frozen=True, slots=True)
class Place:
    """Where gateways are told: the cluster, and the prefix of their keys with its slash."""

    etcd: EtcdOptions
    prefix: bytes

    def __str__(self) -> str:
        return f"{SCHEME}{','.join(self.etcd.addresses)}{self.prefix.decode().rstrip('/')}"


def is_place(address: str) -> bool:
    """It says where gateways are told, and is no gateway's own."""
    return address.startswith(SCHEME)


def place_of(address: str, etcd: EtcdOptions | None = None, environ: Mapping[str, str] = os.environ, key: str = "addresses") -> Place:
    """What an address says, with `etcd` (or the variables) for the rest. Blocks: it looks at files.

    Raises:
        SettingsInvalid: it says nothing that could be asked. Each mistake is told where it was made: `key` is whoever gave the address.
    """
    hosts, slash, path = address.removeprefix(SCHEME).partition("/")
    if "@" in hosts:
        text = f"{SCHEME}…@{hosts.rpartition('@')[2]}{slash}{path}"
        raise SettingsInvalid([Mistake(key, repr(text), f"a user goes into {VARIABLE}_USERNAME and {VARIABLE}_PASSWORD: {CURE}")])
    options = of_variables(environ) if etcd is None else etcd
    if hosts:
        options = replace(options, endpoints=tuple(hosts.split(",")))
    elif not options.endpoints:
        options = replace(options, endpoints=(LOCAL,))
    path = path.strip("/")
    if not slash or not path:
        raise SettingsInvalid([Mistake(key, repr(address), CURE)])
    mistakes = list(options.mistakes("etcd"))
    if options.tls is not None and not mistakes:
        try:
            channel_credentials(options.tls, "etcd")
        except SettingsInvalid as error:
            mistakes += error.mistakes
    if mistakes:
        raise SettingsInvalid([_placed(mistake, key if hosts else "", variables=etcd is None) for mistake in mistakes])
    return Place(options, f"/{path}/".encode())


def _placed(mistake: Mistake, hosts: str, *, variables: bool) -> Mistake:
    """The mistake by what its maker wrote it into, which was no section of a settings file; `hosts`: where they are, if in no variable."""
    name = mistake.key.removeprefix("etcd.")
    if name.startswith("endpoints"):
        where = hosts or (VARIABLE if variables else mistake.key)
    else:
        where = f"{VARIABLE}_{name.upper()}" if variables else mistake.key
    return replace(mistake, key=where)


def of_variables(environ: Mapping[str, str]) -> EtcdOptions:
    """See the module."""

    def said(name: str) -> str:
        return environ.get(f"{VARIABLE}_{name}", "")

    return EtcdOptions(
        endpoints=tuple(filter(None, map(str.strip, environ.get(VARIABLE, "").split(",")))),
        ca=said("CA"),
        certificate=said("CERTIFICATE"),
        key=said("KEY"),
        server_name=said("SERVER_NAME"),
        username=said("USERNAME"),
        password=Secret(said("PASSWORD")),
    )


async def look(place: Place, within: float) -> tuple[str, ...]:
    """The addresses that are told now.

    Raises:
        Unavailable: etcd does not answer.
        EtcdRefused: it does not tell us.
    """
    async with Etcd(place.etcd, log=SILENT) as etcd:
        answer = await etcd.range(place.prefix, end_of(place.prefix), within)
    return _addresses([kv.value for kv in answer.kvs])


class Discovery:
    """Follows what is told."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._followed: Followed | None = None

    def __repr__(self) -> str:
        """A sentence's part: where, and what is wrong."""
        wrong = "" if self._followed is None else self._followed.trouble
        return f"{self._place}{f': {wrong}' if wrong else ''}"

    async def addresses(self) -> AsyncGenerator[tuple[str, ...], None]:
        """Those of now, as soon as etcd tells them, and again after each change. Close it in the end."""
        bell = asyncio.Event()

        def heard(_changes: Sequence[Change], _listed: bool) -> None:
            bell.set()

        async with Etcd(self._place.etcd, log=SILENT) as etcd:
            followed = self._followed = Followed(etcd, self._place.prefix, heard)
            task = asyncio.create_task(followed.run(), name=f"follow {self._place}")
            try:
                while True:
                    await bell.wait()
                    bell.clear()
                    yield _addresses(followed.entries.values())
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def _addresses(values: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(sorted(set(filter(None, map(decode, values)))))
