"""One shard: a fixed number of accepted events of one process, a pure function of the recipe."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from msml.data.kinematics import Array
from msml.errors import RecipeError
from msml.simulation.collections import jet_collections
from msml.simulation.detector import DetectorSimulation, Measurement
from msml.simulation.generator import Generator
from msml.simulation.jets import EventJets, FlowObjects, find_jets, flow_objects
from msml.simulation.particles import Particles
from msml.simulation.pileup import Pool, overlay
from msml.simulation.seeds import batch_seeds
from msml.simulation.selections import Seen, Selection, build_selection
from msml.simulation.settings import EventRecipe
from msml.simulation.truth import Truth, find_truth

# Attempts made at once, from one seed; part of what the events depend on.
BATCH = 50


@dataclass
class Shard:
    """Accepted events and how they came about.

    Attributes:
        columns: Columns of the accepted events.
        attempts: Attempts at an event.
        passed: Of these, passed the parton-level veto, the cut at truth level and all cuts.
        cross_section: Of the hard process, in pb.
        cross_section_error: Its statistical error, in pb.
    """

    columns: dict[str, Array] = field(default_factory=dict)
    attempts: int = 0
    passed: list[int] = field(default_factory=lambda: [0, 0, 0])
    cross_section: float = 0.0
    cross_section_error: float = 0.0

    def save(self, path: Path) -> None:
        """Write the shard."""
        counts = np.array([self.attempts, *self.passed])
        section = np.array([self.cross_section, self.cross_section_error])
        with path.open("wb") as handle:
            np.savez_compressed(handle, _counts=counts, _cross_section=section, **self.columns)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a shard."""
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files if not name.startswith("_")}
            attempts, *passed = file["_counts"].tolist()
            return cls(columns, attempts, passed, *file["_cross_section"].tolist())


class EventSimulation:
    """Everything after Pythia, for batches of events of one recipe.

    Args:
        recipe: The recipe.
        selection: Its event selection.
        pool: Pile-up; None without.
    """

    def __init__(self, recipe: EventRecipe, selection: Selection, pool: Pool | None) -> None:
        self._recipe = recipe
        self._selection = selection
        self._pool = pool
        self._detector = DetectorSimulation(recipe.detector)

    def run(
        self, particles: Particles, truth: Truth, random: np.random.Generator
    ) -> dict[str, Array]:
        """Simulate a batch: columns of the accepted events."""
        measurement, interactions = self.detect(particles, len(truth), random)
        flow, jets = self.cluster(measurement, len(truth))
        return self.select(Seen(truth, measurement, jets, random), flow, interactions)

    def detect(
        self, particles: Particles, events: int, random: np.random.Generator
    ) -> tuple[Measurement, Array]:
        """Overlay pile-up and measure; also the number of interactions overlaid."""
        detector = self._recipe.detector
        mean = self._recipe.pileup.mean
        particles, vertex_z, interactions = overlay(
            particles, events, self._pool, mean, detector, random
        )
        return self._detector.measure(particles, vertex_z, random), interactions

    def cluster(self, measurement: Measurement, events: int) -> tuple[FlowObjects, EventJets]:
        """Find the jets."""
        flow = flow_objects(measurement)
        wanted = self._recipe.collections.jets > 0
        return flow, find_jets(flow, events, self._recipe.jets, constituents=wanted)

    def select(self, seen: Seen, flow: FlowObjects, interactions: Array) -> dict[str, Array]:
        """Accept events and fill their columns."""
        wanted = self._recipe.collections
        selected = self._selection.select(seen)
        columns = dict(selected.columns)
        columns["pileup_interactions"] = interactions[selected.events]
        columns["rho"] = seen.jets.rho[selected.events]
        if wanted.jets:
            jets, taus = seen.jets.take(selected.events), seen.truth.taus.take(selected.events)
            columns |= jet_collections(jets, flow, taus, wanted)
        return columns


def make_shard(
    recipe: EventRecipe,
    process: str,
    index: int,
    wanted: int,
    pool: Pool | None,
    report: Callable[[int], None] = lambda accepted: None,
    *,
    veto: bool = True,
) -> Shard:
    """Make the events of one shard.

    Args:
        recipe: The recipe.
        process: Name of the process.
        index: Number of the shard within its process.
        wanted: Accepted events.
        pool: Pile-up; None without.
        report: Called after each batch with the newly accepted events.
        veto: Whether hopeless events are dropped before hadronisation; it changes which events
            are made, not how they are distributed.

    Raises:
        RecipeError: If the cuts let no event pass.
    """
    selection = build_selection(recipe)
    generator = Generator.of(recipe, process, selection.veto if veto else None)
    simulation = EventSimulation(recipe, selection, pool)
    shard = Shard()
    blocks: list[dict[str, Array]] = []
    accepted = 0
    while accepted < wanted:
        seed, random = batch_seeds(recipe.seed, process, index, generator.attempts // BATCH)
        events = generator.batch(BATCH, seed)
        new = 0
        if len(events):
            truth = find_truth(events)
            worth = np.flatnonzero(selection.worth(truth))
            shard.passed[1] += len(worth)
            if len(worth):
                particles = generator.stable_particles(events[worth])
                block = simulation.run(particles, truth.take(worth), random)
                new = len(block["rho"])
                blocks.append({**block, "seed": np.full(new, seed)})
        report(min(new, wanted - accepted))
        accepted += new
        if accepted == 0 and generator.attempts >= recipe.max_tries:
            raise RecipeError(
                f"processes.{process}: no event accepted in {generator.attempts} tries "
                f"({generator.passed_veto} passed the parton-level veto, {shard.passed[1]} had "
                f"{selection.cuts[0]}); loosen the cuts under selection, or raise max_tries"
            )
    shard.passed[2] = accepted
    shard.attempts = generator.attempts
    shard.passed[0] = generator.passed_veto
    shard.cross_section, shard.cross_section_error = generator.cross_section()
    shard.columns = {
        name: np.concatenate([block[name] for block in blocks])[:wanted] for name in blocks[0]
    }
    shard.columns |= {
        "label": np.full(wanted, recipe.processes[process].label, np.uint8),
        "process": np.full(wanted, list(recipe.processes).index(process), np.uint8),
        "event_number": np.arange(wanted, dtype=np.uint32) + index * recipe.shard_size,
    }
    if recipe.columns is not None:
        shard.columns = {name: shard.columns[name] for name in recipe.columns}
    return shard
