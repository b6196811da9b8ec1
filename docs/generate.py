"""Makes docs/settings.md from the classes of the settings: each key with its type, default and bounds, and its docstring's words.

`make docs` does; a test holds the page to the code.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import re
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path

from gateway import settings as gateway
from mailgate.classes import CLASSES, explain
from mailgate.config.reader import join
from mailgate.config.scalars import listed
from mailgate.config.secret import Secret
from mailgate.config.toml import dumps, plain
from mailgate.route import Relay
from mailgate.shaping import options as shaping
from sender import settings as sender

PAGE = Path(__file__).with_name("settings.md")
WIDTH = 140

HEAD = """# All settings

Made by `make docs` from the code, which a test holds it to. One TOML file has the settings of gateways and senders; each reads its own
sections. How they are given, with an example: [README](../README.md#settings). `mailgate config check` says every mistake in a file, and
`mailgate config show` what is in force. A variable MAILGATE_SECTION__KEY wins over the file.

- A duration is written `"250ms"`, `"30s"`, `"5m"`, `"48h"` or `"7d"`; a size `"64KiB"` or `"25MiB"`, or as a number of octets.
- A secret is written as text, or its key with `_file` behind it as the path of a file that holds it.
- What is marked *(live)* counts at once when SIGHUP has the process read its settings again, all else from the next start on.
- A number or duration is 0 or more where nothing else is said.
"""

CLASSES_HEAD = """## Classes of refusals

Words for `failover`, `bounce_class` and `refused_classes`; GetMail and events tell a recipient's.
"""

SHAPING = """## The shaping file

What `[shaping] file` names is a TOML file of its own, with these tables: [shaping.md](shaping.md). All of it is live.
"""

WORDS: Mapping[object, str] = {str: "text", bool: "true or false", int: "number", float: "number", timedelta: "duration", Secret: "secret"}


@dataclass(frozen=True)
class Reading:
    """Who reads a section, and what holds for it."""

    who: str
    live: tuple[str, ...]
    bounds: Mapping[str, tuple[object, object]]


def page() -> str:
    """The whole text."""
    of_gateway = Reading("gateways", gateway.LIVE, gateway.RULES.bounds)
    of_sender = Reading("senders", sender.LIVE, sender.RULES.bounds)
    both = {f.name for f in fields(gateway.GatewaySettings)} & {f.name for f in fields(sender.SenderSettings)}
    known: dict[type, str] = {}
    parts = [HEAD]
    for cls, reading, left in ((gateway.GatewaySettings, of_gateway, set()), (sender.SenderSettings, of_sender, both)):
        parts += sections(cls, "", reading, known, both=both, leave=left)
    parts.append(SHAPING)
    parts += sections(shaping.ShapingOptions, "", Reading("", (), shaping.BOUNDS), known)
    parts += [CLASSES_HEAD, "".join([wrapped(f"- `{each}`: {explain(each)}", "  ") + "\n" for each in CLASSES])]
    return "\n".join(parts)


def sections(
    cls: type, path: str, reading: Reading, known: dict[type, str], *, both: typing.Collection[str] = (), leave: typing.Collection[str] = ()
) -> Iterator[str]:
    """The tables below a class; `known`: classes that stand on the page already."""
    level = "##" if reading.who else "###"
    said, hints = docstrings(cls), typing.get_type_hints(cls)
    for f in fields(cls):
        below = table_of(hints[f.name], join(path, f.name))
        if below is None or f.name in leave:
            continue
        inner, place, head = below
        who = "gateways and senders" if f.name in both else reading.who
        yield f"{level} `{head}`{mark(place, reading)}\n"
        own = "" if inner is Secret or inner in known else without_head(inner.__doc__ or "")
        if about := " ".join(filter(None, [f"Read by {who}." if who and not path else "", own, without_head(said.get(f.name, ""))])):
            yield wrapped(about) + "\n"
        if inner in known:
            yield f"Its keys are those of `{known[inner]}`.\n"
        elif inner is Secret:
            yield '- `NAME` (secret; also `NAME = { file = "/path" }`).\n'
        else:
            known[inner] = head
            yield "".join(keys(inner, place, reading))
            yield from sections(inner, place, reading, known)


def table_of(hint: object, path: str) -> tuple[type, str, str] | None:
    """Of a field that is a table: its class, the key, and its head in a file."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return table_of(arguments[0], path)
    if isinstance(hint, type) and is_dataclass(hint):
        return typing.cast(type, hint), path, f"[{path}]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return (arguments[1], path, f"[{path}]") if arguments[1] is Secret else (arguments[1], f"{path}.NAME", f"[{path}.NAME]")
    if origin is tuple and is_dataclass(arguments[0]) and arguments[0] is not Relay:
        return typing.cast(type, arguments[0]), path, f"[[{path}]]"
    return None


def keys(cls: type, path: str, reading: Reading) -> Iterator[str]:
    """Those of one table."""
    said, hints = docstrings(cls), typing.get_type_hints(cls)
    for f in fields(cls):
        if table_of(hints[f.name], "") is not None or (path == "routes.NAME" and f.name == "name"):
            continue
        facts = [kind(hints[f.name], f.name), *bounds(f"{cls.__name__}.{f.name}", f.name, reading), default(f)]
        live = mark(join(path, f.name), reading) if not mark(path, reading) else ""
        yield wrapped(f"- `{f.name}` ({', '.join(facts)}){live}: {flowing(said[f.name])}", "  ") + "\n"


def kind(hint: object, name: str) -> str:
    """The type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return kind(arguments[0], name)
    if origin is typing.Literal:
        return listed([f'`"{word}"`' for word in arguments])
    if origin is tuple:
        inner = arguments[0]
        return "list of relays" if inner is Relay else f"list of {kind(inner, name)}".replace("list of text", "list of texts")
    if isinstance(hint, type) and issubclass(hint, Enum):
        return listed([f'`"{member.name.lower()}"`' for member in hint])
    return "size" if name.endswith("_bytes") else WORDS[hint]


def bounds(place: str, name: str, reading: Reading) -> list[str]:
    """From where to where."""
    low, high = reading.bounds.get(place, (None, None))
    ends = [written(each, name) for each in (low, high) if each is not None]
    if len(ends) == 2:  # noqa: PLR2004
        return [f"{ends[0]} to {ends[1]}"]
    return [f"at {'least' if low is not None else 'most'} {ends[0]}"] if ends else []


def default(f: Field[typing.Any]) -> str:
    """As it is written in a file."""
    value = f.default_factory() if f.default_factory is not MISSING else f.default
    if value is MISSING:
        return "no default"
    return "unset" if value is None or isinstance(value, Secret) else f"default {written(value, f.name)}"


def written(value: object, name: str) -> str:
    """A value as TOML has it."""
    return "`" + dumps({"x": typing.cast(typing.Any, plain(value, name))}).removeprefix("x = ").rstrip("\n") + "`"


def mark(key: str, reading: Reading) -> str:
    """Whether it is live."""
    return " *(live)*" if any(key == each or key.startswith(f"{each}.") for each in reading.live) else ""


def docstrings(cls: type) -> dict[str, str]:
    """The strings below a class's fields, those of its ancestors included."""
    found: dict[str, str] = {}
    for each in reversed([each for each in cls.__mro__ if is_dataclass(each)]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        body = typing.cast(ast.ClassDef, tree).body
        for field, said in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant):
                found[typing.cast(ast.Name, field.target).id] = str(said.value.value)
    return found


def without_head(text: str) -> str:
    """What is said of a table, without its head, which stands above already."""
    rest = re.sub(r"^(One )?`\[[^`]*\]`[:.] ?", "", flowing(text))
    return rest[:1].upper() + rest[1:]


def flowing(text: str) -> str:
    """On one line."""
    return " ".join(text.split())


def wrapped(text: str, indent: str = "") -> str:
    """In lines, whose words stay whole."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE, help="the file that is written (default: docs/settings.md)")
    parser.parse_args().out.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
