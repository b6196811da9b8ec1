"""Jobs by MX that wait until their domain is looked up. A task for each domain that is being looked up, however many jobs wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mailgate.verdict import NotTried, RecipientVerdict, Tried
from sender.delivery.mx import Nowhere
from sender.delivery.resolver import Resolver
from sender.delivery.sites import Destination, Sites
from sender.delivery.work import Work
from sender.pool.handoff import Handoff

PATIENCE = 30.0
"""Seconds that a job waits here for its domain, before the gateway gets it back: nobody answers so many questions."""


class Direct:
    """See the module. `resume` gets the jobs of a domain that is known now. Times are monotonic seconds, of the resolver's clock."""

    def __init__(self, resolver: Resolver, sites: Sites, resume: Callable[[list[Work]], None]) -> None:
        self.resolver, self.sites = resolver, sites
        self._resume = resume
        self._waiting: dict[str, list[Work]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Direct looking_up={len(self._waiting)} {self.sites!r} {self.resolver!r}>"

    @property
    def looking_up(self) -> int:
        """Domains that jobs wait for."""
        return len(self._waiting)

    def find(self, work: Work, handoff: Handoff, now: float) -> Destination | Nowhere | None:
        """Where the job goes, for its recipients of one domain. None: it waits here, and is resumed. Must be cheap."""
        domain = narrow(handoff)
        found = self.sites.get(domain, now)
        if found is None:
            self._wait(work, domain)
        return found

    def late(self, now: float) -> list[tuple[Work, NotTried]]:
        """Take out those that have waited too long, each with its verdict. A walk: for a sweep."""
        late = []
        for domain, works in self._waiting.items():
            if works and works[0].arrived < now - PATIENCE:
                late += [work for work in works if work.arrived < now - PATIENCE and not work.dropped]
                self._waiting[domain] = [work for work in works if work.arrived >= now - PATIENCE]
        return [(work, NotTried(f"its domain could not be looked up within {PATIENCE:g} s", of_node=True)) for work in late]

    async def close(self) -> None:
        """Gives up what is being looked up."""
        await self.resolver.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _wait(self, work: Work, domain: str) -> None:
        if (works := self._waiting.get(domain)) is not None:
            works.append(work)
            return
        self._waiting[domain] = [work]
        task = asyncio.get_running_loop().create_task(self._look_up(domain), name=f"look up {domain}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_up(self, domain: str) -> None:
        resolved = await self.resolver.resolve(domain)
        self.sites.learn(domain, resolved.hosts, resolved.until)
        self._resume([work for work in self._waiting.pop(domain) if not work.dropped])


def narrow(handoff: Handoff) -> str:
    """The domain of its first recipient, in lower case. Those of others, which a job has that came by relay, remain for its next attempts.

    Nothing is said of them: the gateway defers whom a verdict does not mention.
    """
    domain, recipients = domain_of(handoff.recipients[0].email), handoff.recipients
    if len(recipients) > 1 and not all([recipient.email.endswith(f"@{domain}") for recipient in recipients]):
        handoff.recipients = tuple([recipient for recipient in recipients if domain_of(recipient.email) == domain])
    return domain


def domain_of(email: str) -> str:
    """In lower case."""
    return email.rpartition("@")[2].lower()


def nowhere(handoff: Handoff, found: Nowhere) -> Tried:
    """The verdict of a job whose domain has no server, or none that is known now."""
    return Tried((RecipientVerdict(tuple([recipient.index for recipient in handoff.recipients]), found.outcome, found.reply),))
