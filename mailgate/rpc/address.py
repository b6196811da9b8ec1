"""`host:port` as settings and registrations have it, and whether a host is this machine alone. Pure."""

from __future__ import annotations

from ipaddress import ip_address

from mailgate.errors import Mistake, SettingsInvalid

MAX_PORT = 0xFFFF
RESOLVED = ("dns://", "unix://", "xds://")
"""What gRPC knows with two slashes; any other it looks up, the whole of it, as a name of the DNS."""


def split_address(text: str, key: str) -> tuple[str, int]:
    """Host (without brackets) and port of `host:port` or `[v6]:port`; port 0 lets the system choose.

    Raises:
        SettingsInvalid: it is neither; `key` names the setting.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    number = port.isascii() and port.isdigit()
    sound = number and len(port) <= len(str(MAX_PORT)) and int(port) <= MAX_PORT
    if not (colon and host and sound) or (":" in host and not bracketed) or not host.isprintable() or " " in host:
        range_ = f"ports end at {MAX_PORT}: " if host and number and not sound else ""
        raise SettingsInvalid([Mistake(key, repr(text), f'{range_}write "host:port", such as "127.0.0.1:8625" or "[::1]:8625"')])
    return host, int(port)


def check_target(text: str, key: str) -> None:
    """What a client dials: `host:port`, or where something else finds it for gRPC, such as `dns:///host:port` or `unix:/path`.

    Raises:
        SettingsInvalid: it is neither, such as a URL; `key` names the setting.
    """
    if "://" in text and not text.startswith(RESOLVED):
        raise SettingsInvalid([Mistake(key, repr(text), 'write "host:port" (TLS is asked for apart), or "etcd://host:2379/…"')])
    if "/" not in text and not text.startswith("unix:"):
        split_address(text, key)


def join_address(host: str, port: int) -> str:
    """The inverse of `split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Only processes of this machine can reach it. A name other than localhost is not trusted to stay one."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
