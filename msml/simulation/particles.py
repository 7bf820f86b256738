"""Flat arrays of the particles of many events."""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np

from msml.data.kinematics import Array


class Kind(IntEnum):
    """How the detector sees a particle."""

    HADRON = 0
    ELECTRON = 1
    MUON = 2
    PHOTON = 3
    STRANGE_NEUTRAL = 4
    INVISIBLE = 5


# Neutrinos and the lightest neutralinos, as in the card's energy fractions.
_INVISIBLE = (12, 14, 16, 1000022, 1000023, 1000025, 1000035, 1000045)


def kinds(pdg_ids: Array) -> Array:
    """Kind of each PDG identifier, `int8`."""
    absolute = np.abs(pdg_ids)
    kind = np.full(absolute.shape, Kind.HADRON, dtype=np.int8)
    kind[absolute == 11] = Kind.ELECTRON
    kind[absolute == 13] = Kind.MUON
    kind[(absolute == 22) | (absolute == 111)] = Kind.PHOTON
    kind[(absolute == 310) | (absolute == 3122)] = Kind.STRANGE_NEUTRAL
    kind[np.isin(absolute, _INVISIBLE)] = Kind.INVISIBLE
    return kind


@dataclass(frozen=True)
class Particles:
    """Stable particles of a batch of events, one entry a particle. Units: GeV, m, rad.

    Attributes:
        event: Row of the batch.
        kind: `Kind` of the particle.
        charge: Electric charge.
        mass: Mass.
        pt: Transverse momentum.
        sinh_eta: Longitudinal over transverse momentum.
        phi: Azimuth of the momentum.
        x: Where it was made.
        y: Where it was made.
        z: Where it was made.
        pileup: Whether it comes from a pile-up interaction.
    """

    event: Array
    kind: Array
    charge: Array
    mass: Array
    pt: Array
    sinh_eta: Array
    phi: Array
    x: Array
    y: Array
    z: Array
    pileup: Array

    def __len__(self) -> int:
        return len(self.event)

    @property
    def energy(self) -> Array:
        """Energy in GeV."""
        return energy(self.pt, self.sinh_eta, self.mass)

    def take(self, selected: Array) -> Self:
        """Keep some particles, by mask or by index."""
        return type(self)(*(getattr(self, f.name)[selected] for f in fields(self)))

    @classmethod
    def concatenate(cls, first: Self, second: Self) -> Self:
        """Put two sets of particles behind each other."""
        return cls(
            *(
                np.concatenate([getattr(first, f.name), getattr(second, f.name)])
                for f in fields(cls)
            )
        )


def energy(pt: Array, sinh_eta: Array, mass: Array) -> Array:
    """Energy of particles, in GeV."""
    total: Array = np.sqrt(pt**2 * (1 + sinh_eta**2) + mass**2)
    return total
