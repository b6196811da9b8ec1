"""`mailgate gateway` and `mailgate sender`: one process each, in the place of this one."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mailgate.cli import exits

File = Annotated[
    str, typer.Option("--config", envvar="MAILGATE_CONFIG", metavar="FILE", help="The settings (TOML).", show_default="variables alone")
]

GATEWAY_HELP = f"""Run a gateway until Ctrl-C; a second Ctrl-C ends it at once.

Example: mailgate gateway --config mailgate.toml

{exits.HELP}"""

SENDER_HELP = f"""Run a sender node until Ctrl-C, which lets it finish what it has in hand; a second one ends it at once.

Example: MAILGATE_SENDER__GATEWAYS=mail1:8625,mail2:8625 mailgate sender --config mailgate.toml

{exits.HELP}"""


def gateway(file: File = "") -> None:
    """Run a gateway. See GATEWAY_HELP."""
    _become("gateway", file)


def sender(file: File = "") -> None:
    """Run a sender node. See SENDER_HELP."""
    _become("sender", file)


def command(package: str) -> list[str]:
    """What starts a process of the package with this interpreter. A folder of that name in the working directory is not taken for it."""
    return [sys.executable, "-P", "-m", package]


def _become(package: str, file: str) -> None:
    os.execv(sys.executable, [*command(package), *(["--config", file] if file else [])])  # noqa: S606
