"""Octets of what is being accepted: bounded for the whole gateway, and given back whatever becomes of a call. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mailgate.errors import Unavailable

NO_FILES: Mapping[bytes, int] = {}


class InFlight:
    """One a gateway. `draining` set: no new mail."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._files: Counter[bytes] = Counter()
        """How many holds have each file."""
        self.octets = 0
        self.draining = False

    def fits(self, octets: int) -> bool:
        """There is room for so many; one call alone always fits."""
        return not self.octets or self.octets + octets <= self.bound

    def hold(self, octets: int, files: Mapping[bytes, int] = NO_FILES) -> Hold:
        """Count them until the hold is given back.

        `files`: sizes by digest. One that several holds have counts once, since it is in memory once.

        Raises:
            Unavailable: there is no room, or the gateway stops.
        """
        if self.draining:
            raise Unavailable("the gateway stops: send to another one, or again in a moment")
        fresh = octets + sum([size for digest, size in files.items() if digest not in self._files]) if files else octets
        if not self.fits(fresh):
            raise Unavailable(f"mails of {self.octets:,} octets are being stored, at most {self.bound:,} may be: send again in a moment")
        return Hold(self, octets, fresh, files)

    def take(self, octets: int, files: Mapping[bytes, int]) -> None:
        """A hold's octets with what it brings, and the files that it has."""
        self.octets += octets
        if files:
            self._files.update(files.keys())

    def give(self, octets: int, files: Mapping[bytes, int]) -> None:
        """A hold's own octets, and the files that it had: of each that nobody has any more, the octets."""
        self.octets -= octets
        for digest, size in files.items():
            self._files[digest] -= 1
            if not self._files[digest]:
                del self._files[digest]
                self.octets -= size


class Hold:
    """A call's part. As a context it ends with the call, unless it was handed over: then whoever stores the mail ends it.

    `octets`: what it brought when it was taken, with the files that no other had.
    """

    __slots__ = ("_all", "_files", "_handed", "_own", "octets")

    def __init__(self, all_of_them: InFlight, own: int, octets: int, files: Mapping[bytes, int]) -> None:
        self._all, self._own, self.octets, self._files, self._handed = all_of_them, own, octets, files, False
        all_of_them.take(octets, files)

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
        self._all.give(self._own, self._files)
        self._own, self.octets, self._files = 0, 0, NO_FILES
