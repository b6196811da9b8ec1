"""A content that is a template, rendered for one mail. Pure.

Templates are compiled, and shared variables read, once while they are among the last of their kind: what remains is a few microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from mailgate.errors import Invalid
from mailgate.job import Content, Envelope
from mailgate.mail import Parts
from mailgate.template.content import Unrenderable, compiled
from mailgate.template.variables import Unreadable, read


def render(content: Content, envelope: Envelope) -> Content:
    """The content as this mail has it.

    Raises:
        Invalid: it cannot be rendered with the mail's variables, or what comes out is no mail: no node ever can compose it.
    """
    if not isinstance(content.body, Parts):
        raise Invalid.field("content", "a raw message is no template")
    try:
        shared = _shared(content.variables)
        variables = {**shared, **read(envelope.variables)} if envelope.variables else shared
        parts = compiled(content.body).render(variables)
    except Unrenderable as reason:
        needs = f"; it needs {', '.join(reason.missing)}" if reason.missing else ""
        raise Invalid.field(reason.field, f"line {reason.line}: {reason.text}{needs}") from None
    except Unreadable as reason:
        raise Invalid.field("variables", str(reason)) from None
    for field, text in (("text", parts.text), ("html", parts.html)):
        if "\0" in text:
            raise Invalid.field(field, "holds a NUL character, which no message may (RFC 5322 4)")
    return replace(content, body=parts, template=False, variables=b"")


@lru_cache(maxsize=16)
def _shared(data: bytes) -> Mapping[str, Any]:
    return read(data)
