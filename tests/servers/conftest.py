"""Real servers for these tests. With CI=true a missing one is a failure, else a skip whose reason pytest prints."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from benchmarks.peers import postfix as postfixes
from benchmarks.peers import unpacked
from benchmarks.peers.postfix import Postfix, postfix

UNTOUCHED = """\
local_header_rewrite_clients =
message_drop_headers =
always_add_missing_headers = no
smtpd_recipient_restrictions = check_recipient_access inline:{refused@example.net=REJECT,later@example.net=DEFER}, permit_mynetworks, reject
"""
"""Postfix as a server in the middle of the net, which leaves headers as they are; for loopback clients it would mend them.
Two addresses are refused, one for good and one for now."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs a server."""
    for item in items:
        if item.path.is_relative_to(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.servers)


def demand_postfix() -> None:
    """Fail or skip where it cannot run."""
    _demand(postfixes.why_not())


def demand(name: str) -> None:
    """The same of `exim` or `smtpd`."""
    _demand(unpacked.why_not(name))


def _demand(missing: str) -> None:
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def maildrop() -> Iterator[Postfix]:
    """A Postfix that delivers everything to maildirs, and offers STARTTLS."""
    demand_postfix()
    with postfix(tls=True, settings=UNTOUCHED) as server:
        yield server
