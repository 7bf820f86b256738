"""What Delphes' files hold besides the objects: event weights, and what is left out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from msml.errors import DataError

TREE = "Delphes"
WEIGHT = "Event.Weight"


@dataclass(frozen=True)
class Found:
    """What files hold besides the objects; filled while they are read.

    Attributes:
        weighted: A file with event weights (True) and one without (False), as far as seen.
        left_out: Trees and branches that might matter and are not imported, in their order.
    """

    weighted: dict[bool, Path]
    left_out: dict[str, None]

    def note(self, path: Path, classes: Mapping[str, str], branches: Collection[str]) -> None:
        """Note what a file holds: its objects' classes, and the branches of the tree.

        Raises:
            DataError: Some files have event weights, and others none.
        """
        self.weighted.setdefault(WEIGHT in branches, path)
        if len(self.weighted) > 1:
            has, lacks = self.weighted[True], self.weighted[False]
            raise DataError(f"{lacks}: no branch {WEIGHT}, but {has} has it; expected all or none")
        trees = [n for n, kind in classes.items() if kind == "TTree" and n != TREE]
        others = [n for n in sorted(branches) if "Weight" in n and "." in n and n != WEIGHT]
        self.left_out.update(dict.fromkeys([*(f"tree {name}" for name in trees), *others]))
