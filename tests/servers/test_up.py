"""The newcomer's way through a real server: `mailgate up --relay`, then `mailgate send --wait` in a second terminal."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.postfix import Postfix
from benchmarks.peers.up import Up, run_mailgate
from mailgate.api.mail.v1 import mail_service_pb2 as service


def test_up_with_a_relay_and_send(maildrop: Postfix, tmp_path: Path) -> None:
    """`send --wait` prints DELIVERED and ends with 0, and the mail is in the maildir; so does `send --eml`; and `up` ends with 0."""
    letter = tmp_path / "letter.eml"
    letter.write_bytes(b"From: a@example.com\r\nTo: newcomer@example.net\r\nSubject: marker-eml\r\n\r\nAs it is.\r\n")
    with Up(tmp_path, "--relay", f"smtp://127.0.0.1:{maildrop.port}") as up:
        with up.door() as door:
            up.first_answer(door, service.SendMailRequest(mail=plain_mail("first@example.net", "Hello"), wait=Duration(seconds=20)))
        code, out, complaint = run_mailgate(
            ["send", "--to", "newcomer@example.net", "--subject", "marker-up", "--text", "Hello", "--wait"], tmp_path
        )
        assert code == 0, (out, complaint, up.tail())
        assert "DELIVERED" in out
        code, out, complaint = run_mailgate(["send", "--eml", letter, "--wait"], tmp_path)
        assert code == 0, (out, complaint, up.tail())
        assert up.stop(20) == 0, up.tail()
    for marker in (b"marker-up", b"marker-eml"):
        assert sum(marker in one for one in maildrop.mails()) == 1
