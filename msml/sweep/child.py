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

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):  # it died before
        sys.exit(85)
    os.execv(sys.executable, [sys.executable, "-m", "msml", *sys.argv[2:]])
