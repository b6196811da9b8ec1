"""Limits: between delivery and the pool, so that no site is sent more than it bears. Pure: the clock is given, and who wakes us.

To delivery it looks like the pool: a path is opened with the numbers that its site allows, and a mail that may not go yet finds no
connection; the path is called when it may. Paths of one source to one site share a throttle, whatever route they are of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf

from mailgate.shaping.shape import Shape
from mailgate.shaping.shaping import NO_SHAPING, Shaping
from mailgate.shaping.words import throttled
from mailgate.verdict import Reply, Tried
from sender.delivery.allowance import NEAR, jobs_of, share, site_key_of, source_of, within
from sender.delivery.connections import Connections
from sender.delivery.parts import Part, Parts
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
        self._of_site: dict[str, set[str]] = {}
        """Keys of the open paths of a site key."""
        self._parts = Parts()
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
        self._parts.forget_shapes()
        for path in list(self._paths.values()):
            self.open(path)
        self._wake_all(self._of)

    def share(self, told: Iterable[tuple[str, str, Part]]) -> None:
        """A gateway says how much of what sites allow is this node's: of a source, or of the site key behind it."""
        keys, now = set[str](), self._clock()
        for source, site_key, part in told:
            if site_key and self._parts.of_site(site_key, part, now):
                keys |= self._of_site.get(site_key, set())
            elif not site_key and self._parts.of_source(source, part):
                keys |= {key for key, path in self._paths.items() if source_of(path) == source}
        for key in keys:
            self.open(self._paths[key])
        self._wake_all(keys)

    def is_elsewhere(self, site: str, site_key: str) -> bool:
        """The site's limits may be another node's."""
        return self.shaping.providers.get(site, self.shaping.default).limited and self._parts.is_elsewhere(site_key)

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
        self._of_site.setdefault(site_key := site_key_of(path), set()).add(path.key)
        if self._parts.take_spent(site_key):
            throttle.spend(self._clock())
        self._open(path, throttle)
        self._spread(throttle)

    def shut(self, key: str) -> None:
        """Take no more."""
        if (path := self._paths.pop(key, None)) is not None:
            self._of_site[site_key := site_key_of(path)].discard(key)
            if not self._of_site[site_key]:
                del self._of_site[site_key]
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
        """By site key, the sites that are sent less than there is. Of a site's paths the one that may send first speaks for it.

        Not those that are other nodes': these say how they do.
        """
        if all(throttle.free for throttle in self._keys):
            return {}
        now, found = self._clock(), dict[str, Held]()
        for key, path in self._paths.items():
            throttle, site_key = self._of[key], site_key_of(path)
            held = FREE if throttle.free else Held(throttle.reason(now), max(0.0, throttle.wait(now) - now), throttle.rate)
            if held.seconds <= found.get(site_key, held).seconds:
                found[site_key] = held
        return {site_key: held for site_key, held in found.items() if held.reason and held.seconds < inf}

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
            for site_key in self._parts.prune(now):
                for key in self._of_site.get(site_key, ()):
                    self.open(self._paths[key])

    def stats(self) -> dict[str, ProviderCounts]:
        """By provider."""
        return self._throttles.stats(self._clock())

    # ------------------------------------------------------------------ inside

    def _site(self, path: Path) -> tuple[str, Shape]:
        """What it is limited as, and this node's part of that."""
        if path.site:
            site, shape = path.site, self.shaping.providers.get(path.site, self.shaping.default)
        else:
            shape = self.shaping.of_relays([relay.host for relay in path.route.relays]).shape
            site = shape.name or f"route {path.route.name}"
        return site, self._parts.shape(path, site, shape)

    def _open(self, path: Path, throttle: Throttle) -> None:
        """With the numbers that its site allows; or not, while all of them are other nodes'."""
        if throttle.shape.barred:
            self._pool.shut(path.key)
        else:
            self._pool.open(within(path, throttle, len(self._keys[throttle])))

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
                    self._open(path, throttle)

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
