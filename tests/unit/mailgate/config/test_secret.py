"""A Secret is never printed, whatever prints it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest

from mailgate.config.secret import NONE, Secret


@dataclass(frozen=True)
class Holder:
    token: Secret


def test_no_way_of_printing_shows_it() -> None:
    """repr, str, format, inside containers and dataclasses."""
    secret = Secret("hunter2")
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        f"{secret!r}",
        repr([secret]),
        repr(Holder(secret)),
        f"{secret}",
    ):
        assert "hunter2" not in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_reveal_gives_it_and_emptiness_shows() -> None:
    """Whether one is set may be seen."""
    assert Secret("hunter2").reveal() == "hunter2"
    assert Secret("x")
    assert not NONE
    assert repr(NONE) == "Secret()"
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
