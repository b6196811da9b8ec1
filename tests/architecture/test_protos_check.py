"""protos/check.py finds what it is for, each fault with its cure, in a copy of the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIL = "protos/mailgate/api/mail/v1/mail.proto"
NOBODY = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false")


@pytest.fixture
def copy(tmp_path):
    """Protos, stubs and settings, without git."""
    for folder in ("protos", "mailgate/api"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check(root):
    """(exit code, what it printed)."""
    alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(root.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, root / "protos/check.py"], cwd=root, env=alone, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def commit(root):
    git = ["git", "-C", root, *NOBODY]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True, capture_output=True)


def edit(root, path, old, new):
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new, 1))


def test_the_protos_as_they_are_pass(copy):
    """Outside of git, too: then it says what could not be compared."""
    code, told = check(copy)
    assert code == 0, told
    assert "no main to compare with" in told


def test_stubs_must_be_what_the_protos_make(copy):
    """One stale, one missing, one left over: all named, with the cure."""
    api = copy / "mailgate/api/mail/v1"
    (api / "mail_pb2.pyi").write_text("stale")
    (api / "mail_service_pb2_grpc.py").unlink()
    (api / "gone_pb2.py").write_text("")
    code, told = check(copy)
    assert code == 1
    assert "mail_pb2.pyi is not what the protos make: `make protos`" in told
    assert "mail_service_pb2_grpc.py is missing: `make protos`" in told
    assert "gone_pb2.py has no proto any more: delete it" in told


def test_everything_has_a_comment(copy):
    """Buf's rules, as protos/buf.yaml has them."""
    with (copy / MAIL).open("a") as proto:
        proto.write("message Bare {\n  string Odd = 1;\n}\n")
    code, told = check(copy)
    assert code == 1
    assert "lint:" in told
    assert "Bare" in told
    assert "Odd" in told


def test_what_main_speaks_is_understood(copy):
    """A field that changes its number breaks whoever speaks main's version; a new one does not."""
    commit(copy)
    edit(copy, MAIL, "message Address {", "message Address {\n  // New.\n  string comment = 99;")
    assert "breaking:" not in check(copy)[1]
    edit(copy, MAIL, "string email = 1;", "string email = 98;")
    code, told = check(copy)
    assert code == 1
    assert "breaking:" in told
    assert "email" in told


def test_main_without_protos_is_nothing_to_break(copy):
    """The first protos are compared with nothing, and it is said."""
    shutil.move(copy / "protos", copy.parent / "protos-aside")
    commit(copy)
    shutil.move(copy.parent / "protos-aside", copy / "protos")
    code, told = check(copy)
    assert code == 0, told
    assert "has no protos yet" in told


def test_the_tools_are_the_oldest_that_users_may_have(copy):
    """Stubs refuse a grpcio older than what made them: the two lines of pyproject.toml must agree."""
    edit(copy, "pyproject.toml", '"grpcio>=', '"grpcio>=1.')
    code, told = check(copy)
    assert code == 1
    assert "make them equal" in told
