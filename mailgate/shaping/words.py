"""What is told of a site that is sent less than there is: by nodes when they give jobs back, by gateways in GetMail. Pure."""

from __future__ import annotations

from math import ceil, inf

SUSPENDED = "suspended"
"""What a reason begins with when nothing goes to the site for a known time."""


def throttled(site_key: str, reason: str, seconds: float) -> str:
    """Why mail for the site waits; with `seconds`, where it is for a suspension, that it lasts from now on."""
    if 0 < seconds < inf and reason.startswith(SUSPENDED):
        reason = f"{SUSPENDED} for {ceil(seconds)} s{reason.removeprefix(SUSPENDED)}"
    return f"throttled:site={site_key}, {reason}"
