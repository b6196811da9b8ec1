"""What the jobs of a route are hashed by, where its policy hashes. Pure.

A key is made when a node is picked, not when the mail comes: a route may hash by something else by then. A job's bytes have the mail's own
key and the recipients, and whoever knows how bytes are written reads them (`ReadKeys`, some 2 µs; nothing by site or tenant).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mailgate.job import Job
from mailgate.route import HashBy

KeyOf = Callable[[Job], str]


class Keys(NamedTuple):
    """What a job's bytes have: the key that its mail was given, or "", and its first recipient's address."""

    own: str
    recipient: str


ReadKeys = Callable[[bytes], Keys]
"""From Job.envelope."""


def by_site(job: Job) -> str:
    """Without the route: several routes to one site have one home, and its limits are counted there. All jobs of relays are one key."""
    return job.site_key.partition("/")[2] or job.site_key


def by_tenant(job: Job) -> str:
    """Who sends it."""
    return job.tenant


def key_of(hash_by: HashBy, read: ReadKeys) -> KeyOf:
    """What tells the key of a job. A mail that was given none is hashed by its site."""
    if hash_by == "tenant":
        return by_tenant
    if hash_by == "recipient":
        return lambda job: read(job.envelope).recipient.lower()
    if hash_by == "hash_key":
        return lambda job: read(job.envelope).own or by_site(job)
    return by_site
