"""For every test: gRPC's event machinery is started once and kept, and no example of hypothesis is timed."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would each program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

import grpc
from hypothesis import settings

# Its limit of 200 ms an example says how busy the machine is, not whether the rule holds.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Without a reference of ours gRPC ends its poller with the last channel of a test, from wherever the collector runs, and can hang."""
    grpc.aio.init_grpc_aio()
