"""What etcd's texts mean, and what is logged of trouble."""

from __future__ import annotations

import grpc
import pytest
import structlog.testing

from mailgate.etcd.failure import Failure, judge
from mailgate.etcd.trouble import MOST, Trouble
from mailgate.telemetry.logs import get_logger

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "text", "failure"),
    [
        (Code.UNAVAILABLE, "etcdserver: no leader", Failure.PASSING),
        (Code.UNAVAILABLE, "etcdserver: request timed out, possibly due to previous leader failure", Failure.PASSING),
        (Code.UNKNOWN, "context canceled", Failure.PASSING),
        (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", Failure.PASSING),
        (Code.UNAUTHENTICATED, "etcdserver: invalid auth token", Failure.TOKEN),
        (Code.INVALID_ARGUMENT, "etcdserver: revision of auth store is old", Failure.TOKEN),
        (Code.INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password", Failure.CREDENTIALS),
        (Code.INVALID_ARGUMENT, "etcdserver: user name is empty", Failure.NO_USER),
        (Code.FAILED_PRECONDITION, "etcdserver: authentication is not enabled", Failure.NO_USERS),
        (Code.PERMISSION_DENIED, "etcdserver: permission denied", Failure.FORBIDDEN),
        (Code.NOT_FOUND, "etcdserver: requested lease not found", Failure.NO_LEASE),
        (Code.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request", Failure.REFUSED),
        (Code.UNIMPLEMENTED, "unknown service etcdserverpb.KV", Failure.REFUSED),
    ],
)
def test_etcds_texts(code: grpc.StatusCode, text: str, failure: Failure):
    """Its codes alone do not tell an old revision of the users from a wrong password."""
    assert judge(code, text) is failure


def test_trouble_is_told_once_for_each_reason():
    """Members that are down in turn do not fill the log; its end is told, and the next trouble anew."""
    trouble = Trouble(get_logger("test"), "etcd_trouble", "etcd_fine")
    with structlog.testing.capture_logs() as logs:
        trouble.over()
        for _ in range(3):
            for number in range(MOST + 2):
                trouble.tell(f"m{number} is down")
        assert trouble.reason == f"m{MOST + 1} is down"
        trouble.over()
        trouble.over()
        trouble.tell("m0 is down")
    assert [entry["event"] for entry in logs] == ["etcd_trouble"] * MOST + ["etcd_fine", "etcd_trouble"]
