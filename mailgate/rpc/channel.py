"""Dial options in one place: every channel that Mailgate opens is opened here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import grpc

from mailgate.rpc.tls import TlsOptions, channel_credentials

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Either way. A mail of 50 MiB and its envelope fit; gRPC's own limit of 4 MiB does not admit attachments."""

NODE_KEEPALIVE = timedelta(seconds=2)
"""A stopped node shows first by its missing load reports; this takes down the transport."""

CLIENT_KEEPALIVE = timedelta(seconds=20)
"""Below the idle time-outs of load balancers (60 s and more), above what a server may call too many pings."""

NODE_PING_TIMEOUT_MS = 1000
"""Towards nodes, where another one can take over."""

PING_TIMEOUT_MS = 10_000
"""Elsewhere: a caller that pauses for a second must not lose its answer.

`grpc.keepalive_timeout_ms` alone has no effect (gRPC 1.66–1.85, measured): the HTTP/2 ping time-out is what counts.
"""

Options = list[tuple[str, int | str]]


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that shows a key or the fleet token; nothing for an empty one."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def open_channel(
    address: str,
    tls: TlsOptions | None = None,
    *,
    retries: bool = False,
    keepalive: timedelta = CLIENT_KEEPALIVE,
    further: Sequence[tuple[str, int | str]] = (),
    section: str = "tls",
) -> grpc.aio.Channel:
    """A channel to `host:port` (or a gRPC target); it connects when it is used. Close it, or use it as a context manager.

    `tls` None speaks in clear; TlsOptions() verifies the server by the system's authorities. `retries` False turns gRPC's own retries off:
    it cannot know what was sent, and would double mail. `further` options win over those of this file; each goes to gRPC once, since of
    two with one name it takes the first (1.85, measured).

    Raises:
        SettingsInvalid: a file of `tls` is wrong; `section` names the table of the settings.
    """
    options = channel_options(retries=retries, keepalive=keepalive)
    if tls is not None and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    options = list({**dict(options), **dict(further)}.items())
    if tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, channel_credentials(tls, section), options=options)


def open_node_channel(address: str, tls: TlsOptions | None = None, section: str = "gateway.node_tls") -> grpc.aio.Channel:
    """Between a gateway and a node: no retries, and a dead transport is seen within 3 s."""
    timeouts = (("grpc.keepalive_timeout_ms", NODE_PING_TIMEOUT_MS), ("grpc.http2.ping_timeout_ms", NODE_PING_TIMEOUT_MS))
    return open_channel(address, tls, keepalive=NODE_KEEPALIVE, further=timeouts, section=section)


def channel_options(*, retries: bool, keepalive: timedelta) -> Options:
    """The channel arguments; each with the reason that it is here."""
    return [
        *transport_options(),
        ("grpc.enable_retries", int(retries)),
        # Two channels to one address are two connections: a node's stream never shares the fate, or the flow control, of another's.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.keepalive_time_ms", int(keepalive.total_seconds() * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A node that comes back is dialled again soon: the default backs off up to 2 minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 5000),
        # Who comes back in a container or a pod has another address: by itself gRPC asks for its name no sooner than after 30 s.
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        # A proxy of the environment must never see mail that goes to a node.
        ("grpc.enable_http_proxy", 0),
    ]


def transport_options() -> Options:
    """What both sides of a connection set."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # Otherwise write() takes megabytes for a peer that never reads (4.2 MB measured, 60 KB with it).
        ("grpc.http2.bdp_probe", 0),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", PING_TIMEOUT_MS),
    ]
