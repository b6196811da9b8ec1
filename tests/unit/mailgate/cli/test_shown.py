"""What people and programs see of recipients and events."""

from __future__ import annotations

from mailgate.cli.shown import event_json, event_line, recipient_json, recipient_line, stamp
from mailgate.mail import AttemptRecord, Event, EventType, Recipient, RecipientState
from mailgate.verdict import Phase

TRIED = AttemptRecord(1, 1000, 12.4, "n1", remote_host="mx", phase=Phase.BODY, code=250, enhanced_code="2.0.0", text="Ok")


def test_a_delivered_recipient_has_the_servers_words_and_who_had_it() -> None:
    """On one line."""
    line = recipient_line(Recipient(0, "a@example.com", RecipientState.DELIVERED, 1, last_attempt=TRIED))
    assert line == "DELIVERED a@example.com  250 2.0.0 Ok  (node n1, 12 ms)"


def test_an_enhanced_code_that_the_words_repeat_is_said_once() -> None:
    """Most servers do that."""
    tried = AttemptRecord(
        1, code=550, enhanced_code="5.1.1", text="5.1.1 unknown", bounce_class="unknown_user", node_id="n1", duration_ms=0.4
    )
    line = recipient_line(Recipient(0, "a@example.com", RecipientState.BOUNCED, 1, last_attempt=tried))
    why = "The address does not exist, or its mailbox is closed."
    assert line == f"BOUNCED   a@example.com  550 5.1.1 unknown  (unknown_user, node n1, < 1 ms)  {why}"
    shown = recipient_json(Recipient(0, "a@example.com", RecipientState.BOUNCED, 1, last_attempt=tried))
    assert shown["last_attempt"]["explanation"] == why


def test_one_that_waits_says_why_and_until_when() -> None:
    """Both where there are both."""
    line = recipient_line(Recipient(0, "a@example.com", RecipientState.QUEUED, wait_reason="no node", next_attempt_ms=0))
    assert "waits: no node" in line
    assert "again at" in line


def test_words_of_a_server_do_not_steer_the_terminal() -> None:
    """Escape sequences are shown, not obeyed."""
    tried = AttemptRecord(1, code=250, text="\x1b[2Jgone\r\nfake")
    line = recipient_line(Recipient(0, "a\x07@example.com", RecipientState.DELIVERED, 1, last_attempt=tried))
    assert line.isprintable()


def test_json_has_the_names_of_the_contract_and_leaves_out_what_is_not_set() -> None:
    """Times as RFC 3339 has them."""
    shown = recipient_json(Recipient(0, "a@example.com", RecipientState.DELIVERED, 1, update_ms=1500, last_attempt=TRIED))
    assert shown["state"] == "DELIVERED"
    assert shown["update_time"] == "1970-01-01T00:00:01.500Z"
    assert shown["last_attempt"]["phase"] == "BODY"
    assert "next_attempt_time" not in shown
    assert "explanation" not in shown["last_attempt"]
    assert stamp(0) == ""


def test_an_event_on_a_line_and_as_json() -> None:
    """Its id is the same for the same fact."""
    event = Event("t", bytes(16), None, 0, 2, "a@example.com", EventType.DELIVERED, RecipientState.DELIVERED, 0, TRIED, ("x",))
    assert "DELIVERED 00000000-0000-0000-0000-000000000000 a@example.com  250 2.0.0 Ok" in event_line(event)
    assert event_json(event)["event_id"] == "00000000-0000-0000-0000-000000000000.0.2"
    assert event_json(event)["tags"] == ["x"]
