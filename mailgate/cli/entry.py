"""Where the command `mailgate` begins: Ctrl-C while the command line is still loaded ends it, and shows nobody the files that were read."""

from __future__ import annotations

import signal


def main() -> None:
    """The entry point; it exits."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, as whoever started this wants it
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mailgate.cli.__main__ import main as run

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
