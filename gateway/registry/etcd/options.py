"""`[etcd]`: where nodes and gateways are kept, so that several gateways share them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from mailgate.errors import Mistake
from mailgate.etcd.options import EtcdOptions


@dataclass(frozen=True, slots=True)
class RegistryOptions(EtcdOptions):
    """Without endpoints the registry is in the gateway's memory, and it is alone."""

    prefix: str = "/mailgate"
    """Keys are `<prefix>/nodes/<id>` and `<prefix>/gateways/<id>`; the user needs to read and write below `<prefix>/`."""
    ttl: timedelta = timedelta(seconds=5)
    """For how long the entries of a gateway outlive it. It says who belongs to the fleet; health is seen on each node's own stream, and a
    shorter time makes nothing faster. Whole seconds, 2 at the least: etcd makes 2 of 1."""

    def mistakes(self, section: str) -> Iterator[Mistake]:
        """What does not fit together."""
        # Not super(): a slotted dataclass is another class than the one that super() without arguments was written in.
        yield from EtcdOptions.mistakes(self, section)
        sound = self.prefix.startswith("/") and len(self.prefix) > 1 and not self.prefix.endswith("/") and self.prefix.isprintable()
        if not sound or "//" in self.prefix:
            yield Mistake(f"{section}.prefix", repr(self.prefix), 'write it with a slash before and none behind, such as "/mailgate"')
        if self.ttl % timedelta(seconds=1):
            yield Mistake(f"{section}.ttl", f"{self.ttl.total_seconds():g} s", 'etcd counts whole seconds: write "5s"')
