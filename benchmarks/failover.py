"""What callers and receivers see when nodes are killed, stopped, started anew, and etcd goes: three nodes, a gateway, a real etcd.

    python benchmarks/failover.py [--quick] [--json] [--plot FILE]

30 kills, 6 stops, 30 restarts: some eight minutes. With --quick 5, 2 and 6: some three.

Load: 500 mails a second (300 while nodes are started anew, and without etcd), each a call of its own that is not tried again; half of them
HOLD, half RESEND. Receiver: it takes 40 ms for a 354 and 20 ms for a 250, and keeps the record of each RCPT and each final dot.

- `node_kill_handover_ms_…`: over all jobs that a killed node had uncommitted (the gateway's log names them): from the signal until the
  receiver had the RCPT of the job from another node. `node_kill_handovers` is how many there were.
- `node_kill_errors`: calls that failed while nodes were killed and stopped. `lost`, `doubled`: over all mails. Under RESEND a mail of a
  node that died between dot and record may come twice: `excused`.
- `node_stop_last_job_ms`: from SIGSTOP to the last job that the gateway handed to that node; `node_stop_handover_ms_max`: as for a kill.
- `join_ms_max`: from a node's registration to its first job. `leave_last_job_ms_max`: from SIGTERM to its last. `restart_errors`: calls
  that failed while nodes were started anew one after the other.
- `etcd_outage_errors`: calls that failed while etcd was killed for a minute (quick: 15 s); `etcd_removed`: nodes that the gateway let go
  meanwhile; `etcd_back_ms`: from etcd's return until the gateway had something written there.
- `zipf_peak_to_mean`: simulated, worst of three seeds: jobs of the busiest of eight nodes ÷ the mean, by consistent hashing of keys of
  which a few have most of the mail; `zipf_at_home`: the part of jobs that went to their key's home.
- `commit_cost`: throughput with READY and COMMIT ÷ without, at 100 connections a node; `commit_cost_20`: at 20. Medians of three rounds.

`--plot` draws the curve around a kill (needs matplotlib).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import curve as picture
from benchmarks.peers.commits import cost_of_commit
from benchmarks.peers.etcd import why_not
from benchmarks.peers.handover import Handover, curve
from benchmarks.peers.sinks import Missing
from benchmarks.peers.striking import Struck, Wish, strike_all
from benchmarks.report import Report, arguments
from tests.simulation.fleet import skewed

QUICK, FULL = Wish(kills=5, stops=2, restarts=6, outage=15.0), Wish(kills=30, stops=6, restarts=30, outage=60.0)
SEEDS = (1, 2, 3)
SECONDS = 450
ROUNDS = 6
NEVER = float("inf")


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv, seconds=SECONDS, more={"--plot": "draw the curve around a kill into this PNG"})
    report = Report("failover", json=options.json)
    try:
        if options.plot:
            picture.check(options.plot)
        if why := why_not("3.5"):
            raise Missing(why)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="failover-") as folder:
            found = strike_all(Path(folder), QUICK if options.quick else FULL)
        tell(report, found)
        runs = [skewed(seed) for seed in SEEDS]
        report.figure("zipf_peak_to_mean", max(run.peak_to_mean for run in runs))
        report.figure("zipf_at_home", min(run.share_at_home for run in runs))
        for connections, name in ((100, "commit_cost"), (20, "commit_cost_20")):
            ratio, with_commit, without = cost_of_commit(connections, ROUNDS)
            report.ratio(name, ratio)
            report.figure(f"with_commit_{connections}_per_s", with_commit)
            report.figure(f"without_commit_{connections}_per_s", without)
        report.figure("seconds", time.monotonic() - began)
    except Missing as error:
        raise SystemExit(f"failover: {error}") from None
    report.finish()
    if options.plot:
        after = [each.after for each in found.of_kills if each.after is not None]
        picture.draw(options.plot, curve(found.seen, found.kills), after, len(found.kills))


def tell(report: Report, found: Struck) -> None:
    """The figures of strikes."""
    median, most = of(found.of_kills)
    report.figure("node_kill_handover_ms_median", median)
    report.figure("node_kill_handover_ms_max", most)
    report.figure("node_kill_handovers", len(found.of_kills))
    report.figure("node_kills", len(found.kills))
    report.figure("node_kill_errors", found.kill_errors)
    sums = found.accounts.values()
    report.figure("mails", sum(each.sent for each in sums))
    report.figure("lost", sum(len(each.lost) + len(each.contradicted) for each in sums))
    report.figure("doubled", sum(len(each.doubled) for each in sums))
    report.figure("excused", sum(each.excused + each.excused_stopped for each in sums))
    report.figure("in_doubt_hold", sum(each.in_doubt for each in sums))
    report.figure("node_stops", len(found.stops))
    report.figure("node_stop_last_job_ms", 1000 * worst(found.stop_last))
    report.figure("node_stop_handovers", len(found.of_stops))
    report.figure("node_stop_handover_ms_max", of(found.of_stops)[1])
    report.figure("joins", len(found.joins))
    report.figure("join_ms_median", 1000 * statistics.median(found.joins or [NEVER]))
    report.figure("join_ms_max", 1000 * worst(found.joins))
    report.figure("leave_last_job_ms_max", 1000 * worst(found.leave_last))
    report.figure("restarts", len(found.restarts))
    report.figure("restart_errors", found.restart_errors)
    report.figure("nodes_lost_by_mistake", found.lost_by_mistake)
    report.figure("etcd_outage_errors", found.outage_errors)
    report.figure("etcd_removed", len(found.removed))
    report.figure("etcd_back_ms", 1000 * found.etcd_back)
    rows = []
    for strike in found.kills:
        mine = [each for each in found.of_kills if each.strike is strike]
        rows.append([strike.node, str(len(mine)), *(f"{value:.1f}" for value in of(mine))])
    report.table("kill -9 of a node, 500 mails/s", ["node", "uncommitted jobs", "elsewhere after ms, median", "max"], rows)
    for why in (*found.errors, *(fault for each in sums for fault in (*each.lost, *each.doubled, *each.contradicted)[:3])):
        sys.stderr.write(f"failover: {why}\n")


def of(handovers: Sequence[Handover]) -> tuple[float, float]:
    """Median and maximum, milliseconds; infinite where a job was begun by nobody else, and where there was none."""
    times = [1000 * each.after if each.after is not None else NEVER for each in handovers] or [NEVER]
    return statistics.median(times), max(times)


def worst(times: Sequence[float]) -> float:
    """The longest; infinite where nothing was measured, which is no good result."""
    return max(times, default=NEVER)


if __name__ == "__main__":
    main()
