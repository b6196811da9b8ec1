"""The gateway's services for callers behind a real door on loopback, over the reference ledger and queue."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

import grpc
import pytest

from gateway.admission.admit import Admission
from gateway.admission.drafting import Drafter
from gateway.admission.limits import Limits
from gateway.admission.routing import Routes
from gateway.admission.tenants import KeyOptions, TenantOptions, Tenants
from gateway.dispatch.dialogues import Dialogues
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member, NodeState
from gateway.dispatch.reasons import Reasons
from gateway.events.hub import Hub
from gateway.events.options import EventOptions
from gateway.ledger.memory import MemoryLedger
from gateway.queue.memory import MemoryQueue
from gateway.registry.port import Drain
from gateway.rpc.admin_port import NodeView, QueueView, SettingsView
from gateway.rpc.admin_service import AdminServicer
from gateway.rpc.interceptors import authentication
from gateway.rpc.mail_service import MailServicer, lazy_requests
from gateway.rpc.shell import LoopShell
from gateway.rpc.site_operations import SiteOperators
from gateway.rpc.upload import Upload
from mailgate.api.admin.v1 import admin_service_pb2_grpc
from mailgate.api.mail.v1 import mail_service_pb2_grpc
from mailgate.route import Relay, Route
from mailgate.rpc.channel import bearer, open_channel
from mailgate.rpc.jobs import encode_content, encode_envelope
from mailgate.rpc.server import Door
from mailgate.rpc.statuses import statuses
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.traces import Tracer


def key(name: str, *scopes: str) -> KeyOptions:
    return KeyOptions("sha256:" + sha256(name.encode()).hexdigest(), scopes)


TENANTS = {
    "acme": TenantOptions(
        ("example.com",), (key("send", "send"), key("read", "read"), key("both", "send", "read"), key("operate", "operate"))
    ),
    "other": TenantOptions(("other.example",), (key("other", "send", "read"),)),
}


@dataclass
class Operations:
    """What the operator's door asks for; a test sets the answers."""

    seen: tuple[NodeView, ...] = ()
    queued: QueueView = field(default_factory=lambda: QueueView((), 0, 0, 0))
    resolved: list[tuple[bytes, object]] = field(default_factory=list)
    error: Exception | None = None
    run_by: SettingsView = field(default_factory=lambda: SettingsView("v1", 1_790_000_000_500))

    drained: list[tuple[str, str | None]] = field(default_factory=list)

    def settings(self):
        return self.run_by

    async def drain(self, node_id, reason):
        self.drained.append((node_id, reason))
        return NodeView(node_id, "127.0.0.1:1", NodeState.DRAINING, drained=Drain(reason, 1_790_000_000_500), in_hand=3)

    async def resume(self, node_id):
        self.drained.append((node_id, None))
        return NodeView(node_id, "127.0.0.1:1", NodeState.READY) if node_id == "n1" else None

    def nodes(self):
        return self.seen

    async def queue(self):
        return self.queued

    async def resolve_doubt(self, job_id, resolution):
        if self.error is not None:
            raise self.error
        self.resolved.append((job_id, resolution))


@dataclass
class Gateway:
    """A door, what stands behind it, and a channel to it."""

    channel: grpc.aio.Channel
    door: Door
    ledger: MemoryLedger
    queue: MemoryQueue
    hub: Hub
    admission: Admission
    operations: Operations
    shell: LoopShell
    servicer: MailServicer
    address: str
    members: dict[str, Member]
    dialogues: Dialogues
    tenants: Tenants

    @property
    def mail(self) -> mail_service_pb2_grpc.MailServiceStub:
        return mail_service_pb2_grpc.MailServiceStub(self.channel)

    @property
    def admin(self) -> admin_service_pb2_grpc.AdminServiceStub:
        return admin_service_pb2_grpc.AdminServiceStub(self.channel)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Ready for calls."""
    ledger, queue, shell, operations = MemoryLedger(), MemoryQueue(), LoopShell(lambda: time.time_ns() // 1_000_000), Operations()
    members: dict[str, Member] = {}
    dialogues = Dialogues(members)
    sites = SiteOperators(
        lambda: ledger.counts(()), str, members, dialogues, lambda: ["relay"], shell.now_ms, Reasons(members, Losses(2, 3))
    )
    hub = Hub(ledger.describe, EventOptions(max_watchers_per_tenant=3))
    drafter = Drafter(Routes([Route("relay", (Relay("127.0.0.1"),))]), Limits(), encode_envelope, encode_content)
    admission = Admission(ledger=ledger, queue=queue, files=ledger.files, hub=hub, drafter=drafter, shell=shell)
    limits = Limits(max_upload_bytes=3_000_000)
    servicer = MailServicer(
        admission,
        ledger,
        lambda tenant: Upload(ledger.files, shell, limits, tenant),
        hub,
        shell,
        Tracer(TelemetryOptions(), "gateway"),
        lambda state, wait: f"{state.name.lower()}, no node ({wait.route})",
    )
    tenants = Tenants(TENANTS)
    door = Door(["mailgate.api.mail.v1.MailService"], [statuses(), authentication(tenants), lazy_requests()])
    mail_service_pb2_grpc.add_MailServiceServicer_to_server(servicer, door.server)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(AdminServicer(operations, sites, ledger), door.server)
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as channel:
        yield Gateway(channel, door, ledger, queue, hub, admission, operations, shell, servicer, address, members, dialogues, tenants)
    hub.close()
    await door.stop(timedelta(seconds=5))
    await shell.close()


@pytest.fixture
def as_(request: pytest.FixtureRequest):
    """The arguments of a call with a key, and a time limit so that no test hangs."""
    return lambda name, **more: {"metadata": bearer(name), "timeout": 20, **more}
