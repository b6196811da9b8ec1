"""A progress bar, or a line that says how far it is, where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailgate.cli import output


@contextmanager
def bar(what: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """On stderr, around the work; the function that it gives counts. `total` None: not known. Nothing is shown where nobody watches."""
    if quiet or not output.interactive(sys.stderr):
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, rate="")

        def step(count: int) -> None:
            progress.advance(task, count)
            speed = progress.tasks[0].speed
            progress.update(task, rate=f"{speed:,.0f}/s" if speed else "")

        yield step


@contextmanager
def line(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """One on stderr that is written anew, and gone afterwards. Nothing is shown where nobody watches."""
    if quiet or not output.interactive(sys.stderr):
        yield lambda _text: None
        return

    def tell(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        tell("")
