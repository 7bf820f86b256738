"""What an imported event file says of how it was made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

import msml


@dataclass(frozen=True)
class Summary:
    """What became of the events of one process.

    Attributes:
        label: Class of its events; 1 is the signal. None where no recipe says.
        cuts: Name of each cut and number of events left after it, in order.
    """

    label: int | None
    cuts: tuple[tuple[str, int], ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as the file holds it."""
        return {
            "label": self.label,
            "events": self.cuts[-1][1],
            "cuts": [list(cut) for cut in self.cuts],
        }


def provenance(
    source: str, processes: Sequence[str], settings: dict[str, Any], **versions: str
) -> dict[str, Any]:
    """Collect the root's attributes that are known before the first event is read.

    Args:
        source: Name of the importer.
        processes: Names of the processes; the column `process` counts through them.
        settings: All values of the recipe that shape the events.
        versions: Versions of further packages.
    """
    ours = {"msml": msml.__version__, "numpy": np.__version__, "h5py": h5py.__version__}
    return {
        "source": source,
        "processes": list(processes),
        "settings": settings,
        "versions": ours | versions,
    }
