"""A file under HDF5 whose failures reach us as one exception.

HDF5 does not survive a failed write: it fails again when it closes its datasets, later, where
nobody can catch it, and can crash the process. So it writes through `Disk`, which keeps the first
failure for us to raise and tells HDF5 that all is well.
"""

import os
from pathlib import Path
from typing import Any


class Disk:
    """The part of a Python file that h5py uses, on a new file. Nothing here raises on a full disk.

    Attributes:
        error: The first failure, after which nothing more is written.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`, which can take more than one call of the system's write."""
        rest = memoryview(data)
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int) -> int:
        """Set the length of the file."""
        try:
            if self.error is None:
                self._file.truncate(size)
        except OSError as error:
            self.error = error
        return size

    def flush(self) -> None:
        """Nothing is buffered."""

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes; h5py only looks whether this method is there."""
        return self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def close(self) -> None:
        """Make sure that all is on the disk, and close the file; again does nothing."""
        if self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self.error = self.error or error
        self._file.close()
