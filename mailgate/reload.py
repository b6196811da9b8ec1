"""Settings that change while a process runs: read again when somebody asks, and in force all at once or not at all.

What was asked for while a reading is under way is one further reading, however often it was asked. What cannot change while the process
runs keeps its value, and is named until the file has that value again or the process was started anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Generic, NamedTuple, TypeVar

from mailgate.config.changes import changes, is_live, merged
from mailgate.errors import SettingsInvalid
from mailgate.telemetry import names
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.sample import Sample

TOLD = 20
"""Keys in a line of the log."""
MISTAKES = 1000
"""Likewise: more than a person makes, and fewer than a file of something else has."""

S = TypeVar("S")

log = get_logger(__name__)


class _Read(NamedTuple, Generic[S]):
    settings: S
    put: Callable[[], None]
    changed: list[str]
    restart: tuple[str, ...]


class Reload(Generic[S]):
    """One a process.

    `read` gives the settings anew and may block; `prepare` makes what they need, in a thread, and gives what puts it in force, on the loop.
    Both raise SettingsInvalid. `live`: see mailgate/config/changes.py.
    """

    def __init__(
        self,
        settings: S,
        read: Callable[[], S],
        live: Collection[str],
        prepare: Callable[[S], Callable[[], None]],
        now_ms: Callable[[], int],
    ) -> None:
        self._read, self._live, self._prepare, self._now_ms = read, live, prepare, now_ms
        self.settings = settings
        """In force."""
        self.loaded_ms = now_ms()
        """When what is in force was read, or found to be as before."""
        self.refusal = ""
        """All mistakes of the last reading, a line each; empty when it was good."""
        self.restart: tuple[str, ...] = ()
        """Keys that have another value in the file, which counts from the next start on."""
        self._good = self._refused = 0

    async def run(self, asked: asyncio.Event) -> None:
        """Read each time `asked` is set, until cancelled. Nothing that is wrong with the settings ends it."""
        while True:
            await asked.wait()
            asked.clear()
            await self._again()

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        yield Sample(names.SETTINGS_RELOADS, self._good)
        yield Sample(names.SETTINGS_REFUSED, self._refused)
        yield Sample(names.SETTINGS_SOUND, not self.refusal)
        yield Sample(names.SETTINGS_LOADED, self.loaded_ms / 1000)

    async def _again(self) -> None:
        try:
            found = await asyncio.to_thread(self._found)
        except SettingsInvalid as error:
            self._refuse(str(error))
            log.error(
                "settings_refused",
                consequence="nothing has changed",
                count=len(error.mistakes),
                mistakes=[str(mistake) for mistake in error.mistakes[:MISTAKES]],
            )
        except Exception as error:
            self._refuse(f"a fault of this release: {error!r}")
            log.exception("settings_refused", consequence="nothing has changed")
        else:
            self._use(found)

    def _found(self) -> _Read[S]:
        """In a thread."""
        new = self._read()
        differ = list(changes(self.settings, new))
        settings = merged(self.settings, new, self._live)
        live = [key for key in differ if is_live(key, self._live)]
        return _Read(settings, self._prepare(settings), live, tuple([key for key in differ if not is_live(key, self._live)]))

    def _refuse(self, text: str) -> None:
        self.refusal = text
        self._refused += 1

    def _use(self, found: _Read[S]) -> None:
        found.put()
        self.settings, self.restart, self.refusal = found.settings, found.restart, ""
        self.loaded_ms = self._now_ms()
        self._good += 1
        log.info("settings_reloaded", changed=_some(found.changed))
        if found.restart:
            log.warning("settings_need_a_restart", keys=_some(found.restart), consequence="what was in force before stays so")


def _some(keys: Collection[str]) -> list[str]:
    shown = list(keys)[:TOLD]
    return [*shown, f"and {len(keys) - TOLD} more"] if len(keys) > TOLD else shown
