"""What a row's mail says is what was checked here: the gateway is given all that its text names."""

import json

from mailgate.cli.mailing import Mailing
from mailgate.cli.sheet import open_sheet
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
