"""What every benchmark shares: its flags, rounds that alternate, and a report for people or as JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

Outcome = TypeVar("Outcome")

PACKAGES = ("mailgate", "grpcio", "protobuf", "uvloop", "aiosmtplib", "apsw")


def arguments(
    description: str | None, argv: Sequence[str] | None = None, *, seconds: int = 50, more: Mapping[str, str] | None = None
) -> argparse.Namespace:
    """`quick` (done within so many `seconds`) and `json` (one object on stdout); a wrong flag ends the program with a usage message.

    `more`: further options that name a file, with their help.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"fewer mails and rounds: done within {seconds} s")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout instead of tables")
    for name, text in (more or {}).items():
        parser.add_argument(name, type=Path, metavar="FILE", help=text)
    return parser.parse_args(argv)


def alternate(runs: Mapping[str, Callable[[], Outcome]], rounds: int, seconds: float = float("inf")) -> dict[str, list[Outcome]]:
    """What each run returned, in rounds of one after the other, so that a busy neighbour hurts all alike.

    Every run has one round at least; none begins after `seconds` are over.
    """
    found: dict[str, list[Outcome]] = {name: [] for name in runs}
    end = time.monotonic() + seconds
    for number in range(rounds):
        for name, run in runs.items():
            if number == 0 or time.monotonic() < end:
                found[name].append(run())
    return found


def median(values: Sequence[float]) -> float:
    """Of one peer's rounds."""
    return statistics.median(values)


@dataclass
class Report:
    """Figures (rates, times, counts) and ratios by name, and tables for people. `finish` prints it, once."""

    name: str
    json: bool = False
    figures: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)

    def figure(self, name: str, value: float) -> None:
        """A number with its unit in its name: `batch_per_s`, `accept_p99_ms`, `lost`."""
        self.figures[name] = _short(value)

    def ratio(self, name: str, value: float) -> None:
        """One thing against another in the same run: `batch_vs_postfix`."""
        self.ratios[name] = _short(value)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """For people only."""
        table = Table(*columns, title=title, title_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*row)
        self.tables.append(table)

    def finish(self) -> None:
        """Prints everything on stdout."""
        if self.json:
            found = {"figures": _finite(self.figures), "ratios": _finite(self.ratios), "versions": versions(), "processors": processors()}
            json.dump({"benchmark": self.name, **found}, sys.stdout, indent=2)
            sys.stdout.write("\n")
            return
        for title in ("ratios", "figures"):
            self.table(title, ["name", "value"], [[name, f"{value:,}"] for name, value in getattr(self, title).items()])
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
        for table in self.tables:
            console.print(table)
        console.print(f"{self.name} on {processors()}; " + ", ".join(f"{name} {number}" for name, number in versions().items()))


def versions() -> dict[str, str]:
    """Of Python, the system, and the packages that matter to a rate."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.release()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def processors() -> str:
    """How many this process may use, and what they call themselves."""
    model = ""
    if (told := Path("/proc/cpuinfo")).exists():
        model = next((line.partition(":")[2].strip() for line in told.read_text().splitlines() if line.startswith("model name")), "")
    return f"{len(os.sched_getaffinity(0))} × {model or platform.processor() or platform.machine()}"


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: what never came is null."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _short(value: float) -> float:
    """Four digits are what a measurement is worth. Infinity, of what never came, stays what it is."""
    return round(value) if 1000 <= abs(value) < float("inf") else float(f"{value:.4g}")
