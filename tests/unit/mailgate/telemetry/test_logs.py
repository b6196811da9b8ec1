"""A log line is an event and fields, and names no address above DEBUG, wherever it came from."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.errors import SettingsInvalid
from mailgate.telemetry.logs import MASK, configure, get_logger, mask
from mailgate.telemetry.options import TelemetryOptions

pytestmark = pytest.mark.usefixtures("logs_put_back")


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def set_up(level="info", log_format="json", **fields):
    out = io.StringIO()
    configure(TelemetryOptions(log_level=level, log_format=log_format), out, **fields)
    return out


def test_a_line_is_an_event_and_its_fields():
    """One JSON object a line: when, how grave, who, what; and the process's own fields."""
    out = set_up(role="sender", node="n1")
    get_logger("sender.app").info("node.started", port=25)
    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "node.started", "level": "info", "module": "sender.app", "port": 25, "role": "sender", "node": "n1"}


def test_console_lines_are_for_people():
    """No colour codes where there is no terminal."""
    out = set_up(log_format="console")
    get_logger("x").warning("disk.nearly_full", free_bytes=12)
    assert "disk.nearly_full" in out.getvalue()
    assert "free_bytes=12" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_what_is_below_the_level_is_not_written():
    """From our rooms and from libraries alike."""
    out = set_up("warning")
    get_logger("x").info("a")
    logging.getLogger("lib").info("b")
    get_logger("x").warning("c")
    logging.getLogger("lib").warning("d")
    assert [line["event"] for line in lines(out)] == ["c", "d"]


def test_a_library_s_chatter_is_not_ours():
    """Libraries speak from WARNING on (aiosmtpd logs addresses at INFO); with log_level debug from INFO on."""
    out = set_up("info")
    logging.getLogger("lib").info("chatter")
    assert out.getvalue() == ""
    out = set_up("debug")
    logging.getLogger("lib").info("chatter")
    assert lines(out)[0]["module"] == "lib"


ADDRESSES = [
    "joe@example.com",
    "Joe <joe.doe+tag@example.com>",
    "møller@bücher.example",
    '"odd one"@example.com',
    "to=joe@example.com;",
    "bounce+joe=example.org@example.com",
    "o'joe@[127.0.0.1]",
]


@pytest.mark.parametrize("text", ADDRESSES)
@pytest.mark.parametrize("wrapped", [str, lambda t: [t], lambda t: {"k": (t,)}, lambda t: {t: 1}, ValueError])
def test_no_address_is_written_at_info(text, wrapped):
    """In a string, a list, a mapping's key or value, an exception."""
    out = set_up()
    get_logger("x").info("mail.accepted", field=wrapped(text))
    assert "@" not in out.getvalue()
    assert "joe" not in out.getvalue()
    assert MASK in out.getvalue()


def test_no_address_is_written_by_a_library_or_a_traceback():
    """A server's reply in an exception may name the recipient."""
    out = set_up()
    logging.getLogger("lib").warning("refused %s", "joe@example.com")
    try:
        raise ValueError("550 no such user joe@example.com")
    except ValueError:
        get_logger("x").exception("broken")
        logging.getLogger("lib").exception("also broken")
    assert len(lines(out)) == 3
    assert "@" not in out.getvalue()
    assert all("ValueError" in line["exception"] for line in lines(out)[1:])


@given(st.text(), st.from_regex(r"[a-z0-9.+-]{1,20}@[a-z0-9-]{1,20}\.example", fullmatch=True), st.text())
def test_an_address_is_masked_whatever_is_around_it(before, address, after):
    """No text around it lets an address through whole."""
    assert address not in mask(None, "info", {"event": f"{before}{address}{after}"})["event"]


@pytest.mark.parametrize(
    "text", ["a" * 200_000, '"' * 200_000, "a@" * 100_000, '"a' * 100_000 + "@"], ids=["run", "quotes", "ats", "quoted"]
)
def test_an_address_is_masked_behind_much_of_anything(text):
    """A server may answer with what it likes; a traceback is not cut, so that its end must be masked too."""
    masked = mask(None, "info", {"exception": f"{text} joe@example.com"})["exception"]
    assert masked.endswith(f" {MASK}")
    assert "joe" not in masked


def test_at_debug_addresses_are_written():
    """Whoever looks for a fault asked for them."""
    out = set_up("debug")
    get_logger("x").debug("rcpt", email="joe@example.com")
    assert lines(out)[0]["email"] == "joe@example.com"


def test_no_body_is_written_at_info():
    """Octets are counted, long text is cut; an id is written in hex."""
    out = set_up()
    get_logger("x").info("job.refused", job=bytes(16), body=b"secret" * 10, text="long " * 1000)
    (line,) = lines(out)
    assert line["job"] == "00" * 16
    assert line["body"] == "60 octets"
    assert len(line["text"]) < 2100
    assert line["text"].endswith("(5000 characters)")


def test_a_logger_may_be_made_before_the_set_up():
    """Modules make theirs at import."""
    early = get_logger("early")
    out = set_up()
    early.info("hello")
    assert lines(out)[0]["event"] == "hello"


def test_an_impossible_level_is_told_with_its_key():
    """An operator's mistake is no traceback."""
    with pytest.raises(SettingsInvalid, match=r'telemetry\.log_level = "loud": choose one of debug'):
        configure(TelemetryOptions(log_level="loud"))
