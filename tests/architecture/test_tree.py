"""What the import law can't see: folders that are no packages, imports by string, clocks in pure files, long files, empty names, labels."""

import ast
import re
import subprocess
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from mailgate.telemetry import names

ROOT = Path(__file__).parents[2]
HOUSE = ("gateway", "sender", "mailgate")
GENERATED = ROOT / "mailgate/api"
LONGEST = 300
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
WORLDLY = next(contract for contract in CONTRACTS if contract["name"].startswith("5. "))["allowed_importers"]

IMPORTS_BY_STRING: frozenset[str] = frozenset()
"""Modules that may import by string. None needs to: heavy libraries are imported by name where they are needed."""

EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "base", "manager", "managers", "misc", "impl"}
EMPTY_CLASS = re.compile(r"(Manager|Handler|Helper|Helpers|Util|Utils|Impl|Base)$|^(Base|Abstract)[A-Z]")

WORLD = {"concurrent", "http", "logging", "multiprocessing", "pathlib", "sched", "select", "selectors", "shutil", "socketserver"} | {
    *("sqlite3", "subprocess", "tempfile", "uvloop", "wsgiref"),
}
"""Libraries that reach out and are in no contract: pure files have no use for them either."""


def sources():
    """Every file that people wrote, of the three packages."""
    return [path for package in HOUSE for path in sorted((ROOT / package).rglob("*.py")) if GENERATED not in path.parents]


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_pure(path):
    """No contract grants it the world."""
    module = module_of(path)
    return not any(module == granted or module.startswith(granted + ".") for granted in WORLDLY)


def tracked():
    """The repository's text files, as git has them; in a source archive, all that lies there."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=False
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not any(part.startswith(".venv") for part in path.parts)]
    for path in paths:
        if path.is_file() and path != Path(__file__):
            try:
                yield path, path.read_text()
            except UnicodeDecodeError:
                continue


# The rules: each yields what is wrong in a piece of code


def dotted(node):
    """`a.b.c` of a Name or Attribute, else an empty string."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(node):
    """The modules that a statement imports, by their full names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def strings_imported(code):
    for node in ast.walk(code):
        for name in imported(node):
            if name.partition(".")[0] in {"importlib", "runpy", "pkgutil", "imp"} and not name.startswith(
                ("importlib.metadata", "importlib.resources")
            ):
                yield f"line {node.lineno}: imports {name}"
        if isinstance(node, ast.Call) and dotted(node.func) in {"__import__", "eval", "exec", "builtins.__import__"}:
            yield f"line {node.lineno}: calls {dotted(node.func)}"


def clocks_read(code):
    for node in ast.walk(code):
        if isinstance(node, ast.Attribute) and re.search(r"(^|\.)(date|datetime|time)\.(now|utcnow|today|time)$", dotted(node)):
            yield f"line {node.lineno}: reads the clock by {dotted(node)}"


def world_touched(code):
    for node in ast.walk(code):
        for name in imported(node):
            if name.partition(".")[0] in WORLD:
                yield f"line {node.lineno}: imports {name}"
        if isinstance(node, ast.Call) and dotted(node.func) in {"open", "input", "print", "io.open"}:
            yield f"line {node.lineno}: calls {dotted(node.func)}"


def classes_misnamed(code):
    for node in ast.walk(code):
        if isinstance(node, ast.ClassDef) and EMPTY_CLASS.search(node.name):
            yield f"line {node.lineno}: class {node.name}"


def samples_mislabelled(code):
    """A sample written with its labels must have those of its metric, and its metric must be one of names.py."""
    for node in ast.walk(code):
        if not (isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in {"Sample", "HistogramSample"} and node.args):
            continue
        place, metric = dotted(node.args[0]).rpartition(".")[::2]
        if place.rpartition(".")[2] != "names":
            continue  # a variable: the scrape checks it
        if not isinstance(getattr(names, metric, None), names.Metric):
            yield f"line {node.lineno}: names.{metric} is no metric"
            continue
        labels = (
            node.args[2] if len(node.args) > 2 else next((each.value for each in node.keywords if each.arg == "labels"), ast.Dict([], []))
        )
        if isinstance(labels, ast.Dict) and all(isinstance(key, ast.Constant) for key in labels.keys):
            written = {key.value for key in labels.keys}
            if written != set(getattr(names, metric).labels):
                yield f"line {node.lineno}: {metric} has the labels {sorted(getattr(names, metric).labels)}, not {sorted(written)}"


def metrics_spelt(code):
    for node in ast.walk(code):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names.METRICS:
            yield f"line {node.lineno}: spells {node.value}, which is for names.py to spell"


def faults(rule, paths):
    return [f"{path.relative_to(ROOT)}: {fault}" for path in paths for fault in rule(ast.parse(path.read_text()))]


# The rules on the house


def test_every_folder_is_a_package():
    """A folder without `__init__.py` is invisible to the import law, and its modules are imported all the same."""
    bare = {path.parent for package in HOUSE for path in (ROOT / package).rglob("*.py*") if path.suffix in {".py", ".pyi"}}
    assert not sorted(str(folder) for folder in bare if not (folder / "__init__.py").exists())


def test_tests_are_no_packages():
    """They are imported by their path (importmode importlib): an `__init__.py` would give two files of one name one module."""
    assert not [str(path) for path in (ROOT / "tests").rglob("__init__.py")]


def test_nothing_is_imported_by_string():
    """The law reads import statements; a string would pass it by."""
    assert not faults(strings_imported, [path for path in sources() if module_of(path) not in IMPORTS_BY_STRING])


def test_pure_files_read_no_clock():
    """`now` is an argument: what depends on the time can be tested at any."""
    assert not faults(clocks_read, filter(is_pure, sources()))


def test_pure_files_touch_nothing():
    """No files, no processes, no logs: they return what is to be done."""
    assert not faults(world_touched, filter(is_pure, sources()))


def test_a_file_has_one_idea():
    """Longer than 300 lines: which second idea moved in? Protos and tests are exempt."""
    long = {str(path.relative_to(ROOT)): count for path in sources() if (count := len(path.read_text().splitlines())) > LONGEST}
    assert not long


def test_modules_have_names_of_the_trade():
    """A word that says nothing gathers everything."""
    paths = [*sources(), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("protos/**/*.proto")]
    parts = {part for path in paths for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not [part for part in parts if EMPTY_WORDS & set(part.split("_"))]


def test_classes_have_names_of_the_trade():
    """The same, for classes."""
    assert not faults(classes_misnamed, sources())


def test_samples_have_the_labels_of_their_metric():
    """Found here rather than by the first scrape; with the closed set of names.py, no label can be an address, a tag or a tenant."""
    assert not faults(samples_mislabelled, sources())


def test_metrics_are_spelt_in_one_place():
    """A name written twice is a dashboard that breaks in silence."""
    assert not faults(metrics_spelt, [path for path in sources() if module_of(path) != "mailgate.telemetry.names"])


@pytest.mark.parametrize("constant", sorted(key for key, value in vars(names).items() if isinstance(value, names.Metric)))
def test_every_metric_is_told(constant):
    """A name that no room tells is a promise on a dashboard that stays empty: tell it or delete it."""
    assert any(
        re.search(rf"\bnames\.{constant}\b|^from mailgate.telemetry.names import.*\b{constant}\b", path.read_text(), re.MULTILINE)
        for path in sources()
    )


def test_the_repository_names_no_registry():
    """Whoever builds it chooses where packages come from: no host, no index option, in no file."""
    registry = re.compile(
        r"pypi\.org|pythonhosted\.org|npmjs\.(org|com)|--(extra-)?index-url|--find-links|artifactory|\bnexus\b|devpi", re.IGNORECASE
    )
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path, text in tracked() if (match := registry.search(text))]
    assert not found
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_repository_names_no_place_of_one_machine():
    """A path of somebody's home works for nobody else."""
    home = re.compile(r"(?<![\w.$}~-])/(home|Users|root)/[a-z]\w+")
    assert not [f"{path.relative_to(ROOT)}: {match[0]}" for path, text in tracked() if (match := home.search(text))]


def distributions():
    """What pyproject.toml has users install, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (each for extra in project["optional-dependencies"].values() for each in extra)
    return [re.match(r"[\w-]+", requirement)[0] for requirement in (*project["dependencies"], *extras)]


@cache
def everything_imported():
    return {name for path in sources() for node in ast.walk(ast.parse(path.read_text())) for name in imported(node)}


@pytest.mark.parametrize("distribution", distributions())
def test_every_dependency_is_used_and_has_its_reason(distribution):
    """Some file imports it, and docs/decisions/0006-dependencies.md says what for."""
    files = metadata.files(distribution) or ()
    modules = {
        ".".join((*file.parent.parts, file.name.partition(".")[0])).removesuffix(".__init__")
        for file in files
        if "dist-info" not in str(file)
    }
    used = everything_imported()
    assert any(name in modules or name.rpartition(".")[0] in modules for name in used), f"nothing imports {distribution}"
    reasons = (ROOT / "docs/decisions/0006-dependencies.md").read_text()
    assert distribution in reasons or f"-{distribution.partition('-')[2]}" in reasons, f"why was {distribution} taken?"


# The rules bite


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (strings_imported, "import importlib\nimportlib.import_module('apsw')"),
        (strings_imported, "from importlib import import_module"),
        (strings_imported, "import importlib.util"),
        (strings_imported, "x = __import__('apsw')"),
        (strings_imported, "exec('import apsw')"),
        (clocks_read, "from datetime import datetime\ndatetime.now()"),
        (clocks_read, "import datetime\nnow = datetime.datetime.utcnow"),
        (clocks_read, "import datetime\ndatetime.date.today()"),
        (clocks_read, "import time\ntime.time()"),
        (world_touched, "def f():\n    from pathlib import Path"),
        (world_touched, "import subprocess as s"),
        (world_touched, "open('x')"),
        (classes_misnamed, "class ConnectionManager: ..."),
        (classes_misnamed, "class BasePicker: ..."),
        (samples_mislabelled, "Sample(names.QUEUE_READY, 1, {'lane': x, 'tenant': y})"),
        (samples_mislabelled, "sample.Sample(names.QUEUE_READY, 1)"),
        (samples_mislabelled, "HistogramSample(names.COMMIT_SECONDS, s, labels={'route': r})"),
        (samples_mislabelled, "Sample(names.NO_SUCH, 1)"),
        (metrics_spelt, "x = 'mailgate_queue_ready'"),
    ],
)
def test_a_rule_catches_what_it_forbids(rule, code):
    """Each rule, on code that breaks it."""
    assert list(rule(ast.parse(code)))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (strings_imported, "from importlib.metadata import version"),
        (strings_imported, "re.compile('x'); evaluate('y')"),
        (clocks_read, "from datetime import timedelta\nx = timedelta(seconds=1)\nself.now()"),
        (clocks_read, "datetime.fromtimestamp(now_ms / 1000)"),
        (world_touched, "connection.open()"),
        (classes_misnamed, "class Handoff: ..."),
        (samples_mislabelled, "Sample(names.QUEUE_READY, 1, {'lane': x, 'route': y})"),
        (samples_mislabelled, "Sample(metric, 1, labels)"),
        (metrics_spelt, "x = 'mailgate'"),
    ],
)
def test_a_rule_lets_pass_what_it_allows(rule, code):
    """Each rule, on code that comes close."""
    assert not list(rule(ast.parse(code)))
