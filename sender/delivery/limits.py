"""Limits: between delivery and the pool, so that no site is sent more than it bears. Pure: the clock is given, and who wakes us.

To delivery it looks like the pool: a path is opened with the numbers that its site allows, and a mail that may not go yet finds no
connection; the path is called when it may. Paths of one source to one site share a throttle, whatever route they are of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Protocol

from mailgate.shaping.shape import Shape
from mailgate.shaping.shaping import NO_SHAPING, Shaping
from mailgate.shaping.words import throttled
from mailgate.verdict import Reply, Tried
from sender.delivery.allowance import NEAR, jobs_of, share, site_key_of, source_of, within
from sender.delivery.seen import Held
from sender.delivery.throttle import Change, Throttle
from sender.delivery.throttles import ProviderCounts, Throttles
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.relays import Trouble

PRUNE = 60.0
FREE = Held(seconds=-1.0)
ALIKE = 0.005
"""Seconds between two looks at a path whose mails wait: a thousand mails a second go five at a time, within the tolerance of a Spacing."""


class Connections(Protocol):
    """The pool, as it is needed here."""

    def open(self, path: Path) -> None:
        """Take mail for it."""
        ...

    def shut(self, key: str) -> None:
        """Take no more."""
        ...

    def capacity(self, key: str) -> int:
        """Connections usable, being dialled, or dialled on demand."""
        ...

    def warm(self, key: str) -> int:
        """Connections open and usable."""
        ...

    def asleep(self, key: str) -> bool:
        """No connection is open, being dialled or wanted."""
        ...

    def start(self, handoff: Handoff) -> bool:
        """Put it on an idle connection. False: there is none now."""
        ...

    def trouble(self, key: str) -> Trouble | None:
        """Why a path has no connection."""
        ...


class Limits:
    """See the module. `wake(at)`: call `due` at that time, or sooner; the last call counts. `start`: instead of the pool's."""

    def __init__(
        self,
        pool: Connections,
        clock: Callable[[], float],
        wake: Callable[[float], None],
        start: Callable[[Handoff], bool] | None = None,
    ) -> None:
        self._pool, self._clock, self._wake = pool, clock, wake
        self._start = start or pool.start
        self._paths: dict[str, Path] = {}
        """Those that are open, with the numbers that were asked for."""
        self._of: dict[str, Throttle] = {}
        self._keys: dict[Throttle, set[str]] = {}
        """Keys of the open paths that share a throttle."""
        self._shares: dict[Throttle, int] = {}
        """Connections that each of these has."""
        self._throttles = Throttles(held=self._keys)
        self._due: dict[str, float] = {}
        self._went: dict[str, float] = {}
        """When a mail went, of paths whose mails must wait sometimes."""
        self._woken_at, self._pruned_at = inf, -inf
        self.shaping = NO_SHAPING

    def __repr__(self) -> str:
        return f"<Limits {self.shaping!r} paths={len(self._paths)} waiting={len(self._due)} {self._throttles!r}>"

    def use(self, shaping: Shaping) -> None:
        """Other limits from now on; what was learned stays."""
        self.shaping = shaping
        for path in list(self._paths.values()):
            self.open(path)
        self._wake_all(self._of)

    # ------------------------------------------------------------------ what looks like the pool

    def open(self, path: Path) -> None:
        """Take mail for it, within what its site allows."""
        site, shape = self._site(path)
        throttle = self._throttles.get(source_of(path), site, shape, self._clock())
        if (before := self._of.get(path.key)) is not throttle:
            self._leave(path.key, before)
            self._of[path.key] = throttle
            self._keys.setdefault(throttle, set()).add(path.key)
        self._paths[path.key] = path
        self._pool.open(within(path, throttle, len(self._keys[throttle])))
        self._spread(throttle)

    def shut(self, key: str) -> None:
        """Take no more."""
        self._paths.pop(key, None)
        self._due.pop(key, None)
        self._went.pop(key, None)
        self._leave(key, self._of.pop(key, None))
        self._pool.shut(key)

    def capacity(self, key: str) -> int:
        """As the pool has it."""
        return self._pool.capacity(key)

    def warm(self, key: str) -> int:
        """As the pool has it."""
        return self._pool.warm(key)

    def asleep(self, key: str) -> bool:
        """As the pool has it."""
        return self._pool.asleep(key)

    def trouble(self, key: str) -> Trouble | None:
        """As the pool has it; none while nothing may be sent there anyway."""
        return None if self.closed(key) else self._pool.trouble(key)

    def start(self, handoff: Handoff) -> bool:
        """As the pool does, if the site takes a mail now. Else False, and the path is `due` when it does. Must be cheap."""
        throttle = self._of.get(handoff.path)
        if throttle is None or throttle.free:
            return self._start(handoff)
        now = self._clock()
        if at := throttle.wait(now):
            self._wait(handoff.path, max(at, now + ALIKE))
            return False
        if not self._start(handoff):
            return False
        throttle.started(now)
        self._went[handoff.path] = now
        return True

    # ------------------------------------------------------------------ who waits

    def due(self) -> list[str]:
        """Keys of paths that may be asked again now; of those that share a site, the one first that had its turn the longest ago."""
        now = self._clock()
        keys = sorted((key for key, at in self._due.items() if at <= now), key=lambda key: self._went.get(key, -inf))
        for key in keys:
            del self._due[key]
        self._woken_at = inf
        self._wake_next()
        return keys

    def closed(self, key: str) -> str:
        """Why nothing goes there for so long that its jobs had better wait at their gateways; empty: something does."""
        throttle = self._of.get(key)
        if throttle is None or throttle.free or throttle.wait(now := self._clock()) <= now + NEAR:
            return ""
        return throttled(site_key_of(self._paths[key]), throttle.reason(now), throttle.suspended_until - now)

    def jobs(self) -> dict[str, int]:
        """By site key, how many jobs there may be in hand at the most, where it is fewer than connections would take."""
        now = self._clock()
        if all(throttle.free for throttle in self._keys):
            return {}
        most: dict[str, float] = {}
        for key, path in self._paths.items():
            site_key, throttle = site_key_of(path), self._of[key]
            most[site_key] = most.get(site_key, 0) + (inf if throttle.free else jobs_of(throttle, now))
        return {site_key: int(jobs) for site_key, jobs in most.items() if jobs < inf}

    def held(self) -> dict[str, Held]:
        """By site key, the sites that are sent less than there is. Of a site's paths the one that may send first speaks for it."""
        if all(throttle.free for throttle in self._keys):
            return {}
        now, found = self._clock(), dict[str, Held]()
        for key, path in self._paths.items():
            throttle, site_key = self._of[key], site_key_of(path)
            held = FREE if throttle.free else Held(throttle.reason(now), max(0.0, throttle.wait(now) - now), throttle.rate)
            if held.seconds <= found.get(site_key, held).seconds:
                found[site_key] = held
        return {site_key: held for site_key, held in found.items() if held.reason}

    # ------------------------------------------------------------------ what sites say

    def heard(self, key: str, tried: Tried) -> Change | None:
        """The site's word on a mail of this path. What has changed by it."""
        throttle = self._of.get(key)
        if throttle is None or throttle.deaf:
            return None
        before = throttle.connections
        return self._changed(throttle, throttle.heard(tried, self._clock(), self._opened), before)

    def turned_away(self, key: str, reply: Reply) -> Change | None:
        """The site's word on a connection of this path. What has changed by it."""
        throttle = self._of.get(key)
        if throttle is None or throttle.deaf:
            return None
        before = throttle.connections
        return self._changed(throttle, throttle.turned_away(reply, self._clock(), self._opened), before)

    def _changed(self, throttle: Throttle, change: Change | None, before: int) -> Change | None:
        if throttle.connections != before:
            self._spread(throttle)
        if change is not None:
            self._throttles.changed(throttle, change)
            self._wake_all(self._keys[throttle])
        return change

    def site_of(self, key: str) -> tuple[str, str, str]:
        """Site key, source, and site of an open path."""
        path = self._paths[key]
        return site_key_of(path), source_of(path), self._of[key].site

    def prune(self) -> None:
        """Forget throttles that no path has, and that are as new ones. A few milliseconds for thousands, at most once a minute."""
        now = self._clock()
        if now >= self._pruned_at + PRUNE:
            self._pruned_at = now
            self._throttles.prune(now)

    def stats(self) -> dict[str, ProviderCounts]:
        """By provider."""
        return self._throttles.stats(self._clock())

    # ------------------------------------------------------------------ inside

    def _site(self, path: Path) -> tuple[str, Shape]:
        if path.site:
            return path.site, self.shaping.providers.get(path.site, self.shaping.default)
        shape = self.shaping.of_relays([relay.host for relay in path.route.relays]).shape
        return shape.name or f"route {path.route.name}", shape

    def _leave(self, key: str, throttle: Throttle | None) -> None:
        if throttle is not None:
            self._keys[throttle].discard(key)
            if self._keys[throttle]:
                self._spread(throttle)
            else:
                del self._keys[throttle]
                self._shares.pop(throttle, None)

    def _spread(self, throttle: Throttle) -> None:
        """Connections of the site among its paths, where a path more or less makes a difference: seldom for the many of a large one."""
        keys = self._keys[throttle]
        if self._shares.get(throttle) != (each := share(throttle, len(keys))):
            self._shares[throttle] = each
            for key in keys:
                if (path := self._paths.get(key)) is not None:
                    self._pool.open(within(path, throttle, len(keys)))

    def _opened(self, throttle: Throttle) -> int:
        return sum(self._pool.warm(key) for key in self._keys[throttle])

    def _wait(self, key: str, at: float) -> None:
        self._due[key] = at
        if at < self._woken_at:
            self._woken_at = at
            self._wake(at)

    def _wake_all(self, keys: Iterator[str] | set[str] | dict[str, Throttle]) -> None:
        """What they wait for may be over."""
        now = self._clock()
        for key in keys:
            if key in self._due:
                self._wait(key, now)

    def _wake_next(self) -> None:
        if self._due:
            self._woken_at = min(self._due.values())
            self._wake(self._woken_at)
