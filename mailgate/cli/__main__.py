"""The command line: its commands, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.core import TyperGroup

from mailgate import __version__
from mailgate.cli import exits, output
from mailgate.cli.exits import OK, USAGE
from mailgate.cli.waits import with_wait
from mailgate.errors import MailgateError

HELP = f"""Mailgate: a gRPC mail gateway.

`mailgate up` starts everything on this machine. In a second terminal:

  mailgate send --to a@example.com --subject Hi --text Hello --wait

{exits.HELP}"""


ORDER = [
    "up",
    "send",
    "batch",
    "get",
    "watch",
    "nodes",
    "node",
    "sites",
    "queue",
    "doubts",
    "inbox",
    "config",
    "shaping",
    "gateway",
    "sender",
]
"""What is needed first, or most often, comes first in the help."""


class InOrder(TyperGroup):
    """The commands as ORDER has them; by itself the parser puts those that have commands of their own last."""

    def list_commands(self, ctx: object) -> list[str]:
        """Their names."""
        return sorted(self.commands, key=ORDER.index)


def build() -> typer.Typer:
    """The commands, one file each."""
    from mailgate.cli import batch, config, doubts, get, inbox, node, nodes, process, queue, send, shaping, sites, up, watch

    app = typer.Typer(name="mailgate", cls=InOrder, help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback(help=HELP)(whole)
    for name, module in (("up", up), ("send", send), ("batch", batch), ("get", get), ("watch", watch), ("nodes", nodes), ("queue", queue)):
        app.command(name, help=module.HELP)(getattr(module, name))
    app.add_typer(node.node, name="node")
    app.add_typer(sites.sites, name="sites")
    app.add_typer(doubts.doubts, name="doubts")
    app.add_typer(inbox.inbox, name="inbox")
    app.add_typer(config.config, name="config")
    app.add_typer(shaping.shaping, name="shaping")
    app.command("gateway", help=process.GATEWAY_HELP)(process.gateway)
    app.command("sender", help=process.SENDER_HELP)(process.sender)
    return app


def tell_version(asked: bool) -> None:
    """One line, and nothing else is done."""
    if asked:
        output.line(f"mailgate {__version__}")
        raise typer.Exit


def whole(
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=tell_version, help="Print the release, and end.")] = False,
) -> None:
    """What stands before a command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point `mailgate`; it exits."""
    # gRPC tells of each failed handshake by itself, between our own lines.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        code = _run(with_wait(list(sys.argv[1:] if arguments is None else arguments)))
        sys.stdout.flush()
    except KeyboardInterrupt:
        # So early that not all was imported.
        code = exits.INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has enough (the parser makes a SystemExit of it). The interpreter would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = OK
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    try:
        code = build()(arguments, standalone_mode=False, prog_name="mailgate")
    except MailgateError as error:
        if "--json" in arguments:
            output.json_line(exits.json_of(error))
        else:
            output.line(f"mailgate: {exits.text_of(error)}", sys.stderr)
        return exits.code_of(error)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except OSError:
        raise
    except Exception as error:
        return _usage(error, json="--json" in arguments)
    return code if isinstance(code, int) else OK


def _usage(error: Exception, *, json: bool) -> int:
    """The parser's own complaint, as one line or one object; anything else is a defect and keeps its traceback."""
    told = getattr(error, "format_message", None)
    if told is None:
        raise error
    context = getattr(error, "ctx", None)
    text = " ".join(str(told()).replace("Value error, ", "").split())
    if not text or type(error).__name__ == "NoArgsIsHelpError":
        output.line(text or (context.get_help() if context else ""), sys.stderr)
        return USAGE
    where = context.command_path if context else "mailgate"
    told_with_help = f"{text} ({where} --help explains)"
    if json:
        output.json_line(exits.json_of(exits.Usage(told_with_help)))
    else:
        output.line(f"{where}: {told_with_help}", sys.stderr)
    return USAGE


if __name__ == "__main__":
    main()
