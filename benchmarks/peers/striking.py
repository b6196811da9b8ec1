"""Kills, stops and restarts of nodes under load, before a witness; and what is known of them afterwards."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mailgate.api.admin.v1 import admin_service_pb2 as admin
from mailgate.api.mail.v1 import mail_pb2 as mail
from tests.chaos.account import Account, Death, How, account

from .door import Door
from .etcd import Cluster, cluster
from .fleet import KEY, Fleet
from .handover import Handover, Said, Strike, handovers, joins, read_log
from .load import Load, Plan, read_receipts
from .offered import Offered, watching
from .process import Process, wait_until
from .witness import Seen, Witness

NODES, CONNECTIONS = 3, 60
THINK, ANSWER = 0.04, 0.02
"""Seconds that the server takes for a 354 and for a 250: some jobs of each node are uncommitted, and some committed, at any time."""
DOWN, STOPPED = 1.6, 3.0
"""Seconds that a killed node stays down, as long as the curve is drawn, and a stopped one stopped: beyond all that a silent node meets."""
CALM = 0.8
"""Seconds between a node's return and the next strike."""
KINDS = ("hold", "resend")
STATES = {number: name.removeprefix("RECIPIENT_STATE_") for name, number in mail.RecipientState.items()}
WINDOW = ANSWER * 1.5 + 1.5
"""Seconds from a dot to its record: the answer, and what frames, group commit and busy processors add."""


@dataclass(frozen=True)
class Wish:
    """How much of what."""

    kills: int
    stops: int
    restarts: int
    outage: float
    """Seconds without etcd."""


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
    outage_errors: int = 0
    removed: set[str] = field(default_factory=set)
    """Nodes that the gateway took for gone while there was no etcd."""
    etcd_back: float = 0.0
    """From etcd's return until the gateway had something written there."""
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
    settings: dict[str, dict[str, object]] = {"telemetry": {"log_level": "debug", "log_format": "json"}}
    with ExitStack() as stack:
        witness = stack.enter_context(Witness(folder, delay=ANSWER, think=THINK, begun=True))
        etcd = stack.enter_context(cluster(folder / "etcd"))
        settings["etcd"] = {"endpoints": etcd.endpoints}
        fleet = stack.enter_context(Fleet(folder, witness.port, senders=NODES, route={"connections": CONNECTIONS}, settings=settings))
        door = stack.enter_context(fleet.door())
        offered = stack.enter_context(watching(door))
        try:
            with under_load(folder, fleet, "", 500, found) as phase:
                for number in range(wish.kills):
                    found.kills.append(kill(fleet, fleet.senders[number % NODES]))
                for number in range(wish.stops):
                    found.stops.append(stop(fleet, fleet.senders[number % NODES]))
            found.kill_errors = phase.errors
            with under_load(folder, fleet, "-2", 300, found) as phase:
                for number in range(wish.restarts):
                    found.restarts.append(restart(fleet, fleet.senders[number % NODES]))
            found.restart_errors = phase.errors
            with under_load(folder, fleet, "-3", 300, found) as phase:
                found.removed, found.etcd_back = outage(door, etcd, wish.outage)
            found.outage_errors = phase.errors
            wait_until(lambda: door.waiting() == 0, "it does not drain", 60, pause=0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{fleet.tails()}") from None
        found.seen = witness.seen()
        said = read_log(fleet.gateway.log.read_text().splitlines(), offset)
        judge(folder, found, door, witness, said)
        judge_offers(found, offered, said)
    return found


@dataclass
class Phase:
    """Calls that failed while it lasted."""

    errors: int = 0


@contextmanager
def under_load(folder: Path, fleet: Fleet, name: str, rate: float, found: Struck) -> Iterator[Phase]:
    """Single mails, each a call: half of them HOLD, half RESEND. Calls under way end before it is left."""
    phase = Phase()
    with ExitStack() as stack:
        loads = []
        for kind in KINDS:
            receipts = str(folder / f"receipts-{kind}{name}")
            plan = Plan(fleet.address, KEY, 10**8, callers=48, octets=1000, hold=kind == "hold", rate=rate / 2, name=kind + name)
            loads.append(stack.enter_context(Load(folder, replace(plan, receipts=receipts))))
        time.sleep(1.5)
        yield phase
        for load in loads:
            load.signal(signal.SIGTERM)
        for load in loads:
            result = load.result(60)
            phase.errors += result.failed_calls + result.refused
            for why, count in result.errors.items():
                found.errors[why] = found.errors.get(why, 0) + count


def outage(door: Door, etcd: Cluster, seconds: float) -> tuple[set[str], float]:
    """Kill etcd, and start it again: nodes that the gateway let go meanwhile, and how long it then took until something was written."""
    known = {node.node_id for node in door.nodes()}
    etcd.kill()
    removed: set[str] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        removed |= known - {node.node_id for node in door.nodes() if node.state != admin.NODE_STATE_OUT}
        time.sleep(0.1)
    etcd.start()
    back = time.monotonic()
    wait_until(lambda: door.drain("node-a"), "nothing can be written to etcd", 30, pause=0.02)
    took = time.monotonic() - back
    door.resume("node-a")
    return removed, took


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
    for kind in KINDS:
        accepted: dict[str, str] = {}
        unanswered: set[str] = set()
        for name in (kind, f"{kind}-2", f"{kind}-3"):
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
