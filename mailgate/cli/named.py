"""What routes name for the senders to have, and the same settings have not: no mistake where senders have a file of their own. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from mailgate.config.scalars import listed, show
from mailgate.errors import Mistake

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from sender.settings import SenderSettings


def warnings(gateway: GatewaySettings, sender: SenderSettings) -> Iterator[Mistake]:
    """Each name of a route that the senders would look up in vain, if these were their settings too."""
    known = (
        ("secret", [*sender.secrets, *sender.tokens], "[secrets], [tokens] or MAILGATE_SECRET_…", "its mail waits for a password"),
        ("certificates", list(sender.certificates), "[certificates]", "its mail waits for them"),
        ("sources", {source.pool for source in sender.sources.values()}, "the pools of [sources]", "it gets none of its mail"),
    )
    for name, route in gateway.routes.items():
        for option, names, place, consequence in known:
            said = getattr(route, option)
            if said and said not in names:
                cure = f"it is not among {place} here{_near(said, names)}: each sender needs it in its own settings, or {consequence}"
                yield Mistake(f"routes.{name}.{option}", show(said), cure)


def _near(said: str, names: Collection[str]) -> str:
    """What was probably meant, or what there is."""
    near = get_close_matches(said, names, n=1)
    if near:
        return f" (did you mean {near[0]}?)"
    return f" (which are {listed(sorted(names))})" if names else ""
