"""What an event file holds, as plain numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from msml.data.events import describe
from msml.data.kinematics import Array
from msml.errors import DataError
from msml.report.statistics import Fraction, fraction
from msml.studies.htautau.events.images import IMAGES, LAYERS, image_statistics
from msml.studies.htautau.events.sample import (
    QUANTITIES,
    Group,
    Sample,
    count_modes,
    load,
    of_group,
    provenance,
)

PROBABILITIES = (0.05, 0.16, 0.50, 0.84, 0.95)


@dataclass(frozen=True)
class ColumnSummary:
    """One column of the file.

    Attributes:
        name: Name of the dataset.
        shape: Events included.
        type: NumPy type in the file.
        components: Names along the last axis, or empty.
        units: Unit of each component, or the one unit of the column.
        file_bytes: Size in the file, compressed.
        memory_bytes: Size when read.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    components: tuple[str, ...]
    units: tuple[str, ...]
    file_bytes: int
    memory_bytes: int


@dataclass(frozen=True)
class Cut:
    """One step of the selection.

    Attributes:
        name: What was asked for.
        events: Events left.
        of_previous: Fraction of the events before this step; None for the first.
        of_first: Fraction of the events of the first step; None for the first.
    """

    name: str
    events: int
    of_previous: Fraction | None
    of_first: Fraction | None


@dataclass(frozen=True)
class LayerSummary:
    """One layer of the calorimeter images of both jets.

    Attributes:
        name: Name of the layer.
        energy: Mean sum of an image, GeV.
        energy_error: Standard error of it, GeV.
        filled: Fraction of pixels that are not zero.
    """

    name: str
    energy: float
    energy_error: float
    filled: float


@dataclass(frozen=True)
class ProcessSummary:
    """The events of one process, or of one label where the file knows no processes.

    Attributes:
        name: What the file calls it.
        labels: Labels of its events.
        events: How many of them are in the file.
        cross_section_pb: Before the selection, where known.
        cross_section_error_pb: Its uncertainty, where known.
        cuts: The selection, first step first; empty where unknown.
        quantiles: By name of a quantity (`QUANTITIES`) its 5, 16, 50, 84 and 95 % quantiles.
        decay_modes: Fraction of each known decay mode of the taus.
        layers: The image layers; empty where there are no images.
    """

    name: str
    labels: tuple[int, ...]
    events: int
    cross_section_pb: float | None
    cross_section_error_pb: float | None
    cuts: tuple[Cut, ...]
    quantiles: dict[str, tuple[float, ...]]
    decay_modes: dict[str, Fraction]
    layers: tuple[LayerSummary, ...]


@dataclass(frozen=True)
class EventSummary:
    """What an event file holds; `dataclasses.asdict` of it is JSON.

    Attributes:
        path: The file.
        file_bytes: Its size.
        events: Number of events.
        labels: Number of events of each label.
        columns: The columns.
        processes: The processes that have events.
        source: What made the file, where known.
        settings: The settings it was made with; empty where unknown.
        versions: Versions of the software that made it; empty where unknown.
    """

    path: str
    file_bytes: int
    events: int
    labels: dict[str, int]
    columns: tuple[ColumnSummary, ...]
    processes: tuple[ProcessSummary, ...]
    source: str
    settings: dict[str, Any]
    versions: dict[str, Any]


def summarise(path: Path) -> EventSummary:
    """Summarise an event file.

    Raises:
        DataError: As `msml.data.events.read`; also for provenance of another form or that
            contradicts itself.
    """
    sample = load(path)
    labels, counts = np.unique(sample.columns.get("label", np.empty(0, int)), return_counts=True)
    return EventSummary(
        path=str(path),
        file_bytes=path.stat().st_size,
        events=sample.events,
        labels={str(label): int(count) for label, count in zip(labels, counts, strict=True)},
        columns=_columns(path),
        processes=_processes(sample),
        source=provenance(path, sample.provenance, "source", str),
        settings=provenance(path, sample.provenance, "settings", dict),
        versions=provenance(path, sample.provenance, "versions", dict),
    )


def cut_flow(sample: Sample, name: str) -> tuple[Cut, ...]:
    """Read the selection of a process from the provenance; empty where it is unknown."""
    cuts = _recorded(sample, name).get("cuts") or []
    try:
        steps = [(str(cut), int(events)) for cut, events in cuts]
        return tuple(
            Cut(
                cut,
                events,
                fraction(events, steps[index - 1][1]) if index else None,
                fraction(events, steps[0][1]) if index else None,
            )
            for index, (cut, events) in enumerate(steps)
        )
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{sample.path}: attribute 'summary': cuts of '{name}': {error};"
            " expected pairs of a name and a number of events that never grows"
        ) from error


def _columns(path: Path) -> tuple[ColumnSummary, ...]:
    about = describe(path)
    with h5py.File(path, "r") as file:
        return tuple(
            ColumnSummary(
                name,
                about.shapes[name],
                column.dtype,
                column.components,
                column.units,
                int(file[name].id.get_storage_size()),
                int(file[name].nbytes),
            )
            for name, column in about.columns.items()
            if name in file
        )


def _processes(sample: Sample) -> tuple[ProcessSummary, ...]:
    values = {
        name: quantity.values(sample)
        for name, quantity in QUANTITIES.items()
        if quantity.available(sample)
    }
    layers = _layers(sample)
    return tuple(
        _process(sample, group, values, layers[index]) for index, group in enumerate(sample.groups)
    )


def _process(
    sample: Sample, group: Group, values: dict[str, Array], layers: tuple[LayerSummary, ...]
) -> ProcessSummary:
    recorded = _recorded(sample, group.name)
    selected = {name: of_group(array, group) for name, array in values.items()}
    modes: dict[str, Fraction] = {}
    if "decay_modes" in sample.columns:
        counts, known = count_modes(sample.columns["decay_modes"][group.rows])
        modes = {mode: part for mode, n in counts.items() if (part := fraction(n, known))}
    return ProcessSummary(
        name=group.name,
        labels=group.labels,
        events=group.events,
        cross_section_pb=_number(sample, recorded, "cross_section_pb"),
        cross_section_error_pb=_number(sample, recorded, "cross_section_error_pb"),
        cuts=cut_flow(sample, group.name),
        quantiles={
            name: tuple(float(q) for q in np.quantile(array, PROBABILITIES))
            for name, array in selected.items()
            if len(array)
        },
        decay_modes=modes,
        layers=layers,
    )


def _layers(sample: Sample) -> list[tuple[LayerSummary, ...]]:
    """Summaries of the image layers of each process."""
    if IMAGES not in sample.shapes:
        return [()] * len(sample.groups)
    statistics = image_statistics(sample)
    return [
        tuple(
            LayerSummary(name, float(energy), float(error), float(filled))
            for name, energy, error, filled in zip(
                LAYERS,
                statistics.energy[index],
                statistics.energy_error[index],
                statistics.filled[index],
                strict=True,
            )
        )
        for index in range(len(sample.groups))
    ]


def _recorded(sample: Sample, name: str) -> dict[str, Any]:
    """What the provenance says of a process."""
    summary = provenance(sample.path, sample.provenance, "summary", dict)
    return dict(provenance(sample.path, summary, name, dict))


def _number(sample: Sample, recorded: dict[str, Any], name: str) -> float | None:
    value = recorded.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{sample.path}: attribute 'summary': '{name}' is not a number: {value!r}")
    return float(value)
