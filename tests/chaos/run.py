"""One run of chaos: a gateway, some nodes and a witness under load; processes are killed or stopped, started again, and all is drained."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc

from benchmarks.peers.door import Door
from benchmarks.peers.etcd import cluster
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.load import Load, Plan, read_receipts
from benchmarks.peers.process import Process, wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from tests.chaos.account import Account, Death, How, account

KILLS = int(os.environ.get("MAILGATE_TEST_KILLS", "2"))
PAUSE = 60.0 if KILLS >= 20 else 4.0
"""How long a stopped node stays stopped: a minute, or a little beyond every limit that a silent node meets (0.75 s, then 2 s)."""
IN_FLIGHT = 200


@dataclass(frozen=True)
class Pace:
    """`rate`: mails a second; `answer`: seconds that the witness takes for a 250; `connections` of each node.

    rate × answer is over IN_FLIGHT: so many are between dot and answer at any time, also on a machine that is idle.
    """

    rate: float
    answer: float
    connections: int

    @property
    def window(self) -> float:
        """Seconds from a dot to its record: the answer, and what frames, group commit and busy processors add."""
        return self.answer * 1.5 + 1.5


FAST = Pace(1800.0, 0.14, 150)
"""Below what both nodes and two cores can do."""
LASTING = Pace(280.0, 1.0, 300)
"""Below what one node can do: while the other stands still for a minute no backlog grows that would have to be drained in the end."""


@dataclass(frozen=True)
class Scenario:
    """What is done, a time after the other, to which processes."""

    name: str
    pick: Callable[[Fleet], Sequence[Process]]
    stop: bool = False
    pace: Pace = FAST
    nodes: int = 2
    etcd: bool = False
    """Nodes are kept in a real one."""


def gateway(fleet: Fleet) -> Sequence[Process]:
    """The gateway alone."""
    return [fleet.gateway]


def a_node(fleet: Fleet) -> Sequence[Process]:
    """One of the nodes."""
    return [random.choice(fleet.senders)]


def both(fleet: Fleet) -> Sequence[Process]:
    """The gateway and one of the nodes."""
    return [fleet.gateway, random.choice(fleet.senders)]


SCENARIOS = (
    Scenario("kill the gateway", gateway),
    Scenario("kill a node", a_node),
    Scenario("kill both at once", both),
    Scenario("stop a node, and resume", a_node, stop=True, pace=LASTING),
    Scenario("kill one of three, etcd", a_node, nodes=3, etcd=True),
    Scenario("stop one of three, etcd", a_node, stop=True, pace=LASTING, nodes=3, etcd=True),
)


@dataclass
class Outcome:
    """What a run came to."""

    scenario: str
    hold: bool
    kills: int
    in_flight: list[int]
    account: Account
    seconds: float
    failures: dict[str, int]
    """Of calls, by what was said; they are what `unanswered` comes from."""

    HEAD = (
        f"{'scenario':<26}{'on doubt':<10}{'kills':>6}{'in flight':>11}{'sent':>8}{'unanswered':>12}{'delivered':>11}{'in doubt':>10}"
        + (f"{'given up':>10}{'excused':>9}{'(stopped)':>11}{'doubled':>9}{'lost':>6}{'contradicted':>14}{'seconds':>9}")
    )

    def row(self) -> str:
        """A line of the table."""
        sums = self.account
        return (
            f"{self.scenario:<26}{'HOLD' if self.hold else 'RESEND':<10}{self.kills:>6}{min(self.in_flight, default=0):>11}{sums.sent:>8}"
            + (
                f"{sums.unanswered:>12}{sums.delivered:>11}{sums.in_doubt:>10}{sums.given_up:>10}{sums.excused:>9}{sums.excused_stopped:>11}"
                f"{len(sums.doubled):>9}{len(sums.lost):>6}{len(sums.contradicted):>14}{self.seconds:>9.1f}"
            )
        )


def run(folder: Path, scenario: Scenario, *, hold: bool, kills: int = KILLS, sender_module: str = "sender") -> Outcome:
    """The whole of it; everything that was started has ended when it returns.

    Raises:
        TimeoutError: something did not come back, or did not drain; the text has the ends of the logs.
    """
    began, pace = time.monotonic(), scenario.pace
    settings: dict[str, dict[str, object]] = {"dispatch": {"retry_first": "1s"}}
    deaths: list[Death] = []
    in_flight: list[int] = []
    with ExitStack() as stack:
        witness = stack.enter_context(Witness(folder, delay=pace.answer))
        if scenario.etcd:
            settings["etcd"] = {"endpoints": stack.enter_context(cluster(folder / "etcd")).endpoints}
        fleet = Fleet(
            folder,
            witness.port,
            senders=scenario.nodes,
            route={"connections": pace.connections},
            settings=settings,
            sender_module=sender_module,
        )
        with fleet, fleet.door() as door:
            loads = [Load(folder, plan) for plan in plans(fleet.address, folder, pace.rate, hold=hold)]
            try:
                for load in loads:
                    load.start()
                for _ in range(kills):
                    in_flight.append(wait_busy(door))
                    time.sleep(0.3 * random.random())
                    deaths += strike(fleet, scenario)
                failures = end(loads)
                drain(fleet, door)
                accepted, unanswered = gather(loads)
                states = ask_states(door, accepted)
            except TimeoutError as error:
                raise TimeoutError(f"{scenario.name}: {error}\n{fleet.tails()}") from None
            finally:
                for load in loads:
                    load.kill()
        sums = account(accepted, unanswered, witness.seen(), states, deaths, hold=hold, window=pace.window)
    return Outcome(scenario.name, hold, kills, in_flight, sums, time.monotonic() - began, failures)


def plans(address: str, folder: Path, rate: float, *, hold: bool) -> list[Plan]:
    """Most comes in batches, some alone."""
    endless = 100_000_000
    receipts = str(folder / "receipts-{}")
    return [
        Plan(address, KEY, endless, batch=20, callers=8, octets=1000, hold=hold, rate=rate * 0.9, name="b", receipts=receipts.format("b")),
        Plan(address, KEY, endless, callers=16, octets=1000, hold=hold, rate=rate * 0.1, name="u", receipts=receipts.format("u")),
    ]


def wait_busy(door: Door) -> int:
    """Wait until enough is in the hands of nodes; how many."""
    busy = 0

    def look() -> bool:
        nonlocal busy
        try:
            busy = door.queue().in_flight
        except grpc.RpcError:
            return False
        return busy >= IN_FLIGHT

    wait_until(look, f"never {IN_FLIGHT} in flight", timeout=30, pause=0.02)
    return busy


def strike(fleet: Fleet, scenario: Scenario) -> list[Death]:
    """Kill, wait a little, start again, wait until all are ready; or stop and resume."""
    victims = scenario.pick(fleet)
    at = time.monotonic()
    if scenario.stop:
        for victim in victims:
            victim.signal(signal.SIGSTOP)
        time.sleep(PAUSE)
        for victim in victims:
            victim.signal(signal.SIGCONT)
        gone = at
    else:
        for victim in victims:
            victim.signal(signal.SIGKILL)
        for victim in victims:
            victim.kill()
        gone = time.monotonic()
        time.sleep(0.2 + 0.6 * random.random())
        for victim in victims:
            victim.start()
    fleet.wait_ready(30)
    return [Death(victim.name, at, gone, How.STOPPED if scenario.stop else How.KILLED) for victim in victims]


def end(loads: Sequence[Load]) -> dict[str, int]:
    """No more mail, and answers to what was sent. Calls that failed, by what was said."""
    for load in loads:
        load.signal(signal.SIGTERM)
    failures: dict[str, int] = {}
    for load in loads:
        for why, count in load.result(60).errors.items():
            failures[why] = failures.get(why, 0) + count
    return failures


def drain(fleet: Fleet, door: Door) -> None:
    """Wait until nothing waits."""
    end = time.monotonic() + 120
    while door.waiting() != 0:
        if time.monotonic() > end:
            raise TimeoutError(f"not drained after 120 s: {door.queue()}\n{fleet.tails()}")
        time.sleep(0.25)


def gather(loads: Sequence[Load]) -> tuple[dict[str, str], set[str]]:
    """All receipts, and what nobody was promised."""
    accepted: dict[str, str] = {}
    unanswered: set[str] = set()
    for load in loads:
        got, unknown = read_receipts(load.plan.receipts)
        accepted.update(got)
        unanswered |= unknown
    return accepted, unanswered


def ask_states(door: Door, accepted: dict[str, str]) -> dict[str, str]:
    """What GetMail says of each."""
    prefix = len("RECIPIENT_STATE_")
    return {
        mail_id: ",".join(mail.RecipientState.Name(state)[prefix:] for state in found) for mail_id, found in door.states(list(accepted))
    }
