"""Which value of a mail is of a type that cannot be sent. Asked only once encoding or checking has failed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mailgate.mail import Address, Attachment, Header, Parts, Raw

_MANY = {"to": Address, "cc": Address, "bcc": Address, "reply_to": Address, "attachments": Attachment, "headers": Header, "tags": str}
_ADDRESS = 'Address("ann@example.com")'


def mistyped(given: object, field: str, error: Exception) -> Exception:
    """A TypeError that names field, value and cure; `error` itself, when the types of `given` (a Mail or BatchEntry) are all right."""
    told = _fault(given)
    return TypeError(f"{field}{told}") if told else error


def _fault(given: object) -> str:
    if not hasattr(given, "to"):
        return f": {given!r:.80} is no mail: give a Mail"
    author = getattr(given, "from_address", Address(""))
    if not isinstance(author, Address):
        return f".from_address: {author!r:.80} is no Address: write {_ADDRESS}"
    content = getattr(given, "content", None)
    if not isinstance(content, Parts | Raw | None):
        return f".content: {content!r:.80}: give Parts(subject, text, html) or Raw(octets)"
    variables = getattr(given, "variables", b"")
    if not isinstance(variables, bytes):
        return f".variables: they are of type {type(variables).__name__}: give JSON in octets, json.dumps(…).encode()"
    metadata = getattr(given, "metadata", {})
    if not isinstance(metadata, Mapping) or not all(isinstance(each, str) for pair in metadata.items() for each in pair):
        return ".metadata: give a dict from str to str"
    return next(filter(None, (_many(getattr(given, name, ()), name, kind) for name, kind in _MANY.items())), "")


def _many(values: object, name: str, kind: type) -> str:
    one = _ADDRESS if kind is Address else f"{kind.__name__}(…)"
    if not isinstance(values, tuple | list) or isinstance(values, Address):
        return f".{name}: {values!r:.80} is no tuple: write ({one},)"
    wrong = next(((index, value) for index, value in enumerate(values) if not isinstance(value, kind)), None)
    return f".{name}[{wrong[0]}]: {wrong[1]!r:.80} is of type {type(wrong[1]).__name__}: write {one}" if wrong else ""
