"""What `msml inspect` shows of events with leptons, b-jets, jets and missing momentum."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from msml.data.described import EventFile
from msml.data.events import describe, read
from msml.data.kinematics import Array, px_py_pz_e
from msml.plotting import check_suffix, save, style
from msml.registry import event_pages
from msml.report.event_pages import print_summary
from msml.report.inspection import FileSummary, summarise
from msml.report.inspection_page import MOST_EVENTS, Kinds, Panel, compose
from msml.simulation.columns import OBJECTS, ObjectType

_NAMES = {
    ObjectType.LEPTON: "lepton",
    ObjectType.B_JET: "b-jet",
    ObjectType.JET: "jet",
    ObjectType.MET: "missing",
}
_COUNTED = ("leptons", "b-jets", "jets without a tag")


def draw_page(path: Path, output: Path) -> None:
    """Draw multiplicities, momenta by type of object and some masses, a line for each process.

    Raises:
        DataError: As `msml.data.events.read`; also if the page cannot be written.
        RecipeError: On an unknown suffix.
    """
    check_suffix(output)
    file = describe(path)
    shown = slice(None, None, max(1, -(-file.events // MOST_EVENTS)))
    columns = read(path, [*OBJECTS, *({"process", "label"} & set(file.columns))], shown)
    drawn = len(columns["event_objects"])
    title = f"{path.name}: {file.events:,} events"
    title += f", {drawn:,} drawn" if drawn < file.events else ""
    with style():
        save(compose(title, list(panels(columns, *processes(file, columns)))), output)


def processes(file: EventFile, columns: dict[str, Array]) -> tuple[Array, Kinds]:
    """Say which process each event is of: by name where the file has them, else by label."""
    names = file.provenance.get("processes")
    if names and "process" in columns:
        return columns["process"].astype(int), Kinds(tuple(names))
    if "label" in columns:
        known, kind = np.unique(columns["label"], return_inverse=True)
        return kind, Kinds(tuple(f"class {each}" for each in known))
    return np.zeros(len(columns["event_objects"]), int), Kinds(("all events",))


def panels(columns: dict[str, Array], process: Array, kinds: Kinds) -> Iterator[Panel]:
    """Arrange the page.

    Args:
        columns: Those of objects.
        process: `(events,)` number of the process.
        kinds: The names of the processes.
    """
    objects, types = columns["event_objects"].astype(np.float64), columns["event_object_types"]
    types = np.where(columns["event_objects_real"], types, ObjectType.NONE)
    for number, name in enumerate(_COUNTED):
        yield Panel(
            f"{name} of an event", columns["event_object_counts"][:, number], process, kinds
        )
    for kind, name in _NAMES.items():
        event, place = np.nonzero(types == kind)
        if not len(event):
            continue
        pt, eta, _, mass = objects[event, place].T
        yield Panel(f"log10 of {name} pt [GeV]", np.log10(pt), process[event], kinds)
        if kind != ObjectType.MET:
            yield Panel(f"{name} eta", eta, process[event], kinds)
        if kind in (ObjectType.B_JET, ObjectType.JET):
            yield Panel(f"{name} m [GeV]", mass, process[event], kinds)
    total = np.where(types != ObjectType.NONE, objects[..., 0], 0.0).sum(axis=1)
    yield Panel("log10 of the sum of all pt [GeV]", np.log10(total), process, kinds)
    yield from _masses(objects, types, process, kinds)


def _masses(objects: Array, types: Array, process: Array, kinds: Kinds) -> Iterator[Panel]:
    """Masses of the two leading b-jets, of the two leading jets, of lepton and missing momentum."""
    for kind in (ObjectType.B_JET, ObjectType.JET):
        event, first, second = _two(types, kind)
        if len(event):
            pair = px_py_pz_e(objects[event, first]) + px_py_pz_e(objects[event, second])
            square = pair[:, 3] ** 2 - (pair[:, :3] ** 2).sum(axis=1)
            title = f"m of the two leading {_NAMES[kind]}s [GeV]"
            yield Panel(title, np.sqrt(np.maximum(square, 0.0)), process[event], kinds)
    lepton, missing = types == ObjectType.LEPTON, types == ObjectType.MET
    event = np.flatnonzero(lepton.any(axis=1) & missing.any(axis=1))
    if len(event):
        one = objects[event, lepton[event].argmax(axis=1)]
        other = objects[event, missing[event].argmax(axis=1)]
        square = 2 * one[:, 0] * other[:, 0] * (1 - np.cos(one[:, 2] - other[:, 2]))
        title = "transverse m of lepton and missing [GeV]"
        yield Panel(title, np.sqrt(square), process[event], kinds)


def _two(types: Array, kind: ObjectType) -> tuple[Array, Array, Array]:
    """Events with at least two objects of a type, and the places of the two leading ones."""
    found = types == kind
    event = np.flatnonzero(found.sum(axis=1) > 1)
    order = np.argsort(~found[event], axis=1, kind="stable")
    return event, *order.T[:2]


@event_pages.register("objects", columns=tuple(OBJECTS), show=print_summary, draw=draw_page)
def objects(path: Path) -> FileSummary:
    """Leptons, b-jets, jets and missing transverse momentum, and which process has how many."""
    return summarise(path)
