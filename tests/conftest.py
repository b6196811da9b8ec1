"""For every test: gRPC's event machinery is started once and kept."""

import grpc


def pytest_configure() -> None:
    """Without a reference of ours gRPC ends its poller with the last channel of a test, from wherever the collector runs, and can hang."""
    grpc.aio.init_grpc_aio()
