"""Trouble with etcd, told once for each reason until it is over: members that are down in turn would fill a log."""

from __future__ import annotations

from mailgate.telemetry.logs import Logger


class _Silent:
    """A logger that says nothing."""

    def debug(self, event: str, **fields: object) -> None: ...
    def info(self, event: str, **fields: object) -> None: ...
    def warning(self, event: str, **fields: object) -> None: ...
    def error(self, event: str, **fields: object) -> None: ...
    def exception(self, event: str, **fields: object) -> None: ...


SILENT: Logger = _Silent()
"""For the SDK, whose caller's output is the caller's."""

MOST = 4
"""Reasons that are told of one trouble."""


class Trouble:
    """One a task. `event` begins it, `over` ends it."""

    def __init__(self, log: Logger, event: str, over: str) -> None:
        self._log, self._event, self._over = log, event, over
        self._told: set[str] = set()
        self.reason = ""
        """The last one; empty: there is no trouble."""

    def tell(self, reason: str, **fields: object) -> None:
        """It goes wrong."""
        self.reason = reason
        if reason not in self._told and len(self._told) < MOST:
            self._told.add(reason)
            self._log.warning(self._event, reason=reason, **fields)

    def over(self, **fields: object) -> None:
        """It goes well."""
        self.reason = ""
        if self._told:
            self._told.clear()
            self._log.info(self._over, **fields)
