"""What commands print: tables, lines and JSON; plain wherever nobody watches, and quiet when the reader has gone."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.table import Table

STATE_STYLES = {
    "DELIVERED": "green",
    "READY": "green",
    "OK": "green",
    "BOUNCED": "red",
    "EXPIRED": "red",
    "DEAD": "red",
    "OUT": "red",
    "SUSPENDED": "red",
    "UNREACHABLE": "red",
    "IN_DOUBT": "yellow",
    "DEFERRED": "yellow",
    "SUSPECT": "yellow",
    "SLOWED": "yellow",
    "DRAINING": "yellow",
}


def interactive(stream: TextIO | None = None) -> bool:
    """A person watches: colours and live lines make sense."""
    stream = stream or sys.stdout
    return stream.isatty()


def line(text: str = "", stream: TextIO | None = None) -> None:
    """One line, at once: whoever reads a pipe need not wait."""
    out = stream or sys.stdout
    out.write(text + "\n")
    out.flush()


def json_line(value: object) -> None:
    """One object on one line."""
    line(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def printable(text: str) -> str:
    """Words of a server or of a mail, so that they cannot steer the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def counted(count: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def styled(state: str, width: int = 0) -> str:
    """A state, coloured where a person watches."""
    padded = state.ljust(width)
    colour = {"green": "32", "red": "31", "yellow": "33"}.get(STATE_STYLES.get(state, ""))
    return f"\x1b[{colour}m{padded}\x1b[0m" if colour and interactive() else padded


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str, right: Sequence[str] = (), *, whole: bool = False) -> None:
    """Rows under their heads; a sentence when there are none. Never cut when it goes into a pipe, or is to be `whole`."""
    if not rows:
        line(empty)
        return
    if whole or not interactive():
        for row in aligned([columns, *rows], [name in right for name in columns]):
            line(row)
        return
    from rich.console import Console

    Console().print(rich_table(columns, rows, right))


def rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> Table:
    """The same as a rich renderable, for a terminal."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell, style=STATE_STYLES.get(cell, "")) for cell in row))
    return made


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Plain columns, two spaces apart."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(right))]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def fields(pairs: Mapping[str, str]) -> None:
    """Names and values, one a line; what is empty is left out."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        if value:
            line(f"{name.ljust(width)}  {value}")
