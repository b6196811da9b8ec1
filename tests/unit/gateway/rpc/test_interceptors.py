"""Who may call what: keys and scopes, for every method."""

from __future__ import annotations

import grpc
import pytest

from gateway.rpc.interceptors import ADMIN, MAIL, SCOPES
from mailgate import errors
from mailgate.api.admin.v1 import admin_service_pb2
from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.rpc.channel import bearer
from mailgate.rpc.status import from_rpc_error

METHODS = {
    prefix + method.name: method
    for prefix, file, name in ((MAIL, mail_service_pb2, "MailService"), (ADMIN, admin_service_pb2, "AdminService"))
    for method in file.DESCRIPTOR.services_by_name[name].methods
}


def test_every_method_has_its_scope():
    """One that is forgotten would be closed; one that is gone would mislead."""
    assert set(SCOPES) == set(METHODS)


async def outcome(channel, path, metadata):
    """The error of an empty request."""
    if path.endswith("WatchEvents"):
        call = channel.unary_stream(path)(b"", metadata=metadata, timeout=5)
        answered = call.read()
    else:
        answered = channel.unary_unary(path)(b"", metadata=metadata, timeout=5)
    try:
        await answered
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    return None


@pytest.mark.parametrize("path", METHODS)
async def test_without_a_known_key_nothing_opens(gateway, path):
    """Unary or stream, for callers and operators."""
    for metadata in (
        None,
        bearer("unknown"),
        (("authorization", "both"),),
        (("authorization", "Basic both"),),
        (("authorization", "Bearer "),),
        (("x-other", "Bearer both"),),
    ):
        error = await outcome(gateway.channel, path, metadata)
        assert type(error) is errors.Unauthenticated
        assert "both" not in str(error)


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize("name", ["send", "read", "operate"])
async def test_a_scope_opens_its_methods_and_no_others(gateway, path, name):
    """The error names the scope that is missing."""
    error = await outcome(gateway.channel, path, bearer(name))
    assert isinstance(error, errors.ScopeMissing) == (SCOPES[path] != name)
    if isinstance(error, errors.ScopeMissing):
        assert f"scope {SCOPES[path]}" in str(error)


async def test_the_scheme_is_read_as_http_has_it(gateway):
    """In any case (RFC 9110 11.1)."""
    assert type(await outcome(gateway.channel, f"{MAIL}GetMail", (("authorization", "bearer  read"),))) is errors.Invalid
