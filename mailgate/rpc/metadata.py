"""What calls bring beside their request."""

from __future__ import annotations

from mailgate.rpc.around import Context


def value_of(context: Context, name: str) -> str:
    """The first value of that name (lower case); empty when there is none, or it is binary."""
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return value if isinstance(value, str) else ""
    return ""


def bearer_of(context: Context) -> str:
    """What `authorization: Bearer` shows; empty when it shows nothing."""
    scheme, _, credential = value_of(context, "authorization").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""
