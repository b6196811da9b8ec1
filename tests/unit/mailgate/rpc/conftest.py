"""Certificates of an authority of the test's own, made anew each run."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Files:
    """Paths of PEM files."""

    ca: str
    certificate: str
    key: str
    other_key: str


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """An authority, and a certificate of it for 127.0.0.1 and localhost that serves both ends."""
    at = tmp_path_factory.mktemp("pem")
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    run(at, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    run(at, "req", *curve, "-keyout", "a.key", "-out", "a.csr", "-subj", "/CN=localhost")
    (at / "ext").write_text(names)
    run(
        at,
        "x509",
        "-req",
        "-in",
        "a.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "ext",
        "-out",
        "a.pem",
    )
    return Files(*(str(at / name) for name in ("ca.pem", "a.pem", "a.key", "ca.key")))


def run(at: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=at, check=True, capture_output=True, timeout=30)
