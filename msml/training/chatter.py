"""TensorFlow's remarks on standard error: held back, errors passed on."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_ERRORS_ONLY = "2"
# Information and warnings in both of TensorFlow's formats, and errors that are none: libraries
# that two parts of TensorFlow register, and the search for a GPU where there is no driver.
_REMARK = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IW]\d{4} \d\d:\d\d"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] "
    r"|To enable the following instructions:"
    r"|E\d{4} .*Unable to register cu\w+ factory"
)
_NO_GPU = re.compile(r"E\d{4} .*failed call to cuInit")
_DRIVER = Path("/proc/driver/nvidia/version")


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what the block writes to standard error, and pass on what is no remark at its end.

    TensorFlow reads its log level only after its first messages, so that the level alone does not
    silence them. A user who has set a lower `TF_CPP_MIN_LOG_LEVEL` sees everything.
    """
    os.environ.setdefault(_LEVEL, _ERRORS_ONLY)
    if os.environ[_LEVEL] < _ERRORS_ONLY:
        yield
        return
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            os.write(2, "".join(without_remarks(held.read().decode(errors="replace"))).encode())


def without_remarks(text: str) -> Iterator[str]:
    """Yield the lines of a log that a user should see."""
    for line in text.splitlines(keepends=True):
        if not _REMARK.match(line) and not (_NO_GPU.match(line) and not _DRIVER.exists()):
            yield line
