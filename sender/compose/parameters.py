"""Parameters of MIME headers: file names in any script (RFC 2231), content types and ids that callers give. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

from mailgate.errors import Invalid
from sender.compose.headers import HARD_LINE, MAX_LINE, refuse_breaks

DEFAULT_TYPE = "application/octet-stream"

_WORD = r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+"
_TYPE = re.compile(rf"({_WORD}/{_WORD})((?:\s*;\s*{_WORD}=(?:{_WORD}|\"(?:[^\"\\\x00-\x1f\x7f-\U0010ffff]|\\[ -~])*\"))*)\s*;?\s*")
_PARAMETER = re.compile(rf"{_WORD}=(?:{_WORD}|\"(?:[^\"\\]|\\.)*\")")
_LONGEST = HARD_LINE - 2  # on a line of its own, after a blank and before a semicolon
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,995}")
_SIMPLE = re.compile(r"[ !#-\[\]-~]*")
_SECTION = 56  # of percent-encoded text in one RFC 2231 section, so that its line stays below 78


def content_type(value: str) -> tuple[str, str]:
    """The type in lower case, and the value of the Content-Type field, folded; application/octet-stream for an empty one.

    Raises:
        Invalid: it is not `type/subtype` with parameters.
    """
    if not value:
        return DEFAULT_TYPE, DEFAULT_TYPE
    refuse_breaks("attachments.content_type", value)
    match = _TYPE.fullmatch(value.strip())
    if not match or len(match[1]) > _LONGEST:
        raise Invalid.field("attachments.content_type", f"{value[:64]!r} is not a content type: give type/subtype, such as application/pdf")
    parameters = _PARAMETER.findall(match[2])
    if any(len(parameter) > _LONGEST for parameter in parameters):
        raise Invalid.field("attachments.content_type", f"{value[:64]!r}… has a parameter of more than {_LONGEST} characters")
    return match[1].lower(), with_parameters("Content-Type", match[1], parameters)


def content_id(value: str) -> str:
    """A Content-ID with its angle brackets, which the caller may have left out.

    Raises:
        Invalid: white space, brackets inside, or no ASCII.
    """
    bare = value[1:-1] if value.startswith("<") and value.endswith(">") else value
    if not _CONTENT_ID.fullmatch(bare):
        raise Invalid.field("attachments.content_id", f"{value[:64]!r} is not a content id: use printable ASCII without spaces and <>")
    return f"<{bare}>" if len(bare) + len("Content-ID: <>") <= MAX_LINE else f"\r\n <{bare}>"


def disposition(kind: str, filename: str) -> str:
    """The value of Content-Disposition, folded.

    Raises:
        Invalid: CR, LF or NUL in the name.
    """
    if not filename:
        return kind
    refuse_breaks("attachments.filename", filename)
    return with_parameters("Content-Disposition", kind, _filename(filename))


def _filename(name: str) -> list[str]:
    if _SIMPLE.fullmatch(name) and len(name) <= 60 and "=?" not in name:  # noqa: PLR2004
        return [f'filename="{name}"']
    try:
        encoded = quote(name, safe="")
    except UnicodeEncodeError:
        raise Invalid.field("attachments.filename", f"{name[:64]!r} has half of a surrogate pair: give whole characters") from None
    if len(encoded) <= _SECTION:
        return [f"filename*=utf-8''{encoded}"]
    return [f"filename*{n}*={'' if n else 'utf-8' + 2 * chr(39)}{section}" for n, section in enumerate(_sections(encoded))]


def _sections(encoded: str) -> list[str]:
    """Cut between characters, so that each section can be decoded alone."""
    sections, start = [], 0
    while start < len(encoded):
        end = start + _SECTION
        if "%" in encoded[end - 2 : end]:
            end = encoded.index("%", end - 2)
        while encoded[end : end + 1] == "%" and encoded[end + 1] in "89AB":  # an octet that continues a character
            end -= 3
        sections.append(encoded[start:end])
        start = end
    return sections


def with_parameters(name: str, value: str, parameters: list[str]) -> str:
    """The value and its parameters, each on a line of its own where they do not fit on one."""
    line = len(name) + 2 + len(value)
    text = value
    if line > MAX_LINE:
        line = 1 + len(value)
        text = f"\r\n {value}"
    for parameter in parameters:
        if line + 2 + len(parameter) + 1 > MAX_LINE:
            text += f";\r\n {parameter}"
            line = 1 + len(parameter)
        else:
            text += f"; {parameter}"
            line += 2 + len(parameter)
    return text
