"""Who calls, and whether the key allows it: for every method of the services for callers."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

from gateway.admission.tenants import Caller, Scope, Tenants
from mailgate.errors import ScopeMissing, Unauthenticated
from mailgate.rpc.around import Context, Enter, Fail, Interceptor
from mailgate.rpc.metadata import brought

MAIL = "/mailgate.api.mail.v1.MailService/"
ADMIN = "/mailgate.api.admin.v1.AdminService/"

SCOPES: Mapping[str, Scope] = {
    f"{MAIL}SendMail": Scope.SEND,
    f"{MAIL}BatchSendMail": Scope.SEND,
    f"{MAIL}StreamMail": Scope.SEND,
    f"{MAIL}UploadContent": Scope.SEND,
    f"{MAIL}GetMail": Scope.READ,
    f"{MAIL}ListRecipients": Scope.READ,
    f"{MAIL}WatchEvents": Scope.READ,
    f"{ADMIN}ListNodes": Scope.OPERATE,
    f"{ADMIN}DrainNode": Scope.OPERATE,
    f"{ADMIN}ResumeNode": Scope.OPERATE,
    f"{ADMIN}GetQueue": Scope.OPERATE,
    f"{ADMIN}ListDoubts": Scope.OPERATE,
    f"{ADMIN}ResolveDoubt": Scope.OPERATE,
    f"{ADMIN}ListSites": Scope.OPERATE,
    f"{ADMIN}TraceSite": Scope.OPERATE,
}
"""A method of these services that is not here is refused: forgetting one closes it."""

_CALLER: ContextVar[Caller] = ContextVar("caller")
_TRACEPARENT: ContextVar[str] = ContextVar("traceparent")


def caller() -> Caller:
    """Whose call this is; in a handler of a method in SCOPES."""
    return _CALLER.get()


def traceparent() -> str:
    """The W3C header that came with the call, unchecked; empty when there was none."""
    return _TRACEPARENT.get()


def authentication(tenants: Tenants) -> Interceptor:
    """Asks for `authorization: Bearer KEY` and the method's scope; other services have guards of their own."""

    def choose(method: str) -> tuple[Enter | None, Fail | None] | None:
        if not method.startswith((MAIL, ADMIN)):
            return None
        scope = SCOPES.get(method)

        def enter(context: Context) -> None:
            here = brought(context)
            found = _find(tenants, here.bearer)
            if scope is None or scope not in found.scopes:
                raise ScopeMissing(f"this key does not allow the call: it needs the scope {scope or 'of a later release'}")
            _CALLER.set(found)
            _TRACEPARENT.set(here.traceparent)

        return enter, None

    return Interceptor(choose)


def _find(tenants: Tenants, key: str) -> Caller:
    if not key:
        raise Unauthenticated("no API key: send the metadata `authorization: Bearer KEY`")
    found = tenants.find(key)
    if found is None:
        raise Unauthenticated("this gateway does not know the API key: check it, and that it was sent to the right gateway")
    return found
