"""A tenant, routes and limits that tests of admission share."""

from __future__ import annotations

import pytest

from gateway.admission.limits import Limits
from gateway.admission.routing import Routes
from gateway.admission.tenants import Tenant
from mailgate.route import Relay, Route

RELAYS = (Relay("127.0.0.1"),)


@pytest.fixture
def tenant() -> Tenant:
    """It may send from example.com and its subdomains."""
    return Tenant("acme", ("example.com", "*.example.com"))


@pytest.fixture
def routes() -> Routes:
    """One for what no other takes, one by domain, one that must be named."""
    return Routes(
        [
            Route("rest", RELAYS),
            Route("org", RELAYS, domains=("example.org", "*.example.org")),
            Route("named", RELAYS, domains=("only.named.example",)),
        ]
    )


@pytest.fixture
def limits() -> Limits:
    """The defaults."""
    return Limits()
