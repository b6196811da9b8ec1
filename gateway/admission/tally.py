"""What admission counts, in plain ints: told to telemetry when it is scraped. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from gateway.ledger.port import Accepted
from mailgate.mail import Lane
from mailgate.telemetry import names
from mailgate.telemetry.histogram import Histogram
from mailgate.telemetry.sample import HistogramSample, Sample


class Tally:
    """Counts since the start."""

    def __init__(self) -> None:
        self.groups = 0
        """Calls that were accepted, and groups of a stream's mails."""
        self.mails = dict.fromkeys(Lane, 0)
        self.recipients = dict.fromkeys(Lane, 0)
        self.refused: Counter[str] = Counter()
        self.replayed = 0
        """Mails that were not stored since their idempotency key was known."""
        self._seconds = {lane: Histogram() for lane in Lane}

    def accepted(self, accepted: Sequence[Accepted], seconds: float) -> None:
        """These became durable, so long after they came."""
        self.groups += 1
        for lane in Lane:
            recipients = [len(each.mail.emails) for each in accepted if each.mail.lane is lane]
            if recipients:
                self.mails[lane] += len(recipients)
                self.recipients[lane] += sum(recipients)
                self._seconds[lane].observe(seconds, len(recipients))

    @property
    def so_far(self) -> tuple[int, int]:
        """Groups and mails."""
        return self.groups, sum(self.mails.values())

    def stats(self) -> Iterable[Sample | HistogramSample]:
        """For telemetry."""
        for lane in Lane:
            labels = {"lane": lane.name.lower()}
            yield Sample(names.MAILS_ACCEPTED, self.mails[lane], labels)
            yield Sample(names.RECIPIENTS_ACCEPTED, self.recipients[lane], labels)
            yield HistogramSample(names.ACCEPT_SECONDS, self._seconds[lane].snapshot(), labels)
        yield Sample(names.MAILS_REPLAYED, self.replayed)
        for reason, count in self.refused.items():
            yield Sample(names.MAILS_REFUSED, count, {"reason": reason})
