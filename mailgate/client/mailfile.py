"""A mail as a JSON file: the proto's Mail or SendMailRequest in protobuf's JSON form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format

from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.errors import Invalid
from mailgate.mail import Mail
from mailgate.rpc import mails

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")


def read_request(data: bytes, name: str) -> tuple[Mail, float | None, bool]:
    """The mail, how long to wait for it (seconds; None: not at all), and whether it is only to be checked.

    Names may be written as in the protos (`from_address`) or as protobuf's JSON has them (`fromAddress`); bytes are base64.

    Raises:
        Invalid: it is no such file; `name` says which.
    """
    try:
        tree: Any = json.loads(data)
    except ValueError as error:
        raise Invalid.field(name, f"it is not JSON: {error}") from None
    if not isinstance(tree, dict):
        raise Invalid.field(name, "it is no JSON object: write a Mail, or a SendMailRequest with the mail in `mail`")
    request = mail_service_pb2.SendMailRequest()
    try:
        if "mail" in tree:
            json_format.ParseDict(tree, request)
        else:
            json_format.ParseDict(tree, request.mail)
    except json_format.ParseError as error:
        raise Invalid.field(name, " ".join(str(error).split())) from None
    _check_base64(tree, name)
    wait = request.wait.ToNanoseconds() / 1e9 if request.HasField("wait") else None
    return mails.mail_from_proto(request.mail), wait, request.validate_only


def _check_base64(tree: Mapping[str, Any], name: str) -> None:
    """The parser skips what is not base64, and would send what is left."""
    mail = tree.get("mail", tree)
    for field, value in _octets(mail):
        if isinstance(value, str) and not _BASE64.fullmatch(value):
            raise Invalid.field(name, f"{field} is not base64: write the octets as `base64 -w0 FILE` prints them")


def _octets(mail: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The fields of type bytes."""
    yield "raw", mail.get("raw")
    for index, file in enumerate(mail.get("attachments") or ()):
        yield f"attachments[{index}].data", file.get("data")
