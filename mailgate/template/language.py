"""The statements, filters, tests, methods and functions that templates may use. Pure."""

from __future__ import annotations


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


STATEMENTS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "break", "continue", "set", "endset"})
"""What may follow `{%`, beside raw."""

FILTERS = _set(
    "abs bool capitalize count d default dictsort e escape filesizeformat first float format indent int items join last "
    "length lines list lower map max min pluralize reject rejectattr replace reverse round safe select selectattr sort split "
    "string sum title tojson trim truncate unique upper urlencode"
)
"""What may follow `|`; map only as `map(attribute="…")`. The engine's striptags and wordwrap take some 100 times what their fuel pays for,
and wordwrap joins with a text as long as one likes."""

TESTS = _set(
    "boolean defined divisibleby endingwith eq equalto even false float ge greaterthan gt in int integer iterable le lessthan lt mapping "
    "ne none number odd safe sameas sequence startingwith string true undefined"
)
"""What may follow `is`, and be named to select and its like. The engine's lower and upper look through a text at no cost of fuel."""

BARE = _set("lstrip rstrip strip tojson trim")
"""Filters and methods that take no arguments: a set of characters is looked through for each character of a text, an indent is written
before its fuel is asked for."""

SELECTING = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}
"""Filters that name a test, and as which of their arguments."""

METHODS = _set("capitalize cycle endswith get items keys lower lstrip replace rstrip split splitlines startswith strip title upper values")
"""What may be called of a value. The engine's format would make a text as wide as it is told, at no cost of fuel."""

SEARCHING = _set("replace split")
"""Filters and methods whose first argument is a text that stands there: an engine that looks for one of a megabyte prepares for a
millisecond, and takes fuel for the text that it looks through."""

PATHS = _set("map rejectattr selectattr sum")
"""Filters that take a path to an attribute as their first argument; as a text that stands there, like `attribute` of any. It is taken apart
for each member at no cost of fuel. `start` of sum would join lists."""

MEASURED = _set(
    "abs bool capitalize count d default e escape filesizeformat first float int join last length lower pluralize round safe string title "
    "tojson trim upper urlencode"
)
"""Filters whose work fuel pays for. Before any other, and before what is compared, searched or called, a template looks at the clock."""

MEASURED_TESTS = _set("boolean defined divisibleby even false float integer iterable mapping none number odd safe string true undefined")
"""The same of tests."""

FUNCTIONS = frozenset({"range"})
"""What may be called by itself. The engine's others keep a state that a loop could make grow, or show what is not the template's."""
