"""Import of Delphes' ROOT files.

Truth comes from the generated particles, everything else from reconstructed jets, tracks and
calorimeter towers. Which branches Delphes must be told to write is said in `_HOW`.
"""

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.described import EventFile
from msml.data.events import Columns, EventWriter, describe
from msml.data.importers.branches import broken
from msml.data.importers.provenance import Summary, provenance
from msml.data.importers.root import BROKEN, uproot
from msml.data.kinematics import Array, pt_eta_phi_m
from msml.errors import DataError
from msml.files import user_path
from msml.simulation.images import layer_images
from msml.simulation.matching import TauPairCuts, pair_tau_jets
from msml.studies.htautau.importers.decays import flat_particles, hadronic_taus
from msml.studies.htautau.importers.found import TREE, WEIGHT, Found

_FIELDS = {
    "Particle": ("PID", "D1", "D2", "Px", "Py", "Pz", "E"),
    "Jet": ("PT", "Eta", "Phi", "Mass"),
    "Track": ("PT", "Eta", "Phi"),
    "Tower": ("Eta", "Phi", "Eem", "Ehad"),
}
_HOW = (
    "Delphes writes them where the card has `Calorimeter` after `HCal` in its ExecutionPath and,"
    " in its TreeWriter, `add Branch Calorimeter/towers Tower Tower`,"
    " `add Branch TrackPileUpSubtractor/eflowTracks Track Track` and the stock card's lines for"
    " Particle and Jet"
)


@dataclass(frozen=True)
class Process:
    """The files of one process.

    Attributes:
        label: Class of its events; 1 is the signal.
        files: Paths of ROOT files, or patterns such as `run_*/delphes.root`.
    """

    label: int
    files: list[str]


@dataclass(frozen=True)
class Images:
    """The images around the jets.

    Attributes:
        pixels: Pixels along each direction.
        half_width: Half the window, in eta and in rad.
    """

    pixels: int = 16
    half_width: float = 0.4


@dataclass(frozen=True)
class _Objects:
    """Objects of one kind in a block of events, without padding.

    Attributes:
        counts: `(events,) int64` number of objects.
        values: `(objects,) float64` by the name of the field; integers stay integers.
    """

    counts: Array
    values: dict[str, Array]

    def event(self) -> Array:
        """Return the `(objects,)` row of each object's event."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def stack(self, *fields: str) -> Array:
        """Return `(objects, fields)`."""
        return np.stack([self.values[field] for field in fields], axis=-1)


def import_delphes(
    processes: Mapping[str, Process],
    output: Path,
    cuts: TauPairCuts | None = None,
    images: Images | None = None,
    step_size: str | int = "50 MB",
) -> EventFile:
    """Make an event file of Delphes' output: events with two hadronic taus, each with its jet.

    Args:
        processes: The files by name of the process.
        output: The event file.
        cuts: The selection; the defaults where None.
        images: The images; the defaults where None.
        step_size: How much is in memory at once: a size, or a number of events. Changes nothing in
            the event file.

    Returns:
        What the event file says of itself: columns `jets`, `calo_images`, `taus`, `visible_taus`,
        `decay_modes`, `label`, `process`, `event_number`, and `weight` where Delphes has event
        weights; processes in the given order. `left_out` names what else might matter and is not
        imported: other trees, and alternative weights.

    Raises:
        DataError: uproot is not installed; a file is missing, truncated or no ROOT file; the tree
            or branches are missing; some files have event weights and others none; no event of a
            process passes the cuts.
    """
    cuts, images = cuts or TauPairCuts(), images or Images()
    package = uproot()
    files = {name: _files(name, process) for name, process in processes.items()}
    settings = {
        "source": {"name": "delphes"},
        "processes": {name: asdict(process) for name, process in processes.items()},
        "selection": asdict(cuts),
        "images": asdict(images),
    }
    about = provenance("delphes", list(processes), settings, uproot=package.__version__)
    summaries, found = {}, Found({}, {})
    with EventWriter(output, None, about) as writer:
        for number, (name, process) in enumerate(processes.items()):
            passed = np.zeros(3, np.int64)
            for columns, counts in _selected(files[name], found, cuts, images, step_size):
                rows = len(columns["jets"])
                columns["label"] = np.full(rows, process.label)
                columns["process"] = np.full(rows, number)
                columns["event_number"] = passed[-1] + np.arange(rows)
                passed += counts
                writer.append(columns)
            names = ("read", "two fiducial taus", "two matched jets")
            flow = tuple(zip(names, passed.tolist(), strict=True))
            if passed[-1] == 0:
                text = ", ".join(f"{cut} {left}" for cut, left in flow)
                raise DataError(f"process '{name}': no event passes the cuts ({text})")
            summaries[name] = Summary(process.label, flow).as_json()
        left_out = {"left_out": list(found.left_out)} if found.left_out else {}
        writer.finish({"summary": summaries, **left_out})
    return describe(output)


def _files(name: str, process: Process) -> list[Path]:
    """Expand patterns; every one must match a file."""
    paths = []
    for pattern in (str(user_path(given)) for given in process.files):
        found = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern))
        if not found:
            raise DataError(f"{pattern}: no such file (process '{name}')")
        paths += [Path(path) for path in found]
    if not paths:
        raise DataError(f"process '{name}' has no files")
    return paths


def _selected(
    files: Sequence[Path],
    found: Found,
    cuts: TauPairCuts,
    images: Images,
    step_size: str | int,
) -> Iterator[tuple[Columns, list[int]]]:
    """Yield the columns of the accepted events, and the numbers of events after each cut."""
    for path in files:
        start = 0
        for objects in _read(path, found, step_size):
            try:
                yield select(objects, cuts, images)
            except DataError as error:
                raise DataError(f"{path}: in the block from event {start}: {error}") from error
            start += len(objects["Jet"].counts)


def _read(path: Path, found: Found, step_size: str | int) -> Iterator[dict[str, _Objects]]:
    """Yield the objects of a file, block by block."""
    wanted = [f"{kind}.{field}" for kind, fields in _FIELDS.items() for field in fields]
    package = uproot()
    try:
        with package.open(path) as file:
            if file.classnames(cycle=False).get(TREE) != "TTree":
                known = ", ".join(sorted(file.keys(cycle=False))) or "nothing"
                raise DataError(f"{path}: no tree '{TREE}' in it; it holds {known}")
            tree = file[TREE]
            branches = {key.rpartition("/")[2] for key in tree.keys()}  # noqa: SIM118
            if missing := [name for name in wanted if name not in branches]:
                raise DataError(f"{path}: no branches {', '.join(missing)}; {_HOW}")
            found.note(path, file.classnames(cycle=False), branches)
            kinds = _FIELDS | ({"Event": ("Weight",)} if WEIGHT in branches else {})
            for block in tree.iterate(filter_name=[*wanted, WEIGHT], step_size=step_size):
                yield {kind: _objects(block, kind, fields) for kind, fields in kinds.items()}
    except (*BROKEN, package.DeserializationError) as error:
        raise broken(path, "ROOT", error) from error


def _objects(block: Any, kind: str, fields: Sequence[str]) -> _Objects:
    import awkward

    counts = [np.asarray(awkward.num(block[f"{kind}.{field}"])) for field in fields]
    if any((other != counts[0]).any() for other in counts):
        raise ValueError(f"branches of {kind} with different numbers of objects")
    values = {}
    for field in fields:
        flat = np.asarray(awkward.flatten(block[f"{kind}.{field}"]))
        values[field] = flat.astype(np.float64) if flat.dtype.kind == "f" else flat
    return _Objects(counts[0].astype(np.int64), values)


def select(
    objects: Mapping[str, _Objects], cuts: TauPairCuts, images: Images
) -> tuple[Columns, list[int]]:
    """Select the events of a block and make their columns.

    Args:
        objects: Particles, jets, tracks and towers, as Delphes names them.
        cuts: The selection.
        images: The images.

    Returns:
        Columns, the higher jet pt first, and the numbers of events read, with two fiducial taus,
        and with a jet for each.
    """
    events = len(objects["Jet"].counts)
    if "Event" in objects and (objects["Event"].counts != 1).any():
        raise DataError(f"expected one {WEIGHT} an event")
    particles, jets = objects["Particle"], objects["Jet"]
    found = hadronic_taus(
        flat_particles(
            particles.counts,
            particles.values["PID"],
            particles.values["D1"],
            particles.values["D2"],
            particles.stack("Px", "Py", "Pz", "E"),
        )
    )
    all_jets = _padded(jets.event(), jets.stack("PT", "Eta", "Phi", "Mass"), events)
    taus = _padded(found.event, pt_eta_phi_m(found.momentum), events)
    visible = _padded(found.event, pt_eta_phi_m(found.visible), events)
    modes = _padded(found.event, found.decay_mode[:, None], events)
    pairs = pair_tau_jets(all_jets, visible, cuts)
    rows = np.flatnonzero(pairs.matched)
    jet, tau = pairs.jet[rows], pairs.tau[rows]
    jet_columns = all_jets[rows[:, None], jet]
    columns = {
        "jets": jet_columns,
        "calo_images": _images(objects, jet_columns[..., 1:3], rows, images),
        "taus": taus[rows[:, None], tau, :3],
        "visible_taus": visible[rows[:, None], tau],
        "decay_modes": modes[rows[:, None], tau, 0],
    }
    if "Event" in objects:
        columns["weight"] = objects["Event"].values["Weight"][rows]
    fiducial = int((cuts.fiducial(visible).sum(axis=1) == 2).sum())
    return columns, [events, fiducial, len(rows)]


def _images(objects: Mapping[str, _Objects], axes: Array, rows: Array, images: Images) -> Array:
    """Make `(events, 2, pixels, pixels, 3)` images around jet axes `(events, 2, 2)`.

    Args:
        objects: Tracks and towers of the whole block.
        axes: Eta and phi of the jets of the selected events.
        rows: `(events,)` rows of the selected events in the block.
        images: Pixels and window.
    """
    track, tower = objects["Track"], objects["Tower"]
    per_energy = 1 / np.cosh(tower.values["Eta"])
    track_place = (track.event(), track.values["Eta"], track.values["Phi"])
    tower_place = (tower.event(), tower.values["Eta"], tower.values["Phi"])
    layers = (
        (*track_place, track.values["PT"]),
        (*tower_place, tower.values["Eem"] * per_energy),
        (*tower_place, tower.values["Ehad"] * per_energy),
    )
    return layer_images(axes, rows, len(track.counts), layers, **asdict(images))


def _padded(event: Array, values: Array, events: int) -> Array:
    """Turn `(objects, n)` with rising `event` into `(events, objects, n)`, 0 past the last one."""
    counts = np.bincount(event, minlength=events)
    within = np.arange(len(event)) - (np.cumsum(counts) - counts)[event]
    padded = np.zeros((events, counts.max(initial=0), values.shape[1]))
    padded[event, within] = values
    return padded
