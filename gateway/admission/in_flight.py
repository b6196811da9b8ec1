"""Octets of what is being accepted: bounded for the whole gateway, and given back whatever becomes of a call. Pure."""

from __future__ import annotations

from mailgate.errors import Unavailable


class InFlight:
    """One a gateway. `draining` set: no new mail."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self.octets = 0
        self.draining = False

    def fits(self, octets: int) -> bool:
        """There is room for so many; one call alone always fits."""
        return not self.octets or self.octets + octets <= self._bound

    def hold(self, octets: int) -> Hold:
        """Count them until the hold is given back.

        Raises:
            Unavailable: there is no room, or the gateway stops.
        """
        if self.draining:
            raise Unavailable("the gateway stops: send to another one, or again in a moment")
        if not self.fits(octets):
            raise Unavailable(f"mails of {self.octets:,} octets are being stored, at most {self._bound:,} may be: send again in a moment")
        return Hold(self, octets)


class Hold:
    """A call's part. As a context it ends with the call, unless it was handed over: then whoever stores the mail ends it."""

    __slots__ = ("_all", "_handed", "octets")

    def __init__(self, all_of_them: InFlight, octets: int) -> None:
        self._all, self.octets, self._handed = all_of_them, octets, False
        all_of_them.octets += octets

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._handed:
            self.end()

    def hand_over(self) -> Hold:
        """The mail goes to the ledger, and stays in flight though the call may end before."""
        self._handed = True
        return self

    def end(self) -> None:
        """Give them back; once."""
        self._all.octets -= self.octets
        self.octets = 0
