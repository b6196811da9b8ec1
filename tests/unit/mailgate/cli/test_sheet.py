"""CSVs as people have them: good ones in any dress, and each kind of bad row by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailgate.cli.exits import Usage
from mailgate.cli.sheet import MAX_COLUMNS, BadRow, Row, open_sheet


def sheet(tmp_path: Path, data: bytes | str, **options: str):
    """The file, opened."""
    path = tmp_path / "people.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return open_sheet(path, **{"encoding": "utf-8", "delimiter": "", "email": "email", "name": "", **options})


def good(found) -> list[tuple[int, str, dict[str, str]]]:
    return [(row.line, row.email, row.values) for row in found if isinstance(row, Row)]


def bad(found) -> list[tuple[int, str]]:
    return [(row.line, row.why) for row in found if isinstance(row, BadRow)]


PLAIN = [(2, "a@example.com", {"email": "a@example.com", "name": "Zoë"}), (3, "b@example.com", {"email": "b@example.com", "name": "B"})]
TEXT = "email,name\na@example.com,Zoë\nb@example.com,B\n"


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (TEXT, {}),
        (TEXT.replace("\n", "\r\n"), {}),
        (TEXT.rstrip(), {}),
        (b"\xef\xbb\xbf" + TEXT.encode(), {}),
        (TEXT.replace(",", ";"), {}),
        (TEXT.replace(",", "\t"), {}),
        (TEXT.replace(",", "|"), {"delimiter": "|"}),
        (TEXT.replace("Zoë", '"Zoë"'), {}),
        (TEXT.encode("latin-1"), {"encoding": "latin-1"}),
        (TEXT.encode("utf-16"), {"encoding": "utf-16"}),
        (TEXT.replace("email", "EMail"), {}),
    ],
)
def test_the_same_in_any_dress(tmp_path, data, options):
    """Line ends, a BOM, other delimiters, quotes, encodings, a head in capitals."""
    found = good(sheet(tmp_path, data, **options).rows())
    assert [(line, email, list(values.values())) for line, email, values in found] == [
        (line, email, list(values.values())) for line, email, values in PLAIN
    ]


def test_rows_are_walked_again_and_again(tmp_path):
    """Sending comes after checking."""
    found = sheet(tmp_path, TEXT)
    assert good(found.rows()) == good(found.rows()) == PLAIN


def test_lines_are_those_of_the_file(tmp_path):
    """Though a field holds line ends and lines are empty."""
    text = 'email,note\n\na@example.com,"two\nlines"\n\n\nb@example.com,x\nno address,y\n'
    found = list(sheet(tmp_path, text).rows())
    assert [(line, email) for line, email, _ in good(found)] == [(3, "a@example.com"), (7, "b@example.com")]
    assert good(found)[0][2]["note"] == "two\nlines"
    assert [line for line, _ in bad(found)] == [8]


def test_each_bad_row_says_why(tmp_path):
    """And the rows around it are sound."""
    rows = [
        ",A",
        " a@example.com ,A",
        "A@EXAMPLE.COM,B",
        "a@example.com,B",
        "nonsense,C",
        "b@example.com",
        "c@example.com,C,D",
        "d@example.com,D",
    ]
    text = "\n".join(["email,name", *rows])
    found = list(sheet(tmp_path, text).rows())
    assert [email for _, email, _ in good(found)] == ["a@example.com", "A@example.com", "d@example.com"]
    why = dict(bad(found))
    assert why[2] == "email is empty"
    assert why[5] == "a@example.com is in line 3 already"
    assert "'nonsense' is not an address" in why[6]
    assert why[7] == "it has 1 field, the head has 2"
    assert why[8] == "it has 3 fields, the head has 2"


def test_octets_of_another_encoding_are_named(tmp_path):
    """With the cure; the other rows are read."""
    found = list(sheet(tmp_path, b"email,name\na@example.com,Zo\xeb\nb@example.com,B\n").rows())
    assert len(good(found)) == 1
    assert bad(found) == [(2, "name is not utf-8 (octet 0xeb): save the file as UTF-8, or give --encoding latin-1 or cp1252")]


@pytest.mark.parametrize("text", ['b@example.com,"never closed\nc@example.com,C\n', 'b@example.com,"closed" early\nc@example.com,C\n'])
def test_broken_quoting_ends_the_walk(tmp_path, text):
    """Nobody knows where the row ends; what came before is read, and its line is told."""
    found = sheet(tmp_path, "email,name\na@example.com,A\n" + text)
    assert [email for _, email, _ in good(found.rows())] == ["a@example.com"]
    assert found.broken is not None
    assert found.broken.line == 3
    assert "what follows it was not read" in found.broken.why


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        ("", {}, "it is empty"),
        ("\n\n", {}, "it is empty"),
        ("mail,name\n", {}, "there is no column 'email': there are mail, name; name the one to use with --email-column"),
        ("email|name\n", {}, "name the one to use with --email-column; is there another --delimiter in this file?"),
        ("email,name\n", {"name": "nom"}, "there is no column 'nom'"),
        ("email,,name\n", {}, "column 2 has no name"),
        ("email,name,name\n", {}, "the column 'name' is there twice"),
        ("email,first name,first-name\n", {}, "the columns 'first name' and 'first-name' are both first_name in templates"),
        ("email," + ",".join(f"c{n}" for n in range(MAX_COLUMNS)), {}, "1,001 columns, at most 1,000"),
        ('email,"name\n', {}, "the head cannot be read"),
        (TEXT.encode("utf-16"), {}, "it is UTF-16: give --encoding utf-16"),
        ("email,na\u00efve\n".encode("latin-1"), {}, "line 1: it is not utf-8"),
        (TEXT, {"encoding": "klingon"}, "there is no such encoding"),
        (TEXT, {"delimiter": "ab"}, "give one character"),
    ],
)
def test_a_wrong_head(tmp_path, data, options, says):
    """Is the user's mistake, with the cure."""
    with pytest.raises(Usage, match=says):
        sheet(tmp_path, data, **options)


def test_a_file_that_is_not_there(tmp_path):
    """Or may not be read."""
    with pytest.raises(Usage, match="it can't be read"):
        open_sheet(tmp_path / "none.csv", encoding="utf-8", delimiter="", email="email", name="")


def test_a_thousand_columns(tmp_path):
    """Are taken."""
    head = "email," + ",".join(f"c{n}" for n in range(MAX_COLUMNS - 1))
    ((_, _, values),) = good(sheet(tmp_path, f"{head}\na@example.com{',x' * (MAX_COLUMNS - 1)}\n").rows())
    assert len(values) == MAX_COLUMNS


def test_columns_are_named_so_that_templates_can(tmp_path):
    """What is no name becomes one."""
    found = sheet(tmp_path, "email,First name,2nd,naïve\na@example.com,A,B,C\n")
    assert found.names == ["email", "First_name", "_2nd", "naïve"]
