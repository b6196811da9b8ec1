"""How long commands wait: the option `--wait [SECONDS]`."""

from __future__ import annotations

from mailgate.cli.exits import Usage
from mailgate.config.units import parse_duration

SEND_WAIT = "30"
"""Seconds that a bare `--wait` of `mailgate send` waits."""
DRAIN_WAIT = "10m"
"""Of `mailgate node drain`: a server may take ten minutes to answer a final dot (RFC 5321 4.5.3.2.6)."""
LONGEST = 3600.0


def with_wait(arguments: list[str]) -> list[str]:
    """A `--wait` without its number gets the default: options of this kind can't go without."""
    default = DRAIN_WAIT if arguments[:2] == ["node", "drain"] else SEND_WAIT
    made = []
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        bare = argument == "--wait" and not following[:1].isdigit()
        made.append(f"--wait={default}" if bare else argument)
    return made


def seconds_of(text: str) -> float:
    """Of `30`, `500ms` or `2m`.

    Raises:
        Usage: it is none, or over an hour.
    """
    try:
        seconds = float(text) if text.replace(".", "", 1).isdigit() else parse_duration(text).total_seconds()
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise Usage(f"--wait {text!r}: write seconds, such as 30, or a duration such as 500ms or 2m, of at most an hour")
    return seconds
