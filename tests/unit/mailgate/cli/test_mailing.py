"""What a row's mail says is what was checked here: the gateway is given all that its text names."""

import json

import pytest

from gateway.admission.faults import Faults
from gateway.admission.limits import Limits
from gateway.admission.variables import open_variables
from mailgate.cli.mailing import Mailing
from mailgate.cli.sheet import BadRow, Row, open_sheet
from mailgate.mail import Address, Mail, Parts


def test_a_column_that_the_text_sets_anew_is_sent(tmp_path):
    """The engine counts it among what the text declares; left out, everybody would be the friend."""
    csv = tmp_path / "people.csv"
    csv.write_text("email,name,other\na@example.net,Ann,x\n")
    text = "{% set name = name|default('friend') %}Dear {{ name }}"
    mailing = Mailing.of(
        Mail(Address("news@example.com"), content=Parts("Hi", text)),
        open_sheet(csv, encoding="utf-8", delimiter="", email="email", name=""),
    )
    (row,) = mailing.checked()
    assert json.loads(mailing.entry(row, "k").variables) == {"name": "Ann"}


@pytest.mark.parametrize("name", ["👩‍👩‍👧", "a\u00a0b", "a\u200db", "a\u00adb", "\u202eabc", "\ue000"])
def test_a_subject_that_the_gateway_takes_is_taken(tmp_path, name):
    """Not to be seen is not to be a control character."""
    (row,) = mailing(tmp_path, f"a@example.net,{name}").checked()
    assert isinstance(row, Row)
    assert drafted(name) is None


@pytest.mark.parametrize("name", ['"a\nBcc: b@example.net"', "a\tb", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b", "a\x1bb"])
def test_a_subject_that_the_gateway_refuses_is_a_bad_row(tmp_path, name):
    """Before anything is sent."""
    (row,) = mailing(tmp_path, f"a@example.net,{name}").checked()
    assert isinstance(row, BadRow)
    assert "control character" in row.why
    assert "control character" in drafted(name.strip('"'))


def mailing(tmp_path, row):
    """One of a row."""
    csv = tmp_path / "people.csv"
    csv.write_text(f"email,name\n{row}\n", encoding="utf-8", newline="")
    shared = Mail(Address("news@example.com"), content=Parts("Hi {{ name }}", "x"))
    return Mailing.of(shared, open_sheet(csv, encoding="utf-8", delimiter="", email="email", name=""))


def drafted(name):
    """What the gateway says of the same name in the same subject; None: nothing."""
    content = Parts("Hi {{ name }}", "x")
    faults = Faults()
    mail = Mail(Address("news@example.com"), content=content, variables=json.dumps({"name": name}).encode())
    variables = open_variables(mail, "mail", Limits(), faults)
    variables.check(b"", "mail", faults, render=True)
    return str(faults.error()) if faults else None
