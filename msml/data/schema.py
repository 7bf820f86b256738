"""The columns of an event file: shape, axes, units and meaning of each.

One entry here is the only place where a column is described. The writer stores the description as
attributes of the dataset and the reader compares them, so that a file whose axes or units mean
something else is refused instead of being trained on.
"""

from dataclasses import dataclass

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

    def shape(self, array_shape: tuple[int, ...]) -> str | None:
        """Say what is wrong with an array's shape (events included), or None."""
        wanted = ("events", *("any" if size is None else str(size) for size in self.sizes))
        fits = len(array_shape) == len(wanted) and all(
            size is None or size == length
            for size, length in zip(self.sizes, array_shape[1:], strict=True)
        )
        return None if fits else f"shape {array_shape}, expected ({', '.join(wanted)})"


_TAU_AXIS = "tau jet, leading in jet pt first"

_COLUMNS = (
    Column(
        "jets",
        "float32",
        (_TAU_AXIS, "component"),
        (2, 4),
        PT_ETA_PHI_M,
        FOUR_VECTOR_UNITS,
        "reconstructed tau jets after pile-up subtraction; m has the sign of its square",
    ),
    Column(
        "calo_images",
        "float32",
        (_TAU_AXIS, "eta", "phi", "layer"),
        (2, None, None, 3),
        ("tracker_pt", "ecal_et", "hcal_et"),
        ("GeV", "GeV", "GeV"),
        "tracks and calorimeter energy around the jet axis, summed in pixels of eta and phi",
    ),
    Column(
        "taus",
        "float32",
        (_TAU_AXIS, "component"),
        (2, 3),
        ("pt", "eta", "phi"),
        ("GeV", "1", "rad"),
        "true tau leptons, neutrino included, each in the row of its jet",
    ),
    Column(
        "visible_taus",
        "float32",
        (_TAU_AXIS, "component"),
        (2, 4),
        PT_ETA_PHI_M,
        FOUR_VECTOR_UNITS,
        "true visible tau decay products, each in the row of its jet",
    ),
    Column(
        "decay_modes",
        "int8",
        (_TAU_AXIS,),
        (2,),
        (),
        ("1",),
        "5 (charged hadrons - 1) + neutral pions; -1 where unknown",
    ),
    Column("label", "uint8", (), (), (), ("1",), "class of the event; 1 is the signal"),
    Column("weight", "float32", (), (), (), ("1",), "weight of the event; none is negative"),
    Column("process", "uint8", (), (), (), ("1",), "index into the file's list of processes"),
    Column("seed", "uint32", (), (), (), ("1",), "Pythia's seed of the event's batch"),
    Column(
        "event_number",
        "uint32",
        (),
        (),
        (),
        ("1",),
        "number of the accepted event within its process, from 0",
    ),
    Column(
        "pileup_interactions",
        "uint16",
        (),
        (),
        (),
        ("1",),
        "minimum-bias interactions overlaid",
    ),
    Column(
        "rho",
        "float32",
        (),
        (),
        (),
        ("GeV",),
        "pile-up transverse momentum per unit area at |eta| < 2.5",
    ),
    Column(
        "all_jets",
        "float32",
        ("jet, leading first", "component"),
        (None, 4),
        PT_ETA_PHI_M,
        FOUR_VECTOR_UNITS,
        "all jets of the event; rows past the last jet are 0",
    ),
    Column(
        "all_jets_tau",
        "int8",
        ("jet, leading first",),
        (None,),
        (),
        ("1",),
        "1 if a true visible tau is matched to the jet, 0 if not, -1 where there is no jet",
    ),
    Column(
        "constituents",
        "float32",
        ("jet, leading first", "constituent, leading first", "component"),
        (None, None, 4),
        PT_ETA_PHI_M,
        FOUR_VECTOR_UNITS,
        "energy-flow objects of each jet; rows past the last one are 0",
    ),
    Column(
        "constituent_charges",
        "int8",
        ("jet, leading first", "constituent, leading first"),
        (None, None),
        (),
        ("1",),
        "electric charge of each constituent",
    ),
)

COLUMNS: dict[str, Column] = {column.name: column for column in _COLUMNS}
