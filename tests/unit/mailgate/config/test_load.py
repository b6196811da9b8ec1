"""The loader: files and variables into frozen dataclasses, every mistake at once, each with key, value and cure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.config.load import from_tree, load
from mailgate.config.reader import Reader, Rules
from mailgate.config.secret import NONE, Secret
from mailgate.errors import Invalid, Mistake, SettingsInvalid


class Mode(IntEnum):
    PLAIN = 1
    ENCRYPTED = 2


@dataclass(frozen=True, slots=True)
class Inner:
    limit_bytes: int = 1024
    ratio: float = 0.5


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int = 25


@dataclass(frozen=True, slots=True)
class Section:
    listen: str = "127.0.0.1:1"
    count: int = 3
    wait: timedelta = timedelta(seconds=1)
    on: bool = False
    mode: Mode = Mode.PLAIN
    names: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    servers: tuple[Server, ...] = ()
    token: Secret = NONE
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    section: Section = field(default_factory=Section)
    named: Mapping[str, Server] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)


def read(
    tree: dict[str, Any],
    environ: Mapping[str, str] | None = None,
    *,
    rules: Rules | None = None,
    check: Callable[[Settings, Reader], None] | None = None,
    others: Collection[str] = (),
) -> Settings:
    return from_tree(Settings, tree, environ or {}, rules=rules, check=check, others=others)


def mistakes(tree: dict[str, Any], environ: Mapping[str, str] | None = None, **options: object) -> dict[str, Mistake]:
    with pytest.raises(SettingsInvalid) as caught:
        read(tree, environ, **options)  # type: ignore[arg-type]
    return {mistake.key: mistake for mistake in caught.value.mistakes}


def test_nothing_given_is_all_defaults() -> None:
    """No file, no variables."""
    assert read({}) == Settings()


def test_every_type_is_read_from_a_file(tmp_path: Path) -> None:
    """Nested tables, lists, lists of tables, tables by name, enums by lower-case name, durations, sizes, secrets."""
    file = tmp_path / "mailgate.toml"
    file.write_text(
        """
        [section]
        listen = "0.0.0.0:2"
        count = 4
        wait = "1m30s"
        on = true
        mode = "encrypted"
        names = ["a", "b"]
        tags = ["x", "x"]
        token = "geheim"
        inner = { limit_bytes = "25MiB", ratio = 1 }
        [[section.servers]]
        host = "h"
        [named.One-two]
        host = "i"
        port = 26
        [secrets]
        relay = "pw"
        """
    )
    assert load(Settings, str(file), {}) == Settings(
        Section(
            listen="0.0.0.0:2",
            count=4,
            wait=timedelta(seconds=90),
            on=True,
            mode=Mode.ENCRYPTED,
            names=("a", "b"),
            tags=frozenset({"x"}),
            servers=(Server("h"),),
            token=Secret("geheim"),
            inner=Inner(25 * 2**20, 1.0),
        ),
        {"One-two": Server("i", 26)},
        {"relay": Secret("pw")},
    )


def test_variables_win_over_the_file_and_are_read_by_type() -> None:
    """MAILGATE_SECTION__KEY at any depth; lists with commas or as TOML; a named table whatever its case and with _ for -."""
    tree = {"section": {"count": 4, "names": ["file"]}, "named": {"One-two": {"host": "i"}}}
    environ = {
        "MAILGATE_SECTION__COUNT": "5",
        "MAILGATE_SECTION__WAIT": "250ms",
        "MAILGATE_SECTION__ON": "yes",
        "MAILGATE_SECTION__MODE": "ENCRYPTED",
        "MAILGATE_SECTION__NAMES": "a, b,",
        "MAILGATE_SECTION__TAGS": '["x,y"]',
        "MAILGATE_SECTION__SERVERS": '[{ host = "h" }]',
        "MAILGATE_SECTION__INNER__LIMIT_BYTES": "1MB",
        "MAILGATE_SECTION__MAYBE": "{ ratio = 0.25 }",
        "MAILGATE_SECTION__TOKEN": "geheim",
        "MAILGATE_NAMED__ONE_TWO__PORT": "27",
        "MAILGATE_NAMED__NEW__HOST": "j",
        "MAILGATE_CONFIG": "not a setting of the file",
        "HOME": "/",
    }
    made = read(tree, environ)
    assert made.section == Section(
        count=5,
        wait=timedelta(milliseconds=250),
        on=True,
        mode=Mode.ENCRYPTED,
        names=("a", "b"),
        tags=frozenset({"x,y"}),
        servers=(Server("h"),),
        inner=Inner(10**6),
        maybe=Inner(ratio=0.25),
        token=Secret("geheim"),
    )
    assert made.named == {"One-two": Server("i", 27), "new": Server("j")}
    assert tree == {"section": {"count": 4, "names": ["file"]}, "named": {"One-two": {"host": "i"}}}, "the caller's tree is left alone"


def test_all_mistakes_come_at_once_each_with_key_value_and_cure() -> None:
    """One wrong value hides no other."""
    found = mistakes(
        {
            "section": {
                "listn": "x",
                "count": "4",
                "wait": 5,
                "on": "true",
                "mode": "encripted",
                "names": "a",
                "servers": [{"port": 1}, {"host": "h", "port": -1}],
                "token": 5,
                "inner": {"limit_bytes": "25 MiBi", "ratio": True},
                "maybe": 3,
            },
            "named": {"x": 1},
            "sektion": {},
        },
        {"MAILGATE_SECTION__INNER__RATIO": "half", "MAILGATE_SECTION__LISTEN__DEEP": "x"},
    )
    cures = {key: mistake.cure for key, mistake in found.items()}
    assert set(cures) == {
        "section.listn",
        "section.listen",
        "section.count",
        "section.wait",
        "section.on",
        "section.mode",
        "section.names",
        "section.servers[0].host",
        "section.servers[1].port",
        "section.token",
        "section.inner.limit_bytes",
        "section.inner.ratio (from MAILGATE_SECTION__INNER__RATIO)",
        "section.maybe",
        "named.x",
        "sektion",
    }
    assert "did you mean listen?" in cures["section.listn"]
    assert "did you mean section?" in cures["sektion"]
    assert "plain or encrypted: did you mean encrypted?" in cures["section.mode"]
    assert "it has no default" in cures["section.servers[0].host"]
    assert "at least 0" in cures["section.servers[1].port"]
    assert "unit" in cures["section.wait"]
    assert found["section.count"].value == '"4"'


def test_a_secret_is_in_no_mistake() -> None:
    """Neither as a wrong type nor below a key that is not known but sounds like one."""
    with pytest.raises(SettingsInvalid) as caught:
        read(
            {"section": {"token": ["geheim"], "pasword": "x", "fleet_token": "geheim", "my_secret": "geheim"}, "secrets": {"a": ["geheim"]}}
        )
    assert len(caught.value.mistakes) == 5
    assert "geheim" not in str(caught.value)


def test_bounds_hold_and_say_how_far_one_may_go() -> None:
    """From, to, or both, in the unit of the key; without a bound nothing is negative."""
    rules = Rules(bounds={"Section.count": (1, 10), "Inner.limit_bytes": (1024, None), "Section.wait": (None, timedelta(minutes=5))})
    found = mistakes({"section": {"count": 11, "wait": "6m", "inner": {"limit_bytes": 10, "ratio": -0.5}}}, rules=rules)
    assert found["section.count"].cure == "it must be from 1 to 10"
    assert found["section.wait"].cure == "it must be at most 5m"
    assert found["section.inner.limit_bytes"].cure == "it must be at least 1KiB"
    assert found["section.inner.ratio"].cure == "it must be at least 0.0"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_is_finite(value: str) -> None:
    """Neither TOML's own nor a variable's."""
    assert mistakes({"section": {"inner": {"ratio": float(value)}}})
    assert mistakes({}, {"MAILGATE_SECTION__INNER__RATIO": value})


def test_a_token_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Without the line end; one that is missing, empty, no text, or beside the token itself is a mistake."""
    good, empty, bytes_ = tmp_path / "good", tmp_path / "empty", tmp_path / "bytes"
    good.write_text("geheim\n")
    empty.write_text("\n")
    bytes_.write_bytes(b"\xff\xfe")
    assert read({"section": {"token_file": str(good)}}).section.token == Secret("geheim")
    assert read({}, {"MAILGATE_SECTION__TOKEN_FILE": str(good)}).section.token == Secret("geheim")
    assert "can't be read" in mistakes({"section": {"token_file": str(tmp_path / "none")}})["section.token_file"].cure
    assert "empty" in mistakes({"section": {"token_file": str(empty)}})["section.token_file"].cure
    assert "not text" in mistakes({"section": {"token_file": str(bytes_)}})["section.token_file"].cure
    assert "keep one" in mistakes({"section": {"token": "x", "token_file": str(good)}})["section.token_file"].cure
    assert "path" in mistakes({"section": {"token_file": 5}})["section.token_file"].cure


def test_a_named_secret_may_stand_in_a_file_too(tmp_path: Path) -> None:
    """As a table, since every name is the operator's."""
    (tmp_path / "pw").write_text("geheim\n")
    assert read({"secrets": {"a": {"file": str(tmp_path / "pw")}}}).secrets == {"a": Secret("geheim")}
    assert "can't be read" in mistakes({"secrets": {"a": {"file": "/nowhere"}}})["secrets.a"].cure
    assert "{ file" in mistakes({"secrets": {"a": {"path": "x"}}})["secrets.a"].cure


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    """Line and column; not UTF-8; not there; a directory; too large."""
    file = tmp_path / "x.toml"
    file.write_text("[section]\ncount = \n")
    with pytest.raises(SettingsInvalid, match="line 2, column 9"):
        load(Settings, str(file), {})
    file.write_bytes(b"[section]\nlisten = '\xff'\n")
    with pytest.raises(SettingsInvalid, match=r"line 2.*UTF-8"):
        load(Settings, str(file), {})
    file.write_bytes(b"#" * (5 * 2**20))
    with pytest.raises(SettingsInvalid, match="no settings file"):
        load(Settings, str(file), {})
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(SettingsInvalid, match="can't be read"):
            load(Settings, str(path), {})


def test_other_processes_sections_are_left_alone() -> None:
    """But only those that are named; they also count for what was probably meant."""
    assert read({"sender": {"anything": 1}}, others=["sender"]) == Settings()
    assert "did you mean sender?" in mistakes({"sende": {}}, others=["sender"])["sende"].cure


def test_a_class_may_have_mistakes_of_its_own() -> None:
    """By a method, by Invalid, by ValueError; all keep their place."""

    @dataclass(frozen=True)
    class Told:
        a: int = 0

        def mistakes(self, key: str) -> list[Mistake]:
            return [Mistake(f"{key}.a", str(self.a), "told")] if self.a else []

    @dataclass(frozen=True)
    class Raised:
        b: int = 0

        def __post_init__(self) -> None:
            if self.b == 1:
                raise Invalid.field("b", "raised")
            if self.b == 2:
                raise ValueError("plainly")

    found: list[Mistake] = []
    reader = Reader(Rules(), found)
    reader.table(Told, {"a": 1}, "x")
    reader.table(Raised, {"b": 1}, "y")
    reader.table(Raised, {"b": 2}, "z")
    assert [(each.key, each.cure) for each in found] == [("x.a", "told"), ("y.b", "raised"), ("z", "plainly")]
    assert not reader.sound("x")
    assert not reader.sound("y.b.c")
    assert reader.sound("yy")


def test_a_check_of_the_whole_sees_what_is_sound() -> None:
    """It does not build on a key with a mistake."""
    seen: list[bool] = []

    def check(settings: Settings, reader: Reader) -> None:
        seen.extend([reader.sound("section.count"), reader.sound("section.listen"), reader.sound("section")])
        reader.note("section.listen", settings.section.listen, "noted")

    found = mistakes({"section": {"count": "x"}}, check=check)
    assert seen == [False, True, False]
    assert found["section.listen"].cure == "noted"


raw_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Section.__dataclass_fields__, "x"]), raw_values, max_size=6))
def test_no_value_makes_the_loader_fail_otherwise(table: dict[str, Any]) -> None:
    """Whatever stands in the file: settings, or SettingsInvalid."""
    with contextlib.suppress(SettingsInvalid):
        read({"section": table})


@given(
    st.dictionaries(st.sampled_from([f"MAILGATE_SECTION__{name.upper()}" for name in Section.__dataclass_fields__]), st.text(max_size=20))
)
def test_no_variable_makes_the_loader_fail_otherwise(environ: dict[str, str]) -> None:
    """Whatever a variable says."""
    with contextlib.suppress(SettingsInvalid):
        read({}, environ)
