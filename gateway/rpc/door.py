"""The gateway's door: its services behind their guards."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.admission.tenants import Tenants
from gateway.rpc.admin_service import AdminServicer
from gateway.rpc.interceptors import authentication
from gateway.rpc.mail_service import MailServicer, lazy_requests
from gateway.rpc.registry_service import RegistryServicer
from mailgate.api.admin.v1 import admin_service_pb2_grpc
from mailgate.api.mail.v1 import mail_service_pb2_grpc
from mailgate.api.node.v1 import node_registry_service_pb2_grpc
from mailgate.rpc.fleet import fleet_guard
from mailgate.rpc.server import Door
from mailgate.rpc.statuses import statuses

SERVICES = (
    "mailgate.api.mail.v1.MailService",
    "mailgate.api.admin.v1.AdminService",
    "mailgate.api.node.v1.NodeRegistryService",
)


@dataclass(frozen=True, slots=True)
class Servicers:
    """Who answers."""

    mail: MailServicer
    admin: AdminServicer
    registry: RegistryServicer


def make_door(servicers: Servicers, tenants: Tenants, fleet_token: str, *, certificates: bool) -> Door:
    """Callers show a key, nodes the fleet token; `certificates`: the door lets in only peers that have one of ours."""
    door = Door(SERVICES, [statuses(), authentication(tenants), fleet_guard(fleet_token, certificates=certificates), lazy_requests()])
    mail_service_pb2_grpc.add_MailServiceServicer_to_server(servicers.mail, door.server)  # type: ignore[no-untyped-call]
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(servicers.admin, door.server)  # type: ignore[no-untyped-call]
    node_registry_service_pb2_grpc.add_NodeRegistryServiceServicer_to_server(servicers.registry, door.server)  # type: ignore[no-untyped-call]
    return door
