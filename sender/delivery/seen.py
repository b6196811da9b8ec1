"""How each site does on this node: what its mails came to, and how its connections stand. Told to gateways, shown to people.

Once a second, and only where a gateway is there to be told: what has changed since it was told last. Pure: time is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sender.delivery.allowance import site_key_of
from sender.delivery.outcomes import MOST, Outcomes
from sender.pool.path import Path
from sender.pool.plan import NOWHERE, Standing
from sender.pool.relays import Trouble

LOOK = 1.0
"""Seconds between two looks at what moves: sites with mail, or with connections that come and go."""
SCANNED = 1000
"""Sites that are looked at in a second though they rest, 7 ms; so ten thousand are every ten seconds."""
TOLD = 1000
"""Sites in one report: some 100 KB at the most, so that ten thousand are told within ten seconds of a stream's beginning."""


class Held(NamedTuple):
    """Why a site is sent less than there is. `seconds`: nothing is sent for so long; `rate`: mails a second at most; 0: no such limit."""

    reason: str = ""
    seconds: float = 0.0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Site:
    """A site as it was at the last look. `until`: nothing is sent before, monotonic seconds, to the second; 0: something is."""

    site_key: str
    standing: Standing = NOWHERE
    waiting: int = 0
    """Jobs that wait for a connection."""
    mails: int = 0
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    in_doubt: int = 0
    trouble: str = ""
    reason: str = ""
    until: int = 0
    rate: float = 0.0

    @property
    def restless(self) -> bool:
        """It may look different in a second, though no mail ends."""
        warm, busy, dialing, wanted, _ = self.standing
        return bool(busy or dialing or self.waiting or self.reason or self.trouble) or warm != wanted


class Connections(Protocol):
    """What of the pool is needed here."""

    def standing(self, key: str) -> Standing:
        """How many a path has now."""
        ...

    def trouble(self, key: str) -> Trouble | None:
        """Why it has none."""
        ...


class Waiting(Protocol):
    """The jobs that wait for connections."""

    def __len__(self) -> int:
        """All of them."""
        ...

    def waiting(self, key: str) -> int:
        """For this path."""
        ...


class Seen:
    """See the module. `opened`: the paths that are open, by their keys; `lines`: the jobs that wait; `held`: by site key.

    Of sites without a path `most` are known; what has not changed for the longest goes first.
    """

    def __init__(
        self,
        pool: Connections,
        opened: Mapping[str, Path],
        lines: Waiting,
        outcomes: Outcomes,
        held: Callable[[], Mapping[str, Held]] = dict,
        most: int = MOST,
    ) -> None:
        self._pool, self._opened, self._lines, self._held, self._most = pool, opened, lines, held, most
        self._outcomes = outcomes
        self._sites: dict[str, Site] = {}
        self._paths: dict[str, list[str]] = {}
        """Keys of open paths by site key, as of the last scan."""
        self._resting: list[str] = []
        """Those that are yet to be looked at of the last scan."""
        self._restless: set[str] = set()
        """Those that may have changed though no mail ended."""
        self._looked_at = self._scanned_at = float("-inf")
        self._open_then = 0
        self._pending: dict[str, dict[str, None]] = {}
        """Keys that each gateway is yet to be told."""
        self._told_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Seen sites={len(self._sites)}>"

    def join(self, gateway_id: str) -> None:
        """It is told of every site, and then of what changes."""
        self._pending[gateway_id] = dict.fromkeys(reversed(self._sites))
        self._told_at.pop(gateway_id, None)

    def leave(self, gateway_id: str) -> None:
        """It is told no more."""
        self._pending.pop(gateway_id, None)
        self._told_at.pop(gateway_id, None)

    def news(self, gateway_id: str, now: float) -> list[Site]:
        """What the gateway is to be told now; mostly nothing."""
        pending = self._pending.get(gateway_id)
        if pending is None or now < self._told_at.get(gateway_id, float("-inf")) + LOOK:
            return []
        if now >= self._looked_at + LOOK or not self._sites:
            self.look(now)
        if keys := list(pending)[:TOLD]:
            self._told_at[gateway_id] = now
        for key in keys:
            del pending[key]
        return [self._sites[key] for key in keys if key in self._sites]

    def look(self, now: float) -> None:
        """Find what has changed since the last look."""
        self._looked_at = now
        touched = self._outcomes.news()
        held = self._held()
        keys = {*held, *self._restless, *touched}
        if now >= self._scanned_at + len(self._opened) / SCANNED:
            self._scanned_at = now
            self._group()
            waiting = set(self._resting)
            self._resting += [key for key in self._paths if key not in waiting]
        elif len(self._opened) != self._open_then or not touched <= self._paths.keys():
            self._group()
        keys.update(self._resting[:SCANNED])
        del self._resting[:SCANNED]
        for key in keys:
            site = self._site(key, self._paths.get(key, ()), held.get(key, Held()), now)
            self._note(site)
            (self._restless.add if site.restless else self._restless.discard)(key)

    @property
    def waiting(self) -> int:
        """Jobs that wait for a connection, over all sites."""
        return len(self._lines)

    def site(self, site_key: str) -> Site | None:
        """As it was at the last look."""
        return self._sites.get(site_key)

    def _group(self) -> None:
        """The paths that are open now, by their sites; those that were not before, or are no more, are looked at first."""
        self._open_then = len(self._opened)
        before, self._paths = self._paths.keys(), {}
        for path in self._opened.values():
            self._paths.setdefault(site_key_of(path), []).append(path.key)
        self._resting[:0] = before ^ self._paths.keys()
        self._outcomes.forget(self._paths)
        for key in [key for key in self._sites if key not in self._paths][: max(0, len(self._sites) - self._most)]:
            del self._sites[key]

    def _site(self, key: str, paths: Iterable[str], held: Held, now: float) -> Site:
        counts = self._outcomes.get(key)
        standing = Standing(*(sum(each) for each in zip(*(self._pool.standing(path) for path in paths), strict=True)))
        troubles = [trouble for path in paths if (trouble := self._pool.trouble(path)) is not None] if not standing.warm else []
        return Site(
            key,
            standing,
            sum(self._lines.waiting(path) for path in paths),
            *(counts.mails, counts.delivered, counts.deferred, counts.bounced, counts.in_doubt),
            words_of(troubles[0]) if troubles else "",
            held.reason,
            round(now + held.seconds) if held.seconds else 0,
            held.rate,
        )

    def _note(self, site: Site) -> None:
        if self._sites.get(site.site_key) != site:
            self._sites.pop(site.site_key, None)
            self._sites[site.site_key] = site
            for pending in self._pending.values():
                pending[site.site_key] = None


def words_of(trouble: Trouble) -> str:
    """Why there is no connection."""
    reply = trouble.reply
    where = f"{trouble.remote_host}: " if trouble.remote_host and trouble.remote_host not in reply.text else ""
    return f"{where}{reply.text}" + (f" ({reply.code} {reply.enhanced_code}".rstrip() + ")" if reply.code else "")
