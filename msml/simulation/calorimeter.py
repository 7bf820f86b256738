"""Calorimeter towers and energy flow, after Delphes' SimpleCalorimeter."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from msml.data.kinematics import Array
from msml.simulation.detector_card import Calorimeter
from msml.simulation.tracking import log_normal

Resolution = Callable[[Array, Array], Array]


def ecal_resolution(energy: Array, eta: Array) -> Array:
    """Resolution of the electromagnetic calorimeter in GeV, by energy in GeV and eta."""
    absolute = np.abs(eta)
    core = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    forward = np.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)
    shape = np.where(absolute <= 1.5, 1 + 0.64 * eta**2, 2.16 + 5.6 * (absolute - 2) ** 2)
    return np.where(absolute <= 2.5, shape * core, np.where(absolute <= 5.0, forward, 0.0))


def hcal_resolution(energy: Array, eta: Array) -> Array:
    """Resolution of the hadronic calorimeter in GeV, by energy in GeV and eta."""
    absolute = np.abs(eta)
    central = np.sqrt((0.05 * energy) ** 2 + 1.50**2 * energy)
    forward = np.sqrt((0.13 * energy) ** 2 + 2.70**2 * energy)
    return np.where(absolute <= 3.0, central, np.where(absolute <= 5.0, forward, 0.0))


@dataclass(frozen=True)
class Grid:
    """Cells in eta and phi; the number of cells around differs from ring to ring.

    Attributes:
        edges: `(rings + 1,)` edges in eta, ascending.
        around: `(rings,)` cells in phi of each ring.
        offset: `(rings + 1,)` number of the first cell of each ring, and of all cells at the end.
    """

    edges: Array
    around: Array
    offset: Array

    @classmethod
    def of(cls, calorimeter: Calorimeter) -> Self:
        """Build the grid of a calorimeter, mirrored at eta 0."""
        edges, around = [np.zeros(1)], []
        for low, high, eta_cells, phi_cells in calorimeter.rings:
            edges.append(np.linspace(low, high, int(eta_cells) + 1)[1:])
            around += [int(phi_cells)] * int(eta_cells)
        positive = np.concatenate(edges)
        return cls(
            np.concatenate([-positive[:0:-1], positive]),
            np.array(around[::-1] + around),
            np.concatenate([[0], np.cumsum(around[::-1] + around)]),
        )

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.offset[-1])

    def cell(self, eta: Array, phi: Array) -> Array:
        """Cell of each direction, -1 outside. Cells are closed at their upper edges."""
        ring = np.searchsorted(self.edges, eta, side="left") - 1
        inside = (ring >= 0) & (ring < len(self.around))
        ring = np.where(inside, ring, 0)
        around = self.around[ring]
        column = np.ceil((phi + np.pi) * around / (2 * np.pi)).astype(np.int64) - 1
        # The cells close the circle: -pi belongs to the last cell, where pi is.
        return np.where(inside, self.offset[ring] + column % around, -1)

    def centre_eta(self, cell: Array) -> Array:
        """Pseudorapidity of the middle of each cell."""
        ring = self._ring(cell)
        return 0.5 * (self.edges[ring] + self.edges[ring + 1])

    def random_direction(self, cell: Array, random: np.random.Generator) -> tuple[Array, Array]:
        """Draw eta and phi uniformly inside each cell."""
        ring = self._ring(cell)
        low, high = self.edges[ring], self.edges[ring + 1]
        eta = low + (high - low) * random.random(len(cell))
        column = cell - self.offset[ring] + random.random(len(cell))
        return eta, column * (2 * np.pi) / self.around[ring] - np.pi

    def _ring(self, cell: Array) -> Array:
        return np.searchsorted(self.offset, cell, side="right") - 1


@dataclass(frozen=True)
class Towers:
    """Energy deposits, one entry a tower. Energies in GeV.

    Attributes:
        event: Row of the batch.
        eta: Pseudorapidity, drawn inside the cell.
        phi: Azimuth, drawn inside the cell.
        energy: Energy.
    """

    event: Array
    eta: Array
    phi: Array
    energy: Array

    @property
    def et(self) -> Array:
        """Transverse energy in GeV."""
        transverse: Array = self.energy / np.cosh(self.eta)
        return transverse

    def take(self, selected: Array) -> Self:
        """Keep some towers."""
        return type(self)(
            self.event[selected], self.eta[selected], self.phi[selected], self.energy[selected]
        )


@dataclass(frozen=True)
class Deposits:
    """What hits a calorimeter, one entry a particle or track.

    Attributes:
        event: Row of the batch.
        eta: Where it hits, seen from the origin.
        phi: Where it hits.
        energy: Energy left there, in GeV.
    """

    event: Array
    eta: Array
    phi: Array
    energy: Array


def measure(
    particles: Deposits,
    tracks: Deposits,
    track_width: Array,
    calorimeter: Calorimeter,
    grid: Grid,
    resolution: Resolution,
    random: np.random.Generator,
) -> tuple[Towers, Towers, Array]:
    """Sum deposits in cells, smear them, and separate the neutral excess from the tracks' energy.

    Where a cell holds significantly more energy than its tracks, the excess is a neutral
    object and the tracks stay as they are; elsewhere the tracks are scaled to the mean of their
    own energy and the cell's, weighted by the inverse variances.

    Args:
        particles: Deposits of all particles.
        tracks: The tracks that point at this calorimeter, with their measured energy.
        track_width: `(tracks,)` resolution of the tracks' energy in GeV.
        calorimeter: Thresholds.
        grid: Cells.
        resolution: Resolution by energy and eta, in GeV.
        random: Source of random numbers.

    Returns:
        `(towers, neutrals, scale)`: towers above threshold, neutral energy-flow objects, and the
        factor `(tracks,)` on the tracks' momenta.
    """
    key, deposited = _sum_cells(particles, grid)
    cell = key % grid.cells
    centre = grid.centre_eta(cell)
    energy = log_normal(deposited, resolution(deposited, centre), random)
    width = resolution(energy, centre)
    seen = (energy >= calorimeter.energy_min) & (energy >= calorimeter.significance_min * width)
    energy = np.where(seen, energy, 0.0)
    eta, phi = grid.random_direction(cell, random)
    towers = Towers(key // grid.cells, eta, phi, energy)

    track_key = _keys(tracks, grid)
    inside = track_key >= 0
    tower = np.searchsorted(key, track_key[inside])
    track_energy = np.bincount(tower, tracks.energy[inside], minlength=len(key))
    track_variance = np.bincount(tower, track_width[inside] ** 2, minlength=len(key))
    excess = np.maximum(energy - track_energy, 0.0)
    neutral = (excess > calorimeter.energy_min) & (
        excess > calorimeter.significance_min * np.sqrt(track_variance + width**2)
    )
    scale = np.ones(len(key))
    shared = ~neutral & (track_energy > 0)
    weight_tracks = _inverse(track_variance[shared])
    weight_cell = _inverse(width[shared] ** 2)
    best = weight_tracks * track_energy[shared] + weight_cell * energy[shared]
    scale[shared] = best / ((weight_tracks + weight_cell) * track_energy[shared])
    factor = np.ones(len(track_key))
    factor[inside] = scale[tower]
    return towers.take(seen), replace(towers, energy=excess).take(neutral), factor


def _keys(deposits: Deposits, grid: Grid) -> Array:
    """One number for each event and cell, -1 outside the calorimeter."""
    cell = grid.cell(deposits.eta, deposits.phi)
    return np.where(cell >= 0, deposits.event * np.int64(grid.cells) + cell, -1)


def _sum_cells(deposits: Deposits, grid: Grid) -> tuple[Array, Array]:
    """Sum energies that share event and cell: the sorted keys and their sums."""
    key = _keys(deposits, grid)
    order = np.argsort(key, kind="stable")
    order = order[np.searchsorted(key[order], 0) :]
    key = key[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    if not len(first):
        return key, np.zeros(0)
    return key[first], np.add.reduceat(deposits.energy[order], first)


def _inverse(variance: Array) -> Array:
    return np.divide(1.0, variance, out=np.zeros(variance.shape), where=variance > 0)
