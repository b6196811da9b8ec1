"""Asks the address of a node's entry whether that node is there: another one wants its name."""

from __future__ import annotations

import asyncio

import grpc

from gateway.registry.port import NodeRecord
from mailgate.api.node.v1 import node_service_pb2, node_service_pb2_grpc
from mailgate.errors import SettingsInvalid, Unavailable
from mailgate.rpc.channel import bearer, open_node_channel
from mailgate.rpc.tls import TlsOptions

WITHIN = 1.0
"""Seconds: a node that is started anew waits as long where its earlier address answers nobody."""


async def lives(record: NodeRecord, token: str, tls: TlsOptions | None) -> bool:
    """The very process of the entry answers at its address. A node of a release that can't say who it is counts as gone.

    Raises:
        Unavailable: nobody can be asked: a file of our certificates is gone, or half written, since the start.
    """
    try:
        async with asyncio.timeout(WITHIN), open_node_channel(record.address, tls) as channel:
            stub = node_service_pb2_grpc.NodeServiceStub(channel)  # type: ignore[no-untyped-call]
            asked = stub.GetNode(node_service_pb2.GetNodeRequest(), metadata=bearer(token), timeout=WITHIN)
            found: node_service_pb2.GetNodeResponse = await asked
    except (TimeoutError, grpc.aio.AioRpcError):
        return False
    except SettingsInvalid as error:
        raise Unavailable(str(error)) from None
    return (found.node_id, found.boot_id) == (record.node_id, record.boot_id)
