"""Checks the protos: the stubs are fresh, buf has nothing to lint, and nothing breaks whoever speaks main's version. `make check` runs it.

All three are checked and told, whatever the others say; the exit code is 1 when one fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import generate

ROOT = generate.ROOT
PROTOS = generate.HERE
API = Path("mailgate/api")
BRANCHES = ("origin/main", "main")
BUF = Path(sys.executable).parent / "buf"


def tools_faults() -> Iterator[str]:
    """The stubs must be made with the oldest grpcio that users may have: generated code refuses one older than its tools."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    admitted = requirement(project["project"]["dependencies"], "grpcio", ">=")
    pinned = requirement(project["dependency-groups"]["dev"], "grpcio-tools", "==")
    if admitted != pinned:
        yield f"pyproject.toml admits grpcio>={admitted} and pins grpcio-tools=={pinned}: make them equal, then `make protos`"
    if (installed := version("grpcio-tools")) != pinned:
        yield f"grpcio-tools {installed} is installed, pyproject.toml pins {pinned}: `make setup`"


def requirement(requirements: list[str], name: str, operator: str) -> str | None:
    """The version that the list asks of `name`; None when it asks otherwise."""
    found = (re.fullmatch(rf"{name}{operator}([\w.]+)", each) for each in requirements if isinstance(each, str))
    return next((match[1] for match in found if match), None)


def stub_faults() -> Iterator[str]:
    """Each stub must be what the protos make, and none may be left of a proto that is gone."""
    with tempfile.TemporaryDirectory() as folder:
        made, there = Path(folder), stubs(ROOT)
        generate.make_stubs(made)
        fresh = stubs(made)
    for path in sorted(fresh.keys() | there.keys()):
        if path not in there:
            yield f"{path} is missing: `make protos`"
        elif path not in fresh:
            yield f"{path} has no proto any more: delete it"
        elif fresh[path] != there[path]:
            yield f"{path} is not what the protos make: `make protos`"


def stubs(root: Path) -> dict[Path, bytes]:
    """All files of the package below `root`, by their path there."""
    return {path.relative_to(root): path.read_bytes() for path in (root / API).rglob("*.py*") if path.suffix in {".py", ".pyi"}}


def lint_faults(image: Path) -> Iterator[str]:
    """Buf's standard rules, and a comment on everything."""
    yield from buf("lint", str(image))


def breaking_faults(image: Path) -> Iterator[str]:
    """What was said at the point where this branch left main must still be understood."""
    base = left_main_at()
    if base is None:
        print("protos: no main to compare with here: what would break its speakers is not checked")
        return
    files = (git("ls-tree", "-r", "--name-only", base, "protos") or b"").decode().split()
    if not files:
        print(f"protos: main ({base[:10]}) has no protos yet: nothing can break")
        return
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            (Path(folder) / file).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / file).write_bytes(git("show", f"{base}:{file}") or b"")
        script, theirs = Path(folder) / "protos/generate.py", Path(folder) / "main.binpb"
        script.write_bytes(Path(generate.__file__).read_bytes())
        made = subprocess.run([sys.executable, script, "--image", theirs], capture_output=True, text=True, check=False)
        if made.returncode:
            yield f"the protos of main ({base[:10]}) could not be compiled: {made.stderr.strip()}"
            return
        yield from buf("breaking", str(image), "--against", str(theirs))


def left_main_at() -> str | None:
    """The commit; on main itself it is HEAD. None where there is no git, no checkout or no main."""
    for branch in BRANCHES:
        if (found := git("merge-base", "HEAD", branch)) is not None:
            return found.decode().strip()
    return None


def git(*arguments: str) -> bytes | None:
    """What it printed; None when it failed."""
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def buf(*arguments: str) -> Iterator[str]:
    """Each line that it has to say, and what made it fail without a word."""
    done = subprocess.run([BUF, *arguments, "--config", PROTOS / "buf.yaml"], capture_output=True, text=True, check=False)
    told = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode:
        yield from told or [f"buf {arguments[0]} ended with code {done.returncode}"]


def main() -> int:
    """Check all, tell all; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "protos.binpb"
        generate.make_image(image)
        checks = {
            "tools": list(tools_faults()),
            "stubs": list(stub_faults()),
            "lint": list(lint_faults(image)),
            "breaking": list(breaking_faults(image)),
        }
    for name, faults in checks.items():
        for fault in faults:
            print(f"protos: {name}: {fault}", file=sys.stderr)
    if any(checks.values()):
        return 1
    print(f"protos: {len(generate.sources())} files: stubs fresh, lint clean, nothing breaks main")
    return 0


if __name__ == "__main__":
    sys.exit(main())
