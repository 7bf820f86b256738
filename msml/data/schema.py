"""The columns of an event file: shape, axes, units and meaning of each.

Any name goes, and a file describes its own columns. A name may be registered, by msml, a study or a
plugin: the writer then stores the registered description as attributes of the dataset, and the
reader compares them, so that a file whose axes or units mean something else is refused instead of
being trained on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msml.registry import columns

PT_ETA_PHI_M = ("pt", "eta", "phi", "m")
FOUR_VECTOR_UNITS = ("GeV", "1", "rad", "GeV")


@dataclass(frozen=True)
class Column:
    """One column of an event file.

    Attributes:
        name: Name of the dataset.
        dtype: NumPy type in the file.
        axes: Meaning of each axis after the event axis; empty where the file does not say.
        sizes: Length of each of these axes; None where the recipe decides.
        components: Names along the last axis, or empty.
        units: Unit of each component, or the one unit of the column; "1" is a pure number.
        description: What the numbers are.
        mask: Name of the boolean column that says which entries are real; "" where all are.
    """

    name: str
    dtype: str
    axes: tuple[str, ...]
    sizes: tuple[int | None, ...]
    components: tuple[str, ...]
    units: tuple[str, ...]
    description: str
    mask: str = ""

    @property
    def told(self) -> bool:
        """Whether the file says what the numbers along the axes are."""
        return bool(self.axes or self.components) or not self.sizes

    @property
    def lengths(self) -> tuple[int, ...]:
        """Length of each axis after the event axis, where the recipe decides none of them."""
        return tuple(size or 0 for size in self.sizes)

    def shape(self, array_shape: tuple[int, ...]) -> str | None:
        """Say what is wrong with an array's shape (events included), or None."""
        wanted = ("events", *("any" if size is None else str(size) for size in self.sizes))
        fits = len(array_shape) == len(wanted) and all(
            size is None or size == length
            for size, length in zip(self.sizes, array_shape[1:], strict=True)
        )
        return None if fits else f"shape {array_shape}, expected ({', '.join(wanted)})"


class _Registered(Mapping[str, Column]):
    """The registered columns by name; the modules that hold them are imported on demand."""

    def __getitem__(self, name: str) -> Column:
        if name not in self:
            raise KeyError(name)
        column: Column = columns.get(name).function
        return column

    def __contains__(self, name: object) -> bool:
        return name in columns.names()

    def __iter__(self) -> Iterator[str]:
        return iter(columns.names())

    def __len__(self) -> int:
        return len(columns.names())


COLUMNS: Mapping[str, Column] = _Registered()


def register(*described: Column) -> None:
    """Register columns: a file that describes one of this name must describe it so."""
    for column in described:
        sentence = f"{column.description[:1].upper()}{column.description[1:]}."
        columns.add(column.name, column, sentence, __name__)


register(
    Column("label", "uint8", (), (), (), ("1",), "class of the event; 1 is the signal"),
    Column("weight", "float32", (), (), (), ("1",), "weight of the event, of either sign"),
)
