"""A mail as a JSON file: the proto's Mail or SendMailRequest in protobuf's JSON form."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format

from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.errors import Invalid
from mailgate.mail import Mail
from mailgate.rpc import mails


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
    wait = request.wait.ToNanoseconds() / 1e9 if request.HasField("wait") else None
    return mails.mail_from_proto(request.mail), wait, request.validate_only
