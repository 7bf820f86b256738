"""Output that ends no run: what is done is done, whether anybody can read of it or not."""

import io
import os
from typing import TextIO


class _Lasting(io.TextIOWrapper):
    """A stream whose failures (a reader that has gone, a full disk) lose only what is written."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors="replace",
            line_buffering=stream.line_buffering,
        )
        self._stream = stream  # whose end would close the buffer

    def write(self, text: str) -> int:
        """Write a text, or nothing."""
        try:
            return super().write(text)
        except OSError:
            self._lose()
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, or nothing."""
        try:
            super().flush()
        except OSError:
            self._lose()

    def _lose(self) -> None:
        """Let all that follows go nowhere, for other libraries and the interpreter's end too."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def lasting(stream: TextIO) -> TextIO:
    """Make a stream that never fails; letters that its encoding lacks become `?`."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return _Lasting(stream)
