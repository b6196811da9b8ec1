"""`mailgate shaping`: whose a domain is, and what would follow a reply, without asking anybody who need not be asked."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from mailgate.cli.__main__ import main

GMAIL = "421-4.7.28 Gmail has detected an unusual rate of mail originating from your IP\\n421 4.7.28 address."
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def once(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["shaping", *arguments])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return once


def explained(run: Run, *arguments: str) -> dict[str, Any]:
    code, text = run("explain", *arguments, "--json")
    assert code == 0, text
    found: dict[str, Any] = json.loads(text)
    return found


def test_what_a_reply_would_do(run: Run) -> None:
    """The provider and why, its limits, the rule, the class, three times of a suspension, and the recipient."""
    told = explained(run, "ann@gmail.com", GMAIL)
    assert (told["provider"], told["why"], told["looked_up"]) == ("google", "gmail.com is of its domains", False)
    assert (told["connections"], told["mails_per_connection"]) == (5, 50)
    assert (told["class"], told["recipient"]) == ("rate_limited", "DEFERRED")
    assert (told["rule"], told["action"], told["suspended_s"]) == ("providers.google.replies[0]", "suspend", [120, 240, 480])
    _, text = run("explain", "gmail.com", GMAIL)
    assert "nothing is sent there for 2m; said again, for 4m, then 8m, and never longer than 1h" in text
    assert 'enhanced_code = "4.7.28"' in text


def test_a_domain_by_its_servers(run: Run) -> None:
    """They are given, so that nobody is asked; the first that is a provider's decides."""
    told = explained(run, "shop.example", "--mx", "mx.shop.example", "--mx", "shop-example.mail.protection.outlook.com")
    assert told["provider"] == "microsoft365"
    assert told["why"] == "shop-example.mail.protection.outlook.com is of its mail servers (*.mail.protection.outlook.com)"
    assert "reply" not in told
    assert explained(run, "shop.example", "--mx", "mx.shop.example")["why"] == "it is no provider's: [default] holds"


@pytest.mark.parametrize(
    ("reply", "phase", "what", "counted", "recipient"),
    [
        ("550 5.1.1 no such user", "rcpt", "no rule is for this reply", False, "BOUNCED"),
        ("550 5.7.1 looks like spam", "body", "no rule is for this reply", True, "BOUNCED"),
        ("452 4.5.3 too many recipients", "rcpt", "this rule says that the reply is not about us", False, "DEFERRED"),
        ("421 too many connections", "connect", "half the connections; one comes back each 5m", True, "DEFERRED"),
        ("450 4.7.1 too much mail from you", "mail", "half the rate; a tenth of it comes back each 5m", True, "DEFERRED"),
        ("250 2.0.0 Ok", "body", "it is no refusal", False, "DELIVERED"),
    ],
)
def test_a_reply_of_a_stranger(run: Run, reply: str, phase: str, what: str, counted: bool, recipient: str) -> None:
    """Each action in words."""
    told = explained(run, "shop.example", reply, "--mx", "mx.shop.example", "--phase", phase)
    assert what in told["what"]
    assert (told["counted_for_refused_share"], told["recipient"]) == (counted, recipient)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gmail.com", "hello"), "is no reply: it begins with a code of three digits"),
        (("gmail.com", "421 x", "--phase", "nowhere"), "--phase 'nowhere'"),
        (("x.example", "--nameserver", "nobody"), "--nameserver 'nobody': write the address of a name server"),
        (("gmail.com", "--nameserver", "nobody"), "--nameserver 'nobody': write the address of a name server"),
        (("",), "DOMAIN '': write a full name"),
        (("a b", "--mx", "x.example"), "DOMAIN 'a b': write a full name"),
        (("a@b@c.example",), "DOMAIN 'a@b@c.example': write a full name"),
        (("shop.example", "--mx", ""), "--mx '': write a full name"),
        (("shop.example", "--mx", "a@mx.example"), "--mx 'a@mx.example': write a full name"),
        (("gmail.com", "--file", "/absent/file.toml"), "it can't be read"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run: Run, arguments: Sequence[str], said: str) -> None:
    """And ends with the code for usage."""
    code, text = run("explain", *arguments)
    assert (code, said in text) == (2, True), text
    assert "Traceback" not in text


def test_dns_that_fails(run: Run) -> None:
    """Port 1 answers nobody: the error says what to do without DNS."""
    code, text = run("explain", "shop.example", "--nameserver", "127.0.0.1:1")
    assert code == 3
    assert "name its servers by --mx HOST, and DNS is not asked" in text


@pytest.mark.parametrize(("code", "said"), [(3, "does not exist"), (0, "takes no mail")])
def test_a_domain_that_takes_no_mail_is_not_there(run: Run, code: int, said: str) -> None:
    """No name (3) or a null MX: 1, since another try cannot help."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        Thread(target=answer, args=(server, code), daemon=True).start()
        ended, text = run("explain", "shop.example", "--nameserver", f"127.0.0.1:{server.getsockname()[1]}")
    assert (ended, said in text) == (1, True), text


def answer(server: socket.socket, code: int) -> None:
    """The first question, with a null MX or with an error."""
    asked, where = server.recvfrom(512)
    question = asked[12 : asked.index(b"\0", 12) + 5]
    null_mx = b"" if code else b"\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x03\0\0\0"
    counts = struct.pack(">HHHHH", 0x8180 | code, 1, bool(null_mx), 0, 0)
    server.sendto(asked[:2] + counts + question + null_mx, where)


def test_a_table_of_ones_own(run: Run, tmp_path: Path) -> None:
    """Shown, checked, and used."""
    code, shipped = run("show")
    assert code == 0
    mine = tmp_path / "mine.toml"
    mine.write_text(shipped + '\n[providers.own]\ndomains = ["shop.example"]\nmails_per_second = 2.5\n')
    code, text = run("check", str(mine))
    assert code == 0
    assert "no mistakes; 16 providers" in text
    told = explained(run, "shop.example", "--file", str(mine))
    assert (told["provider"], told["mails_per_second"]) == ("own", 2.5)
    mine.write_text('[providers.own]\ndomains = ["shop.example"]\nconnections = 1\nmails_per_connection = 1\n')
    assert "no mistakes; 1 provider, 0 rules" in run("check", str(mine))[1]
    assert "1 connection, 1 mail in a connection" in run("explain", "shop.example", "--file", str(mine))[1]
    mine.write_text("[default]\nconnections = -1\n[[default.replies]]\naction = 'slow'\n")
    code, text = run("check", str(mine))
    assert code == 2
    assert text.count(str(mine)) == 2
