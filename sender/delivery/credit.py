"""How many jobs each gateway may have in hand here, by lane and site key. Pure.

Twice the connections of a site key, shared by the streams: while one mail is under way on a connection, the next is composed and waits, so
that the connection never waits for the link. The last tenth is for the transactional lane alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailgate.mail import Lane

DEPTH = 2
"""Jobs per connection."""
TRIAL = 2
"""Jobs of a site key without a usable connection: they find out, and tell, what is wrong there."""
OUT = -1
"""Instead of a count: nothing may be tried here."""
NO_LIMITS: Mapping[str, int] = {}


def credits_of(connections: Mapping[str, int], streams: int, most: Mapping[str, int] = NO_LIMITS) -> dict[tuple[Lane, str], int]:
    """For one of `streams` equal streams. `connections`: by site key, usable or being dialled. `most`: jobs that limits let go soon."""
    credit = {}
    unlisted = {site_key: 0 for site_key in most if site_key not in connections and "/" in site_key}
    for site_key, count in (*connections.items(), *unlisted.items()):
        jobs = max(TRIAL, count * DEPTH // max(1, streams)) if count > OUT else 0
        if site_key in most:
            jobs = min(jobs, -(-most[site_key] // max(1, streams)))
        if jobs or "/" in site_key:  # by MX a site that is not listed would have what each other has
            credit[Lane.TRANSACTIONAL, site_key] = jobs
            credit[Lane.BULK, site_key] = min(jobs, max(1, jobs - max(1, jobs // 10)))
    return credit
