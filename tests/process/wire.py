"""A wire between a gateway and a node that a test can cut, in either direction."""

from __future__ import annotations

import contextlib
import socket
import threading


class Wire:
    """Listens on loopback and forwards to `target`, a port. `deaf`: what the gateway says is swallowed. `cut`: nobody comes through."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.deaf = False
        self.is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=20)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Wire:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def cut(self) -> None:
        """Break what is connected; what connects from now on is closed at once."""
        self.is_cut = True
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """All is well again."""
        self.deaf = self.is_cut = False

    def _run(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                near.close()
                continue
            if self.is_cut:
                near.close()
                far.close()
                continue
            far.settimeout(None)
            self._open |= {near, far}
            self._run(self._forward, near, far, True)
            self._run(self._forward, far, near, False)

    def _forward(self, source: socket.socket, to: socket.socket, from_gateway: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not (from_gateway and self.deaf):
                    to.sendall(data)
        for one in (source, to):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()
