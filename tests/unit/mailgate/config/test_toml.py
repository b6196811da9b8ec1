"""What is written as TOML reads back as the same."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailgate.config.secret import Secret
from mailgate.config.toml import dumps, plain
from mailgate.route import Relay, Route, TlsMode

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = text | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | st.lists(scalars, max_size=3),
    lambda inner: st.dictionaries(text, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(text, values, max_size=5))
def test_tables_read_back(tables: dict[str, Any]) -> None:
    """Whatever the keys and values are: quotes, line ends, controls, empty tables, tables in lists."""
    assert tomllib.loads(dumps(tables)) == tables


@dataclass(frozen=True)
class Options:
    size_bytes: int = 2**20
    count: int = 7
    wait: timedelta = timedelta(minutes=5)
    token: Secret = field(default=Secret("geheim"))
    none: str | None = None


def test_settings_show_as_they_are_written_with_secrets_hidden() -> None:
    """Units come back, relays are URLs, a route's name is the table's."""
    route = Route("out", (Relay("::1", 465), Relay("h", 2465, preference=1)), tls=TlsMode.IMPLICIT)
    shown: Any = plain({"options": Options(), "routes": {"out": route}})
    assert shown["options"] == {"size_bytes": "1MiB", "count": 7, "wait": "5m", "token": "********"}
    assert shown["routes"]["out"]["relays"] == ["smtps://[::1]:465", "smtps://h:2465"]
    assert shown["routes"]["out"]["tls"] == "implicit"
    assert "name" not in shown["routes"]["out"]
    assert tomllib.loads(dumps(shown)) == shown


def test_relays_that_share_the_load_show_as_a_list_in_the_list() -> None:
    """As they are written, weights too."""
    route = Route("out", (Relay("a", 25, 0, 3), Relay("b"), Relay("c", preference=1)))
    shown: Any = plain({"routes": {"out": route}})
    assert shown["routes"]["out"]["relays"] == [["smtp://a:25?weight=3", "smtp://b:25"], "smtp://c:25"]
    assert tomllib.loads(dumps(shown)) == shown
