"""A CSV of recipients: its columns, and its rows one by one, each sound or with what is wrong with it."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from gateway.admission.addresses import Unsound, parse
from mailgate.cli.exits import Usage
from mailgate.template.variables import nameable

DELIMITERS = ",;\t"
MAX_COLUMNS = 1000
NAMED = 20
"""Columns that an error lists."""
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_ESCAPED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Row:
    """A recipient. `line`: where it begins in the file, from 1. `values` by the name that templates use."""

    line: int
    email: str
    name: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """Why a row is none."""

    line: int
    why: str


@dataclass
class Sheet:
    """`rows` may be walked again and again; the file is read each time. `names` are the columns as templates name them."""

    path: Path
    shown: str
    """How its user calls the file."""
    encoding: str
    delimiter: str
    columns: list[str]
    names: list[str]
    email_at: int
    name_at: int | None
    first_line: int
    """Where the rows begin."""
    broken: BadRow | None = field(default=None, init=False)
    """What made the last walk end before the file did."""

    def rows(self) -> Iterator[Row | BadRow]:
        """Empty lines are skipped; an address that was there before makes its row a bad one."""
        seen: dict[str, int] = {}
        for line, fields in self._records():
            row = self._row(line, fields)
            if isinstance(row, Row) and (before := seen.setdefault(row.email, line)) != line:
                row = BadRow(line, f"{row.email} is in line {before} already")
            yield row

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """A record and the line that it begins in, without the head. Broken quoting ends the walk: what follows cannot be told apart."""
        self.broken = None
        with _opened(self.path, self.shown, self.encoding) as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
            line = 1
            while True:
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    self.broken = BadRow(line, f"{error}: see to the quotes of this row; what follows it was not read")
                    return
                if line >= self.first_line and any(fields):
                    yield line, fields
                line = reader.line_num + 1

    def _row(self, line: int, fields: list[str]) -> Row | BadRow:
        if len(fields) != len(self.columns):
            return BadRow(line, f"it has {len(fields)} field{'s' if len(fields) != 1 else ''}, the head has {len(self.columns)}")
        for column, value in zip(self.columns, fields, strict=True):
            if not value.isascii() and (found := _ESCAPED.search(value)):
                octet = ord(found[0]) - 0xDC00
                cure = "save the file as UTF-8, or give --encoding latin-1 or cp1252"
                return BadRow(line, f"{column} is not {self.encoding} (octet 0x{octet:02x}): {cure}")
        email = fields[self.email_at].strip()
        if not email:
            return BadRow(line, f"{self.columns[self.email_at]} is empty")
        try:
            mailbox = parse(email)
        except Unsound as reason:
            return BadRow(line, f"{email!r} is not an address to use: {reason}")
        name = fields[self.name_at].strip() if self.name_at is not None else ""
        return Row(line, mailbox.email, name, dict(zip(self.names, fields, strict=True)))


def open_sheet(path: Path, *, encoding: str, delimiter: str, email: str, name: str, shown: str = "") -> Sheet:
    """The file's head, read. `delimiter` empty: the one of `,`, `;` and tab that the head has most of. `email`, `name`: columns.

    `shown`: how mistakes call the file, where that is not its path.

    Raises:
        Usage: the file cannot be read, or its head is wrong.
    """
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise Usage(f"--encoding {encoding}: there is no such encoding: write utf-8, latin-1, cp1252 or utf-16") from None
    shown = shown or str(path)
    line, head = _head(path, shown, encoding)
    delimiter = delimiter.replace("\\t", "\t") or max(DELIMITERS, key=head.count)
    if len(delimiter) != 1:
        raise Usage(f"--delimiter {delimiter!r}: give one character, such as ';'")
    try:
        columns = [column.strip() for column in next(csv.reader([head], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise Usage(f"{shown}, line {line}: the head cannot be read ({error}): it names the columns, in one line") from None
    _check_head(shown, line, columns)
    email_at = _find(shown, columns, email, "--email-column")
    name_at = _find(shown, columns, name, "--name-column") if name else None
    return Sheet(path, shown, encoding, delimiter, columns, _names(shown, columns), email_at, name_at, line + 1)


def _head(path: Path, shown: str, encoding: str) -> tuple[int, str]:
    with _opened(path, shown, encoding) as file:
        for number, line in enumerate(file, 1):
            if _ESCAPED.search(line):
                raise Usage(f"{shown}, line {number}: it is not {encoding}: save the file as UTF-8, or give --encoding latin-1 or cp1252")
            if line.strip():
                return number, line.rstrip("\r\n")
    raise Usage(f"{shown}: it is empty: the first line names the columns, one of them `email`")


@contextmanager
def _opened(path: Path, shown: str, encoding: str) -> Iterator[TextIO]:
    try:
        with path.open("rb") as raw:
            begins = raw.read(4)
        bom = next((name for mark, name in _BOMS.items() if begins.startswith(mark)), None)
        if bom is not None and not encoding.lower().replace("_", "-").startswith("utf-16"):
            raise Usage(f"{shown}: it is UTF-16: give --encoding utf-16, or save it as UTF-8")
        known = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
        with path.open(encoding=known, errors="surrogateescape", newline="") as file:
            yield file
    except OSError as error:
        raise Usage(f"{shown}: it can't be read ({error.strerror}): check the path and its permissions") from None
    except UnicodeError as error:
        raise Usage(f"{shown}: it is not {encoding} ({error}): give its --encoding") from None


def _check_head(shown: str, line: int, columns: list[str]) -> None:
    where = f"{shown}, line {line}"
    if len(columns) > MAX_COLUMNS:
        raise Usage(f"{where}: {len(columns):,} columns, at most {MAX_COLUMNS:,} are taken: keep those that the mail needs")
    for number, column in enumerate(columns, 1):
        if not column:
            raise Usage(f"{where}: column {number} has no name: the first line names the columns")
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise Usage(f"{where}: the column {twice[0]!r} is there twice: give each a name of its own")


def _find(shown: str, columns: list[str], wanted: str, option: str) -> int:
    found = [number for number, column in enumerate(columns) if column.casefold() == wanted.casefold()]
    if not found:
        there = ", ".join(columns[:NAMED]) + ("…" if len(columns) > NAMED else "")
        alone = "; is there another --delimiter in this file?" if len(columns) == 1 else ""
        raise Usage(f"{shown}: there is no column {wanted!r}: there are {there}; name the one to use with {option}{alone}")
    return found[0]


def _names(shown: str, columns: list[str]) -> list[str]:
    """What templates call the columns: `First name` is First_name."""
    names: list[str] = []
    for column in columns:
        name = column if nameable(column) else re.sub(r"\W+", "_", column).strip("_") or "_"
        name = name if nameable(name) else f"_{name}"
        if name in names:
            raise Usage(f"{shown}: the columns {columns[names.index(name)]!r} and {column!r} are both {name} in templates: rename one")
        names.append(name)
    return names
