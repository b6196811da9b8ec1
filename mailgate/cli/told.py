"""What `mailgate up` says: a start text, one line of counts that stays in place where a person watches, and JSON lines for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mailgate.cli import output
from mailgate.cli.target import DEFAULT_DATA

if TYPE_CHECKING:
    from rich.text import Text

    from mailgate.cli.counts import Counts
    from mailgate.cli.stage import Stage

PLAIN_EVERY = 5.0
"""Seconds between two lines of counts where nobody watches; only when they changed."""


class Teller:
    """A context manager: leaving it puts the terminal in order."""

    def __init__(self, json: bool) -> None:
        self._json = json
        self._live: Any = None
        self._said = ""
        self._next = 0.0
        self._watched = output.interactive() and not json

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str, **fields: object) -> None:
        """A line of its own."""
        if self._json:
            output.json_line({**fields, "text": text})
        elif self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            output.line(text)

    def child(self, name: str, what: str, pid: int | None) -> None:
        """Something happened to a child."""
        self.say(f"{name} {what}", event="child", child=name, what=what, pid=pid)

    def ready(self, stage: Stage, senders: int, data: str, pids: Mapping[str, int | None]) -> None:
        """Everything runs: where, and what to try."""
        ports = stage.ports
        page, smtp, metrics = (
            f"http://127.0.0.1:{ports.inbox}",
            f"127.0.0.1:{ports.inbox_smtp}",
            f"http://127.0.0.1:{ports.metrics}/metrics",
        )
        if self._json:
            where = {"inbox": page, "inbox_smtp": smtp} if stage.inbox else {}
            where |= {"etcd": stage.etcd} if stage.etcd else {}
            output.json_line(
                {
                    "event": "ready",
                    "gateway": stage.address,
                    "metrics": metrics,
                    **where,
                    "senders": senders,
                    "pids": pids,
                    "data": str(stage.data),
                }
            )
            return
        option = "" if data == DEFAULT_DATA else f" --data {data}"
        lines = [
            "Mailgate runs. Ctrl-C stops it.",
            f"  gateway   {stage.address}   metrics {metrics}",
            f"  senders   {senders}",
            *([f"  etcd      {stage.etcd}   keys below /mailgate/"] if stage.etcd else []),
            *([f"  inbox     {page}   takes mail at {smtp}"] if stage.inbox else []),
            f"  data      {data}   logs in {data}/logs",
            "Try in a second terminal:",
            f"  {sys.argv[0]} send{option} --to a@example.com --subject Hi --text Hello --wait",
        ]
        for line in lines:
            output.line(line)
        if self._watched:
            self._start_live()

    def counts(self, counts: Counts) -> None:
        """The counts as they are now."""
        text = str(counts)
        if self._live is not None:
            self._live.update(_renderable(text), refresh=True)
            return
        now = time.monotonic()
        if text == self._said or now < self._next:
            return
        self._said, self._next = text, now + PLAIN_EVERY
        if self._json:
            output.json_line({"event": "counts", **counts.json()})
        else:
            output.line(text)

    def _start_live(self) -> None:
        from rich.live import Live

        self._live = Live(_renderable(""), auto_refresh=False)
        self._live.start()


def _renderable(text: str) -> Text:
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ellipsis")
