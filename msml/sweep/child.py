"""Becomes `python -m msml …`, and is sent SIGTERM when the process that started it dies.

    python -m msml.sweep.child PID ARGUMENTS...

It then saves and leaves. The kernel's order outlives `exec`, and set here, not between `fork` and
`exec` of a process with threads, it cannot dead-lock.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def follow_parent(number: int) -> None:
    """Have the kernel send this process a signal when the one that started it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    follow_parent(signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):  # it died before
        sys.exit(85)
    os.execv(sys.executable, [sys.executable, "-m", "msml", *sys.argv[2:]])
