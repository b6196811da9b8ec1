"""Circuit breakers: what is not dialled now, since dials to it failed, and how soon one dial may try it again. Pure: time is given.

A circuit opens at the first failure, since dials that were under way together count as one: a host that answers nothing costs one time-out.
It stays open for a pause that doubles with each failure in a row. Then a single dial tries it, and until that has ended nobody else does;
when it has come through, connections follow, and the failures are forgotten once one of them carried a mail or held.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum

REST_FIRST = 1.0
"""Seconds after the first failure; doubled with each that follows."""
REST_LONGEST = 60.0
"""Seconds. Throughput towards dead hosts is bounded by the time spent on dialling them, so the rest must outlast `connect_timeout`."""
BRIEF_LONGEST = 5.0
"""Seconds, where no packet leaves: an address that is given back to this machine is used again within them."""
REFUSED_FIRST = 30.0
"""Seconds after credentials were refused. Servers lock accounts, and block addresses, after some tries in some minutes."""
REFUSED_LONGEST = 900.0
"""Seconds: some hundred tries a day, and whoever mends the account at the relay waits a quarter of an hour at the most."""
MOST = 10_000
"""Circuits that are remembered; the one whose last failure is the longest ago goes first. About 3 MB."""


class Rest(IntEnum):
    """How long to let be."""

    SHORT = 0
    """A host that can't be reached may be back in a second."""
    LONG = 1
    """Credentials that were refused do not get better by being tried."""
    BRIEF = 2
    """What fails on this machine troubles nobody else."""


_PAUSES = {
    Rest.SHORT: lambda: (REST_FIRST, REST_LONGEST),
    Rest.LONG: lambda: (REFUSED_FIRST, REFUSED_LONGEST),
    Rest.BRIEF: lambda: (REST_FIRST, BRIEF_LONGEST),
}


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    failed_at: float = float("-inf")
    rests_until: float = float("-inf")


_CLOSED = _Circuit()


class Circuits:
    """See the module. One for all routes of a node; the keys are whatever fails together: a host, or a host with credentials."""

    def __init__(self) -> None:
        self._circuits: dict[Hashable, _Circuit] = {}

    def __repr__(self) -> str:
        return f"<Circuits {len(self._circuits)}>"

    def failed(self, key: Hashable, began: float, now: float, jitter: float, rest: Rest = Rest.SHORT) -> bool:
        """A dial begun at `began` failed. False: another has failed since, and this one tells nothing new."""
        circuit = self._circuits.get(key, _CLOSED)
        if began <= circuit.failed_at:
            return False
        first, longest = _PAUSES[rest]()
        pause = min(first * 2.0 ** min(circuit.failures, 16), longest)
        self._circuits.pop(key, None)
        if len(self._circuits) >= MOST:
            del self._circuits[next(iter(self._circuits))]
        self._circuits[key] = _Circuit(circuit.failures + 1, now, now + pause * (0.75 + jitter / 2))
        return True

    def again(self) -> None:
        """Somebody says that something was mended: a single dial may try each of them now. They are suspects as before."""
        for circuit in self._circuits.values():
            circuit.rests_until = float("-inf")

    def tried(self, key: Hashable, until: float) -> None:
        """A suspect is dialled, by one: it rests for the others until that has failed, or `answered`, or `until`."""
        if (circuit := self._circuits.get(key)) is not None:
            circuit.rests_until = until

    def answered(self, key: Hashable, dialled_at: float) -> None:
        """A dial that ended at `dialled_at` came through: others may follow. It is a suspect until `proved`."""
        if (circuit := self._circuits.get(key)) is not None and dialled_at > circuit.failed_at:
            circuit.rests_until = float("-inf")

    def proved(self, key: Hashable, dialled_at: float) -> None:
        """A connection dialled at `dialled_at` is of use."""
        if (circuit := self._circuits.get(key)) is not None and dialled_at > circuit.failed_at:
            del self._circuits[key]

    def rests_until(self, key: Hashable) -> float:
        """Nobody is to dial it before."""
        return self._circuits.get(key, _CLOSED).rests_until

    def failures(self, key: Hashable) -> int:
        """In a row; 0: it is well, for all that is known."""
        return self._circuits.get(key, _CLOSED).failures
