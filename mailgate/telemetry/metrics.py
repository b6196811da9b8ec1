"""The Prometheus page of a process: a port, and the rooms' readers behind it."""

from __future__ import annotations

import asyncio
import errno
import threading
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

from mailgate.errors import Mistake, SettingsInvalid
from mailgate.telemetry.exposition import Exposition
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.options import TelemetryOptions, split_listen
from mailgate.telemetry.sample import Reader

log = get_logger(__name__)

PATIENCE = 2.0
"""Seconds that a scrape waits for the event loop; scrapers give up after 10 by default."""

KEY = "telemetry.listen"


class Metrics:
    """Serves the page from `async with` on, in threads of its own. With `listen` empty it does nothing, and `register` is still allowed.

    Raises SettingsInvalid naming `telemetry.listen` when the address cannot be had. `address` is then where it listens.
    """

    def __init__(self, options: TelemetryOptions, patience: float = PATIENCE) -> None:
        """`patience`: seconds that a scrape waits for the loop."""
        self._options = options
        self._patience = patience
        self._readers: list[Reader] = []
        self._exposition: Exposition | None = None
        self._page: _Page | None = None

    def register(self, reader: Reader) -> None:
        """Ask this room at each scrape, on the event loop. May be called before or after the start."""
        self._readers.append(reader)
        if self._exposition is not None:
            self._exposition.register(reader)

    @property
    def address(self) -> str:
        """`host:port` as bound; empty when there is no page."""
        return self._page.address if self._page else ""

    async def __aenter__(self) -> Metrics:
        if self._options.listen:
            self._exposition = Exposition(asyncio.get_running_loop(), self._patience)
            for reader in self._readers:
                self._exposition.register(reader)
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            registry.register(self._exposition)
            self._page = await _open(self._options.listen, registry)
            self._page.start()
            log.info("metrics_listening", address=self.address)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._page is not None:
            page, self._page = self._page, None
            await asyncio.shield(asyncio.to_thread(page.stop))


class _Request(WSGIRequestHandler):
    """One scrape. Who opens a connection and says nothing is dropped after 10 seconds."""

    timeout = 10

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not logged."""


class _Page(ThreadingMixIn, WSGIServer):
    """A small HTTP server, a daemon thread per scrape."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, family: int, host: str, port: int) -> None:
        self.address_family = family
        super().__init__((host, port), _Request)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="metrics", daemon=True)

    def server_bind(self) -> None:
        """Without the look-up of the host's full name, which may take seconds where DNS is slow."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    @property
    def address(self) -> str:
        host, port = str(self.server_address[0]), int(self.server_address[1])
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A scraper that went away is no event."""
        log.debug("metrics_scrape_failed", exc_info=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Blocks until the thread has ended, a twentieth of a second."""
        self.shutdown()
        self._thread.join()
        self.server_close()


async def _open(listen: str, registry: CollectorRegistry) -> _Page:
    """Resolve, then bind: a port in TIME_WAIT may be taken again, one that somebody listens on may not."""
    where = split_listen(listen)
    if where is None:
        raise SettingsInvalid([Mistake(KEY, f'"{listen}"', 'write "host:port", such as "127.0.0.1:8626", or "" for none')])
    try:
        family, _, _, _, address = (await asyncio.get_running_loop().getaddrinfo(*where))[0]
        page = _Page(family, str(address[0]), int(address[1]))
    except OSError as error:
        raise SettingsInvalid([Mistake(KEY, f'"{listen}"', _cure(error))]) from error
    page.set_app(make_wsgi_app(registry))
    return page


def _cure(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "this port is taken by another process: choose another, or port 0 for any"
    if error.errno == errno.EACCES:
        return "this user may not listen on such a port: choose one above 1023"
    return f"cannot listen there ({error.strerror}): choose an address of this machine, such as 127.0.0.1"
