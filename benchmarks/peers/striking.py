"""Kills, stops and restarts of nodes under load, before a witness; and what is known of them afterwards."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mailgate.api.mail.v1 import mail_pb2 as mail
from tests.chaos.account import Account, Death, How, account

from .door import Door
from .fleet import KEY, Fleet
from .handover import Handover, Said, Strike, handovers, joins, read_log
from .load import Load, Plan, read_receipts
from .offered import Offered, watching
from .process import Process, wait_until
from .witness import Seen, Witness

NODES, CONNECTIONS = 3, 60
THINK, ANSWER = 0.04, 0.02
"""Seconds that the server takes for a 354 and for a 250: some jobs of each node are uncommitted, and some committed, at any time."""
DOWN, STOPPED = 0.6, 3.0
"""Seconds that a killed node stays down, and a stopped one stopped: beyond all that a silent node meets."""
CALM = 0.8
"""Seconds between a node's return and the next strike."""
STATES = {number: name.removeprefix("RECIPIENT_STATE_") for name, number in mail.RecipientState.items()}
WINDOW = ANSWER * 1.5 + 1.5
"""Seconds from a dot to its record: the answer, and what frames, group commit and busy processors add."""


@dataclass(frozen=True)
class Wish:
    """How much of what."""

    kills: int
    stops: int
    restarts: int


@dataclass
class Struck:
    """What came of it. Times in seconds."""

    kills: list[Strike] = field(default_factory=list)
    stops: list[Strike] = field(default_factory=list)
    restarts: list[Strike] = field(default_factory=list)
    of_kills: list[Handover] = field(default_factory=list)
    of_stops: list[Handover] = field(default_factory=list)
    stop_last: list[float] = field(default_factory=list)
    """From SIGSTOP to the last new job for that node."""
    leave_last: list[float] = field(default_factory=list)
    """From SIGTERM."""
    joins: list[float] = field(default_factory=list)
    """From registration to the first job."""
    kill_errors: int = 0
    restart_errors: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    lost_by_mistake: int = 0
    """Streams that fell silent though nobody had struck their node: the machine was too busy."""


def strike_all(folder: Path, wish: Wish) -> Struck:
    """The whole of it, on an empty folder; everything that was started has ended when it returns.

    Raises:
        TimeoutError: something did not come back, or did not drain; the text has the ends of the logs.
    """
    found, offset = Struck(), time.time() - time.monotonic()
    settings = {"telemetry": {"log_level": "debug", "log_format": "json"}}
    with ExitStack() as stack:
        witness = Witness(folder, delay=ANSWER, think=THINK, begun=True)
        stack.enter_context(witness)
        fleet = Fleet(folder, witness.port, senders=NODES, route={"connections": CONNECTIONS}, settings=settings)
        stack.enter_context(fleet)
        door = stack.enter_context(fleet.door())
        offered = stack.enter_context(watching(door))
        try:
            loads = [load_of(folder, fleet.address, name, rate) for name, rate in (("hold", 250), ("resend", 250))]
            with loads[0], loads[1]:
                time.sleep(2.0)
                for number in range(wish.kills):
                    found.kills.append(kill(fleet, fleet.senders[number % NODES]))
                for number in range(wish.stops):
                    found.stops.append(stop(fleet, fleet.senders[number % NODES]))
                found.kill_errors = end(loads, found)
            loads = [load_of(folder, fleet.address, name, rate) for name, rate in (("hold-2", 150), ("resend-2", 150))]
            with loads[0], loads[1]:
                time.sleep(1.0)
                for number in range(wish.restarts):
                    found.restarts.append(restart(fleet, fleet.senders[number % NODES]))
                found.restart_errors = end(loads, found)
            wait_until(lambda: door.waiting() == 0, "it does not drain", 60, pause=0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{fleet.tails()}") from None
        found.seen = witness.seen()
        said = read_log(fleet.gateway.log.read_text().splitlines(), offset)
        judge(folder, found, door, witness, said)
        judge_offers(found, offered, said)
    return found


def load_of(folder: Path, address: str, name: str, rate: float) -> Load:
    """Single mails, each a call."""
    receipts = str(folder / f"receipts-{name}")
    hold = name.startswith("hold")
    return Load(folder, Plan(address, KEY, 10**8, callers=48, octets=1000, hold=hold, rate=rate, name=name, receipts=receipts))


def end(loads: Sequence[Load], found: Struck) -> int:
    """Let calls under way end; how many callers saw an error."""
    for load in loads:
        load.signal(signal.SIGTERM)
    errors = 0
    for load in loads:
        result = load.result(60)
        errors += result.failed_calls + result.refused
        for why, count in result.errors.items():
            found.errors[why] = found.errors.get(why, 0) + count
    return errors


def kill(fleet: Fleet, node: Process) -> Strike:
    """SIGKILL, and start it again."""
    at = time.monotonic()
    node.signal(signal.SIGKILL)
    node.kill()
    time.sleep(DOWN)
    return back(fleet, node, at)


def stop(fleet: Fleet, node: Process) -> Strike:
    """SIGSTOP, and resume it."""
    at = time.monotonic()
    node.signal(signal.SIGSTOP)
    time.sleep(STOPPED)
    until = time.monotonic()
    node.signal(signal.SIGCONT)
    fleet.wait_ready(30)
    time.sleep(CALM)
    return Strike(node.name, at, until)


def restart(fleet: Fleet, node: Process) -> Strike:
    """SIGTERM, and start it again."""
    at = time.monotonic()
    code = node.stop(40)
    if code:
        raise TimeoutError(f"{node.name} ended with {code}")
    return back(fleet, node, at)


def back(fleet: Fleet, node: Process, at: float) -> Strike:
    """Start it, and wait until it is ready."""
    until = time.monotonic()
    node.start()
    fleet.wait_ready(30)
    time.sleep(CALM)
    return Strike(node.name, at, until)


def judge(folder: Path, found: Struck, door: Door, witness: Witness, said: Sequence[Said]) -> None:
    """Settle accounts of both kinds of mail, and of all hand-overs."""
    deaths = [Death(each.node, each.at, each.at + 0.1) for each in found.kills]
    deaths += [Death(each.node, each.at, each.until, How.STOPPED) for each in found.stops]
    recipients: dict[str, str] = {}
    for kind in ("hold", "resend"):
        accepted: dict[str, str] = {}
        unanswered: set[str] = set()
        for name in (kind, f"{kind}-2"):
            got, unknown = read_receipts(folder / f"receipts-{name}")
            accepted |= got
            unanswered |= unknown
        recipients |= accepted
        names = {mail_id: ",".join(STATES[state] for state in states) for mail_id, states in door.states(list(accepted))}
        mine = [one for one in found.seen if one.recipients[0].startswith(kind)]
        found.accounts[kind] = account(accepted, unanswered, mine, names, deaths, hold=kind == "hold", window=WINDOW)
    begun = witness.begun()
    found.of_kills = handovers(said, begun, recipients, found.kills)
    found.of_stops = handovers(said, begun, recipients, found.stops)


def judge_offers(found: Struck, offered: Offered, said: Sequence[Said]) -> None:
    """When nodes got their last and first jobs."""
    found.stop_last = [offered.last(each.node, each.at, each.until) - each.at for each in found.stops]
    found.leave_last = [offered.last(each.node, each.at, each.until) - each.at for each in found.restarts]
    found.joins = joins(said, {each: offered.first(each.node, each.until) for each in (*found.kills, *found.restarts)})
    struck = [(each.node, each.at, each.until + 5) for each in (*found.kills, *found.stops, *found.restarts)]
    losses = [each for each in said if each.event == "node_lost"]
    found.lost_by_mistake = sum(not any(each.node == node and at <= each.at <= until for node, at, until in struck) for each in losses)
