"""docs/settings.md says what the code does."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mailgate.cli.__main__ import main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/settings.md"


def test_the_page_is_fresh(tmp_path):
    """`make docs` would change nothing."""
    made = tmp_path / "settings.md"
    subprocess.run([sys.executable, ROOT / "docs/generate.py", "--out", made], check=True, timeout=60)
    assert made.read_text() == PAGE.read_text(), "the settings have changed: make docs"


def test_every_key_that_is_shown_is_explained(capsys, monkeypatch):
    """By its section and name, with more than its type."""
    monkeypatch.delenv("MAILGATE_CONFIG", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["config", "show"])
    assert ended.value.code == 0
    shown = tomllib.loads(capsys.readouterr().out)
    page = {part.partition("`")[0]: part for part in PAGE.read_text().split("## `")}
    assert len(shown) > 8
    for section, keys in shown.items():
        part = page["[routes.NAME]" if section == "routes" else f"[{section}]"]
        for key in keys["default"] if section == "routes" else keys:
            if not isinstance(keys.get(key), dict) and "Its keys are those of" not in part:
                assert re.search(rf"^- `{key}` \(.*(\n  .*)*\)( \*\(live\)\*)?: +\S", part, re.M), f"{section}.{key}"
