"""The results file: begun, gone on with after any death, and refused where it is another run's."""

from __future__ import annotations

import csv

import pytest

from mailgate.cli.exits import Usage
from mailgate.cli.results import Result, Results, open_results

RANDOM = b"8 octets"


def lines(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_run_goes_on_where_it_was(tmp_path):
    """With the same keys, and without those that are done; bad rows are looked at anew."""
    path = tmp_path / "r.csv"
    with open_results(path, "text", RANDOM) as first:
        first.write(
            [Result(2, "a@example.com", "ACCEPTED", "id"), Result(3, "b@example.com", "REFUSED", "", "why, so"), Result(4, "", "BAD")]
        )
        key = first.key("a@example.com")
    with open_results(path, "text", b"other 8 octets") as again:
        assert again.done == {"a@example.com", "b@example.com"}
        assert again.accepted == 1
        assert again.key("a@example.com") == key
        again.write([Result(5, "c@example.com", "ACCEPTED", "id")])
    assert [line[:5] for line in lines(path)[1:]] == [
        ["2", "a@example.com", "ACCEPTED", "id", ""],
        ["3", "b@example.com", "REFUSED", "", "why, so"],
        ["4", "", "BAD", "", ""],
        ["5", "c@example.com", "ACCEPTED", "id", ""],
    ]


def test_keys_differ_by_run_and_address(tmp_path):
    """And are short."""
    with open_results(tmp_path / "1", "text", RANDOM) as one, open_results(tmp_path / "2", "text", RANDOM[::-1]) as two:
        keys = {one.key("a@example.com"), one.key("b@example.com"), two.key("a@example.com")}
    assert len(keys) == 3
    assert max(map(len, keys)) < 100


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_death_in_the_middle_of_a_line(tmp_path, cut):
    """Costs that line, which is sent again with the same key."""
    path = tmp_path / "r.csv"
    with open_results(path, "text", RANDOM) as first:
        first.write([Result(2, "a@example.com", "ACCEPTED", "id")])
        before = path.stat().st_size
        first.write([Result(3, "b@example.com", "ACCEPTED", "id of the second")])
    path.write_bytes(path.read_bytes()[: before + min(cut, path.stat().st_size - before - 2)])
    with open_results(path, "text", RANDOM) as again:
        assert again.done == {"a@example.com"}
        again.write([Result(3, "b@example.com", "ACCEPTED", "id")])
    with open_results(path, "text", RANDOM) as last:
        assert last.done == {"a@example.com", "b@example.com"}


def test_another_text_is_another_run(tmp_path):
    """Going on would send half of the people something else."""
    with open_results(tmp_path / "r.csv", "text", RANDOM):
        pass
    with pytest.raises(Usage, match="of mails with another text"):
        open_results(tmp_path / "r.csv", "other", RANDOM)


@pytest.mark.parametrize("content", [b"email,name\n", b"\xff\xfe\x00\n", b"\n"])
def test_a_file_of_somebody_elses(tmp_path, content):
    """Is not written to."""
    path = tmp_path / "r.csv"
    path.write_bytes(content)
    with pytest.raises(Usage, match="it is no results file"):
        open_results(path, "text", RANDOM)
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written(tmp_path):
    """Names the flag."""
    with pytest.raises(Usage, match="--results"):
        open_results(tmp_path / "none" / "r.csv", "text", RANDOM)


@pytest.mark.parametrize("content", ["email,name\na@example.com,Ann\nb@example.com,Bo", "email\ra@example.com", "x"])
def test_a_file_of_somebody_elses_is_left_as_it_is(tmp_path, content):
    """The recipients themselves, say; though it does not end in a line end, as ours does not after a death."""
    path = tmp_path / "people.csv"
    path.write_bytes(content.encode())
    with pytest.raises(Usage, match="no results file"):
        open_results(path, "text", RANDOM)
    assert path.read_bytes() == content.encode()


def test_a_line_that_somebody_made_shorter(tmp_path):
    """It says nothing of anybody."""
    path = tmp_path / "r.csv"
    open_results(path, "text", RANDOM).__exit__(None, None, None)
    with path.open("a") as file:
        file.write("\nx\n")
    with open_results(path, "text", RANDOM) as again:
        assert again.done == set()


def test_a_disk_that_fills(tmp_path):
    """The command ends with a word of what to do, where it would end with a traceback."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        results = Results(tmp_path / "r.csv", "run", set(), 0, full)
        with results, pytest.raises(Usage, match="make room"):
            results.write([Result(2, "a@example.com", "ACCEPTED")])
