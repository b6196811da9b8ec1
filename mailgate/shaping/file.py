"""Where shaping comes from: a file of the operator's, or the one that ships. Blocks: it reads files."""

from __future__ import annotations

from importlib import resources

from mailgate.errors import Mistake, SettingsInvalid
from mailgate.shaping.shaping import MAX_OCTETS, NO_SHAPING, Shaping, parse

SHIPPED = "shaping.toml"
"""Beside this file; deploy/shaping.toml is the same file."""
NONE = "none"
"""What is written where a file would be, for no shaping at all."""


def read(path: str = "") -> Shaping:
    """The shaping of a file; empty: the one that ships, `none`: no shaping.

    Raises:
        SettingsInvalid: it can't be read, or with every mistake in it.
    """
    if path == NONE:
        return NO_SHAPING
    return parse(_text(path), path or f"the shipped {SHIPPED}")


def foresee() -> None:
    """Have what ships in mind: a node that is then sent just that has its first mail 60 ms sooner."""
    parse(_text(""))


def _text(path: str) -> str:
    if not path:
        return resources.files("mailgate.shaping").joinpath(SHIPPED).read_text(encoding="utf-8")
    try:
        with open(path, "rb") as file:
            octets = file.read(MAX_OCTETS + 1)
        text = octets.decode()
    except OSError as error:
        why = f"it can't be read ({error.strerror or error}): check the path and its permissions"
        raise SettingsInvalid([Mistake(path, "", why)]) from None
    except UnicodeDecodeError:
        raise SettingsInvalid([Mistake(path, "", "it is not UTF-8: save it as UTF-8")]) from None
    if not text.strip():
        raise SettingsInvalid([Mistake(path, "", f'it is empty: write "{NONE}" for the path where nothing is to be limited')])
    return text
