"""A name that leads elsewhere: who is started anew in a container or a pod mostly has another address."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from mailgate.etcd.client import CHANNEL
from mailgate.rpc.channel import open_channel, open_node_channel
from tests.servers.name_server import name_server

PATIENCE = 15
"""Seconds; gRPC by itself asks the name again after 30."""


async def serving(address: str) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port(address)
    await server.start()
    return server, port


@pytest.mark.parametrize("kind", ["gateway", "node", "etcd"])
async def test_it_is_asked_for_again_at_once(kind: str, tmp_path: Path) -> None:
    """As soon as the old address does not answer, and not half a minute later: so long a node, or etcd, was away though it was back."""
    with name_server(tmp_path, "moving A 127.0.0.2", ttl=1) as names:
        server, port = await serving("127.0.0.2:0")
        address = f"dns://{names.address}/moving.test:{port}"
        further = CHANNEL if kind == "etcd" else ()
        async with open_node_channel(address) if kind == "node" else open_channel(address, further=further) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE)
            await server.stop(None)
            other, _ = await serving(f"127.0.0.3:{port}")
            await asyncio.to_thread(names.reload, "moving A 127.0.0.3", ttl=1)
            try:
                await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE)
            finally:
                await other.stop(None)
