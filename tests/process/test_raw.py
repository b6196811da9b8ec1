"""A folder of real messages goes through `raw` and arrives byte for byte; the receiver here changes nothing and adds nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

EML = sorted((Path(__file__).parents[1] / "data/eml").glob("*.eml"))
BCC = re.compile(rb"^(?:resent-)?bcc[ \t]*:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", re.IGNORECASE | re.MULTILINE)
PUT_ON_TOP = re.compile(rb"(?:Message-ID: [^\r]*\r\n)?(?:Date: [^\r]*\r\n)?", re.IGNORECASE)


@dataclass
class Stage:
    """A fleet before a witness that keeps what it takes."""

    witness: Witness
    fleet: Fleet


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for the whole folder."""
    folder = tmp_path_factory.mktemp("raw")
    with Witness(folder, keep=True) as witness, Fleet(folder, witness.port, senders=1, route={"connections": 2}) as fleet:
        yield Stage(witness, fleet)


def expected_of(given: bytes) -> bytes:
    """Lines end in CR LF, Bcc is cut, the last line has its end."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", given)
    lines += b"" if lines.endswith(b"\r\n") else b"\r\n"
    head, blank, body = lines.partition(b"\r\n\r\n")
    return BCC.sub(b"", head + b"\r\n") + blank[2:] + body if blank else BCC.sub(b"", lines)


def is_broken(came: bytes, given: bytes) -> bool:
    """No line of it is too long any more, and all but spaces is as it was, at its end (RFC 5321 4.5.3.1.6)."""
    return max(map(len, came.splitlines())) <= 998 and b"".join(came.split()).endswith(b"".join(given.split()))


@pytest.mark.parametrize("path", EML, ids=lambda path: path.name)
def test_raw_arrives_byte_for_byte(stage: Stage, path: Path) -> None:
    """Nothing changes but bare line ends and Bcc; Message-ID and Date go on top only where they were missing."""
    given = path.read_bytes()
    one = plain_mail("to@example.net", "")
    one.raw = given
    before = len(stage.witness.mails())
    with stage.fleet.door() as door:
        receipt = door.send(service.SendMailRequest(mail=one, wait=Duration(seconds=20)), timeout=30).receipt
    assert receipt.recipients[0].state == mail.RECIPIENT_STATE_DELIVERED
    (came,) = stage.witness.mails()[before:]
    if path.name == "long_lines.eml":
        assert is_broken(came, given)
        return
    expected = expected_of(given)
    assert came.endswith(expected)
    top = came.removesuffix(expected)
    assert PUT_ON_TOP.fullmatch(top), top
    for name in (b"message-id", b"date"):
        assert len(re.findall(rb"^" + name + rb"[ \t]*:", came.partition(b"\r\n\r\n")[0], re.IGNORECASE | re.MULTILINE)) == 1


def test_the_folder_of_real_mails_is_there() -> None:
    """The test above proves nothing over an empty folder."""
    assert len(EML) >= 5
