"""Rounds to a receiver that keeps what it takes: what was lost, what came twice, and what came without its own values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mailgate.api.mail.v1 import mail_pb2 as mail

from .peers.fleet import KEY, Fleet
from .peers.letters import misrendered
from .peers.load import Load, Plan, read_receipts
from .peers.process import wait_until
from .peers.witness import Witness

DOMAIN = "witness.example.net"
"""Mails to it must have a route to the witness."""


class Found(NamedTuple):
    """Counts of mails; 0 is right."""

    lost: int
    """Never came, or are not DELIVERED, or were not accepted."""
    doubled: int
    misrendered: int


def verify(fleet: Fleet, witness: Witness, folder: Path, mails: int) -> Found:
    """All ways in: `mails` in batches, a quarter of it each by calls, by streams, and in batches with variables. The witness keeps them."""
    quarter = mails // 4
    ways = (
        Plan(fleet.address, KEY, mails, batch=100, callers=4, name="v1"),
        Plan(fleet.address, KEY, quarter, callers=64, name="v2"),
        Plan(fleet.address, KEY, quarter, window=100, callers=4, keys=True, name="v3"),
        Plan(fleet.address, KEY, quarter, batch=100, callers=4, variables=True, keys=True, name="v4"),
    )
    lost = sum(
        [_lost(fleet, witness, folder, replace(plan, domain=DOMAIN, receipts=str(folder / f"receipts-{plan.name}"))) for plan in ways]
    )
    with_variables = [message for message in witness.mails() if b"\r\nTo: v4." in message]
    return Found(lost, len(witness.doubled()), sum(map(misrendered, with_variables)))


def _lost(fleet: Fleet, witness: Witness, folder: Path, plan: Plan) -> int:
    with Load(folder, plan) as load, fleet.door() as door:
        load.result(300)
        wait_until(lambda: door.waiting() == 0, "the gateway has not settled everything", 120)
        accepted, _ = read_receipts(plan.receipts)
        came = {recipient for seen in witness.seen() for recipient in seen.recipients}
        lost = plan.mails - len(accepted)
        for mail_id, states in door.states(accepted):
            lost += states != (mail.RECIPIENT_STATE_DELIVERED,) or accepted[mail_id] not in came
    return lost
