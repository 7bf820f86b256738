"""An event file's small columns, its processes and the physical quantities made of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.events import Columns, describe, read
from msml.data.kinematics import Array, pair_mass
from msml.errors import DataError

# As in the paper's MASS model.
TAU_MASS_GEV = 1.777
UNKNOWN_MODE = -1
MODE_NAMES = {
    0: "h",
    1: "h π⁰",
    2: "h 2π⁰",
    3: "h 3π⁰",
    10: "3h",
    11: "3h π⁰",
    12: "3h 2π⁰",
}
_SMALL = (
    "jets",
    "taus",
    "visible_taus",
    "decay_modes",
    "label",
    "process",
    "pileup_interactions",
    "rho",
)


@dataclass(frozen=True)
class Group:
    """The events of one process, or of one label where the file knows no processes.

    Attributes:
        name: What the file calls it.
        labels: Labels of its events.
        rows: `(events,) bool`: which events.
    """

    name: str
    labels: tuple[int, ...]
    rows: Array

    @property
    def events(self) -> int:
        """Number of events."""
        return int(self.rows.sum())


@dataclass(frozen=True)
class Sample:
    """What of an event file fits in memory: all but images and constituents.

    Attributes:
        path: The file.
        events: Number of events.
        shapes: Shape of each column, events included.
        columns: The small columns that the file has.
        groups: Its processes, those without events left out.
        provenance: The root's attributes.
    """

    path: Path
    events: int
    shapes: Mapping[str, tuple[int, ...]]
    columns: Columns
    groups: tuple[Group, ...]
    provenance: Mapping[str, Any]


def load(path: Path) -> Sample:
    """Read an event file's small columns and group its events by process.

    Raises:
        DataError: As `msml.data.events.read`; also for provenance of another form.
    """
    file = describe(path)
    if file.events == 0:
        raise DataError(f"{path}: no events in it")
    columns = read(path, [name for name in _SMALL if name in file.shapes])
    names = provenance(path, file.provenance, "processes", list)
    groups = _groups(columns, file.events, [str(name) for name in names])
    return Sample(path, file.events, file.shapes, columns, groups, file.provenance)


def provenance(path: Path, attributes: Mapping[str, Any], name: str, kind: type) -> Any:
    """Take a root attribute of a given type; an empty one where the file has none."""
    value = attributes.get(name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise DataError(
            f"{path}: attribute '{name}' is a {type(value).__name__}, expected a {kind.__name__}"
        )
    return value


def half_width(sample: Sample) -> float | None:
    """Half the images' window in eta and in rad, where the file's settings say it."""
    images = provenance(sample.path, sample.provenance, "settings", dict).get("images")
    value = images.get("half_width") if isinstance(images, dict) else None
    return float(value) if isinstance(value, int | float) and value > 0 else None


def mode_name(mode: int) -> str:
    """Name a decay mode; h is a charged hadron."""
    return MODE_NAMES.get(mode, "other")


def count_modes(modes: Array) -> tuple[dict[str, int], int]:
    """Count known decay modes by name, in the order of `MODE_NAMES`, rare ones as "other".

    Returns:
        Counts by name, without modes that do not occur, and the number of known modes.
    """
    codes, counts = np.unique(modes[modes != UNKNOWN_MODE], return_counts=True)
    by_name = dict.fromkeys([*MODE_NAMES.values(), "other"], 0)
    for code, count in zip(codes, counts, strict=True):
        by_name[mode_name(int(code))] += int(count)
    return {name: count for name, count in by_name.items() if count}, int(counts.sum())


def _groups(columns: Columns, events: int, names: list[str]) -> tuple[Group, ...]:
    """Group events by process where processes have names, else by label, the signal first."""
    if "process" in columns and names:
        index = columns["process"]
        name_of = {i: names[i] if i < len(names) else f"process {i}" for i in np.unique(index)}
    elif "label" in columns:
        index = columns["label"]
        name_of = {i: f"label {i}" for i in np.unique(index)[::-1]}
    else:
        return (Group("all events", (), np.ones(events, dtype=bool)),)
    label = columns.get("label", np.empty(0))
    return tuple(
        Group(
            name,
            tuple(int(v) for v in np.unique(label[index == i])) if len(label) else (),
            index == i,
        )
        for i, name in name_of.items()
    )


@dataclass(frozen=True)
class Quantity:
    """A physical quantity of an event or of its two tau jets.

    Attributes:
        name: Key in a summary.
        text: Name for a table, with its unit.
        symbol: Name for an axis, in TeX.
        unit: "GeV", or "1" for a pure number.
        needs: Columns it is made of.
        compute: Columns to `(events,)` or `(events, 2)`; NaN where it is not defined.
    """

    name: str
    text: str
    symbol: str
    unit: str
    needs: tuple[str, ...]
    compute: Callable[[Columns], Array]

    def available(self, sample: Sample) -> bool:
        """Say whether the file has its columns, and values in them."""
        if not all(name in sample.columns for name in self.needs):
            return False
        return bool(np.isfinite(self.values(sample)).any())

    def values(self, sample: Sample) -> Array:
        """Its values by event, `(events,)` or `(events, 2)`, NaN where not defined."""
        return self.compute(sample.columns)


def of_group(values: Array, group: Group) -> Array:
    """The defined values of one process, flat."""
    selected: Array = values[group.rows].ravel()
    defined: Array = selected[np.isfinite(selected)]
    return defined


def _ratio(above: str, below: str) -> Callable[[Columns], Array]:
    """Ratio of the transverse momenta of two columns, `(events, 2)`."""

    def compute(columns: Columns) -> Array:
        numerator = columns[above][..., 0].astype(np.float64)
        denominator = columns[below][..., 0].astype(np.float64)
        undefined = np.full_like(numerator, np.nan)
        ratio: Array = np.divide(numerator, denominator, out=undefined, where=denominator > 0)
        return ratio

    return compute


def _mass(name: str) -> Callable[[Columns], Array]:
    """Invariant mass of the pair, `(events,)`; three components get the tau mass."""

    def compute(columns: Columns) -> Array:
        vectors = columns[name].astype(np.float64)
        if vectors.shape[-1] == 3:
            mass = np.full((*vectors.shape[:-1], 1), TAU_MASS_GEV)
            vectors = np.concatenate([vectors, mass], axis=-1)
        both = (vectors[..., 0] > 0).all(axis=1)
        return np.where(both, pair_mass(vectors), np.nan)

    return compute


_QUANTITIES = (
    Quantity(
        "leading_jet_pt",
        "leading jet pT [GeV]",
        r"Leading jet $p_\mathrm{T}$",
        "GeV",
        ("jets",),
        lambda columns: columns["jets"][:, 0, 0],
    ),
    Quantity(
        "subleading_jet_pt",
        "subleading jet pT [GeV]",
        r"Subleading jet $p_\mathrm{T}$",
        "GeV",
        ("jets",),
        lambda columns: columns["jets"][:, 1, 0],
    ),
    Quantity(
        "jet_over_visible_pt",
        "jet pT / visible tau pT",
        r"Jet $p_\mathrm{T}$ / visible $\tau$ $p_\mathrm{T}$",
        "1",
        ("jets", "visible_taus"),
        _ratio("jets", "visible_taus"),
    ),
    Quantity(
        "visible_over_full_pt",
        "visible / full tau pT",
        r"Visible / full $\tau$ $p_\mathrm{T}$",
        "1",
        ("visible_taus", "taus"),
        _ratio("visible_taus", "taus"),
    ),
    Quantity(
        "jet_over_full_pt",
        "jet pT / full tau pT",
        r"Jet $p_\mathrm{T}$ / full $\tau$ $p_\mathrm{T}$",
        "1",
        ("jets", "taus"),
        _ratio("jets", "taus"),
    ),
    Quantity(
        "jet_pair_mass",
        "mass of the two jets [GeV]",
        r"Mass of the two $\tau$ jets",
        "GeV",
        ("jets",),
        _mass("jets"),
    ),
    Quantity(
        "visible_pair_mass",
        "mass of the visible taus [GeV]",
        r"Mass of the visible $\tau\tau$",
        "GeV",
        ("visible_taus",),
        _mass("visible_taus"),
    ),
    Quantity(
        "full_pair_mass",
        "mass of the full taus [GeV]",
        r"Mass of the full $\tau\tau$",
        "GeV",
        ("taus",),
        _mass("taus"),
    ),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _QUANTITIES}
