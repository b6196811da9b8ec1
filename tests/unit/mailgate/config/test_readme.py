"""The settings that the README shows are settings."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from gateway import settings as gateway
from mailgate.config.secret import Secret
from sender import settings as sender

README = Path(__file__).parents[4] / "README.md"


def test_the_example_is_read_without_a_mistake(tmp_path: Path) -> None:
    """By both processes, once its files are there and its hash is one."""
    example = re.search(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    (tmp_path / "secret").write_text("geheim")
    text = re.sub(r'(_file|file) = "[^"]*"', rf'\1 = "{tmp_path / "secret"}"', example[1])
    tables = tomllib.loads(text.replace("sha256:…", "sha256:" + "ab" * 32))
    assert set(gateway.from_tables(tables, {}).routes) == {"default", "partner", "suite", "direct"}
    assert sender.from_tables(tables, {}).secrets == {"relay": Secret("geheim")}
    assert set(sender.from_tables(tables, {}).tokens) == {"suite"}
    assert set(sender.from_tables(tables, {}).certificates) == {"partner"}
    assert set(sender.from_tables(tables, {}).sources) == {"mx7"}
