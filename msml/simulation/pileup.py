"""Pile-up: a pool of minimum-bias interactions, and their overlay on a batch of events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from msml.data.kinematics import Array
from msml.simulation.detector_card import Detector
from msml.simulation.generator import Generator
from msml.simulation.particles import Particles
from msml.simulation.seeds import batch_seeds
from msml.simulation.settings import PileUp

_BATCH = 250


@dataclass(frozen=True)
class Pool:
    """Minimum-bias interactions to draw from.

    Attributes:
        particles: Their particles, ordered by `event`, the number of the interaction.
        start: `(interactions + 1,)` first particle of each interaction.
    """

    particles: Particles
    start: Array

    def save(self, path: Path) -> None:
        """Write the pool, uncompressed: many processes read it at once."""
        arrays = {f.name: getattr(self.particles, f.name) for f in fields(Particles)}
        with path.open("wb") as handle:
            np.savez(handle, start=self.start, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a pool."""
        with np.load(path, allow_pickle=False) as file:
            particles = Particles(*(file[f.name] for f in fields(Particles)))
            return cls(particles, file["start"])

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Put pools behind each other."""
        particles = parts[0].particles
        start = parts[0].start
        for part in parts[1:]:
            later = replace(part.particles, event=part.particles.event + len(start) - 1)
            particles = Particles.concatenate(particles, later)
            start = np.concatenate([start, part.start[1:] + start[-1]])
        return cls(particles, start)


def make_pool(
    settings: PileUp,
    common: Mapping[str, Any],
    part: int,
    interactions: int,
    report: Callable[[int], None] = lambda made: None,
) -> Pool:
    """Generate one part of a pool of minimum-bias interactions.

    Elastic interactions leave nothing in the detector; they count, as in Delphes.

    Args:
        settings: Process and acceptance.
        common: Pythia settings common to all processes.
        part: Number of the part.
        interactions: How many to make.
        report: Called after each batch with the interactions made.
    """
    generator = Generator({**common, **settings.pythia})
    largest_slope = np.sinh(settings.eta_max)
    parts: list[Particles] = []
    made = 0
    while made < interactions:
        seed, _ = batch_seeds(settings.seed, "pileup", part, generator.attempts // _BATCH)
        events = generator.batch(_BATCH, seed)[: interactions - made]
        particles = generator.stable_particles(events)
        particles = particles.take(np.abs(particles.sinh_eta) < largest_slope)
        parts.append(replace(particles, event=particles.event + made))
        made += len(events)
        report(len(events))
    everything = parts[0]
    for later in parts[1:]:
        everything = Particles.concatenate(everything, later)
    start = np.searchsorted(everything.event, np.arange(interactions + 1))
    return Pool(_compact(everything), start)


def overlay(
    hard: Particles,
    events: int,
    pool: Pool | None,
    mean: float,
    detector: Detector,
    random: np.random.Generator,
) -> tuple[Particles, Array, Array]:
    """Add pile-up to a batch of events and spread all vertices along the beam.

    As Delphes' PileUpMerger: a Poisson number of interactions, each drawn with replacement and
    turned by a random angle.

    Args:
        hard: Particles of the hard interactions.
        events: Events in the batch.
        pool: Where to draw from; None for no pile-up.
        mean: Mean number of interactions.
        detector: Spread of the vertices.
        random: Source of random numbers.

    Returns:
        `(particles, vertex_z, interactions)`: all particles, z of the hard interactions in m, and
        the number of interactions overlaid, both `(events,)`.
    """
    vertex_z = _vertex_z(events, detector, random)
    hard = replace(hard, z=hard.z + vertex_z[hard.event])
    if pool is None:
        return hard, vertex_z, np.zeros(events, dtype=np.int64)
    interactions = random.poisson(mean, events)
    total = int(interactions.sum())
    drawn = random.integers(len(pool.start) - 1, size=total)
    turn = random.uniform(-np.pi, np.pi, total)
    shift = _vertex_z(total, detector, random)
    sizes = pool.start[drawn + 1] - pool.start[drawn]
    interaction = np.repeat(np.arange(total), sizes)
    within = np.arange(len(interaction)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pileup = pool.particles.take(pool.start[drawn][interaction] + within)
    cos, sin = np.cos(turn)[interaction], np.sin(turn)[interaction]
    pileup = replace(
        pileup,
        event=np.repeat(np.arange(events), interactions)[interaction],
        phi=pileup.phi + turn[interaction],
        x=pileup.x * cos - pileup.y * sin,
        y=pileup.x * sin + pileup.y * cos,
        z=pileup.z + shift[interaction],
        pileup=np.ones(len(pileup), dtype=bool),
    )
    return Particles.concatenate(hard, pileup), vertex_z, interactions


def _vertex_z(count: int, detector: Detector, random: np.random.Generator) -> Array:
    """Positions along the beam: a Gaussian, drawn again where it falls outside the range."""
    z = random.normal(0.0, detector.vertex_spread, count)
    while (outside := np.abs(z) > detector.vertex_max).any():
        z[outside] = random.normal(0.0, detector.vertex_spread, int(outside.sum()))
    return z


def _compact(particles: Particles) -> Particles:
    """Halve the memory: single precision."""
    return Particles(
        **{
            f.name: array.astype(np.float32) if array.dtype == np.float64 else array
            for f in fields(Particles)
            for array in [getattr(particles, f.name)]
        }
    )
