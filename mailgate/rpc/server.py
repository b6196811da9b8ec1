"""A door: a gRPC server with its interceptors in order, health, reflection, TLS, and a clear word when it cannot be opened."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping, Sequence
from datetime import timedelta

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from mailgate.errors import Mistake, SettingsInvalid
from mailgate.rpc.address import is_loopback, join_address, split_address
from mailgate.rpc.channel import Options, transport_options
from mailgate.rpc.decoding import Decoding
from mailgate.rpc.health import Health
from mailgate.rpc.tls import TlsOptions, server_credentials
from mailgate.telemetry.logs import get_logger

HANDSHAKE_MS = 10_000
"""Who connects has so long for TLS and the preface of HTTP/2; gRPC's own 120 s are a long time to hold a descriptor without a word."""

STREAMS = 2_000
"""Calls of one connection at once; a client's further ones wait there. Without a bound gRPC begins every call of a connection that opens
and resets them as fast as it can (rapid reset, CVE-2023-44487), and nobody else is served."""

PENDING = 5_000
"""Calls that came and are not begun yet, some 10 KB each. From here on gRPC cancels one or the other at random, at twice as many each: by
default that is from 1,000 on, and of 3,000 watchers who came back at once 2,800 were turned away."""

KEEPALIVE_MS = 20_000
"""A client that is gone without a word is noticed, and its waits and streams end."""

log = get_logger(__name__)

_CURES = {
    errno.EADDRINUSE: "another process has this port: stop it, or choose another port here (0 lets the system choose)",
    errno.EACCES: "ports below 1024 need a privilege: choose a higher one, or grant CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this machine has no such address: write one of its own, 127.0.0.1, or 0.0.0.0 for all",
}


class Door:
    """Make it, add servicers to `server`, `bind`, `start`, and `stop` in the end. Needs a running loop.

    `services` are the full names that health and reflection show. `interceptors` see a call in their order. With `max_connection_age`
    clients behind a balancer of connections spread again; calls under way are finished first.
    """

    def __init__(
        self,
        services: Sequence[str],
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        *,
        max_connection_age: timedelta | None = None,
    ) -> None:
        self.server = grpc.aio.server(interceptors=[*interceptors, Decoding()], options=server_options(max_connection_age))
        self.server.add_registered_method_handlers = _by_name_alone  # type: ignore[method-assign]
        self._health = Health(tuple(services))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        shown = (*services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(shown, self.server)

    async def bind(self, listen: str, tls: TlsOptions | None = None, *, key: str = "listen", section: str = "tls") -> str:
        """Take `host:port`; the same with the real port. `tls` None, or without files: in clear.

        Raises:
            SettingsInvalid: the address is not one or is taken, or a file of `tls` is wrong. `key` and `section` name the settings.
        """
        host, port = split_address(listen, key)
        credentials = server_credentials(tls, section) if tls is not None and tls.serves else None
        await _try(host, port, listen, key)
        address = join_address(host, port)
        try:
            add = self.server.add_secure_port
            bound = add(address, credentials) if credentials is not None else self.server.add_insecure_port(address)
        except RuntimeError:  # taken between the trial and now
            raise SettingsInvalid([Mistake(key, repr(listen), _CURES[errno.EADDRINUSE])]) from None
        if credentials is None and not is_loopback(host):
            log.warning(
                "door_in_clear", address=address, consequence="keys and mail can be read on the way here: give it certificate and key"
            )
        return join_address(host, bound)

    async def start(self) -> None:
        """Take calls. Health says NOT_SERVING until `serving(True)`."""
        await self._health.serving(False)
        await self.server.start()

    async def serving(self, yes: bool) -> None:
        """What health says."""
        await self._health.serving(yes)

    async def stop(self, grace: timedelta) -> None:
        """Take no new calls, and end those that still run after `grace`. Streams of other rooms are to be ended before."""
        await self._health.serving(False)
        self._health.end()
        await self.server.stop(grace.total_seconds())


def _by_name_alone(service_name: str, method_handlers: Mapping[str, object]) -> None:
    """Generated code puts each method in twice: found by its name, and registered in the core. Here the name must do.

    grpc.aio (1.85) waits at every call anew for each registered method, some 30 µs with the 18 of a gateway, and once for all others.
    """


def server_options(max_connection_age: timedelta | None = None) -> Options:
    """The channel arguments of a server; each with the reason that it is here."""
    options: Options = [
        *transport_options(),
        # On by default: two processes would share a port without a word.
        ("grpc.so_reuseport", 0),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.server.max_pending_requests", PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * PENDING),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        # A gateway pings a node every 2 s; by default a server takes that for abuse and closes the connection (ENHANCE_YOUR_CALM).
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.http2.max_pings_without_data", 0),
        # No compressed requests: 60 KiB would become 60 MiB in memory before anybody has seen them.
        ("grpc.compression_enabled_algorithms_bitset", 1),
    ]
    if max_connection_age is not None:
        options.append(("grpc.max_connection_age_ms", int(max_connection_age.total_seconds() * 1000)))
    return options


async def _try(host: str, port: int, listen: str, key: str) -> None:
    """Bind and let go: gRPC would say neither errno nor address, and write to standard error."""
    try:
        trial = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    except OSError as error:
        cure = _CURES.get(error.errno or 0, f"this address cannot be bound ({error.strerror or error})")
        raise SettingsInvalid([Mistake(key, repr(listen), cure)]) from None
    trial.close()
    await trial.wait_closed()
