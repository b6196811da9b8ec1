"""What calls bring beside their request."""

from __future__ import annotations

from typing import NamedTuple

from mailgate.rpc.around import Context


class Brought(NamedTuple):
    """`bearer`: what `authorization: Bearer` shows; both empty when they are not there."""

    bearer: str
    traceparent: str


def brought(context: Context) -> Brought:
    """Of what may be there twice the last counts. Must be cheap: asked for every call."""
    metadata = dict(context.invocation_metadata() or ())
    scheme, _, credential = _text(metadata.get("authorization")).partition(" ")
    return Brought(credential.strip() if scheme.lower() == "bearer" else "", _text(metadata.get("traceparent")))


def _text(value: str | bytes | None) -> str:
    return value if isinstance(value, str) else ""
