"""The guard of the fleet's own methods: the fleet token, or a certificate where the door asks for one."""

from __future__ import annotations

from hmac import compare_digest

from mailgate.errors import Unauthenticated
from mailgate.rpc.around import Context, Enter, Fail, Interceptor
from mailgate.rpc.metadata import brought

SERVICES = "/mailgate.api.node.v1."


def fleet_guard(token: str, *, certificates: bool = False) -> Interceptor:
    """For the methods of SERVICES. `certificates`: the door lets in only peers with a certificate of the fleet's authority, which suffices.

    With neither the methods are open, as they may be on loopback alone: see `mailgate.rpc.doors.check_guard`.
    """

    def enter(context: Context) -> None:
        given = brought(context).bearer
        if not given or not compare_digest(given.encode(), token.encode()):
            raise Unauthenticated("the fleet token is missing or wrong: set the same fleet_token on gateways and senders")

    def choose(method: str) -> tuple[Enter | None, Fail | None] | None:
        return (enter, None) if method.startswith(SERVICES) and token and not certificates else None

    return Interceptor(choose)
