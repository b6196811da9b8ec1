"""`python -m mailgate.cli.tied PROGRAM ARGUMENT…`: becomes a program that isn't ours, and yet doesn't outlive the process that started it.

Our own processes see the end of their standard input; of another program the kernel is asked to end it, where it is Linux. Elsewhere it
stays when `mailgate up` is killed by SIGKILL, and only then.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2). It stays through execve(2) of a program that is neither set-uid nor set-gid."""


def main() -> None:
    """Become the program. One whose parent has gone meanwhile would never be told."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the process that started this one is gone")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606


if __name__ == "__main__":
    main()
