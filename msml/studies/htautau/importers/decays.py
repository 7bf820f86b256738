"""Hadronic taus in a list of generated particles that knows its daughters.

Particles are flat arrays over all events of a block; daughters are indices into them, so that
the functions need no loop over events.
"""

from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array
from msml.errors import DataError

_TAU = 15
_LEPTONS = (11, 13, 15)
_NEUTRINOS = (12, 14, 16)
_CHARGED_HADRONS = (211, 321)
_NEUTRAL_PION = 111
# Where the descent ends even if the generator let the particle decay.
_TERMINAL = (*_CHARGED_HADRONS, _NEUTRAL_PION, 130, 310, 311)
_GENERATIONS_MAX = 100


@dataclass(frozen=True)
class Particles:
    """Generated particles of a block of events.

    Attributes:
        event: `(particles,) int64` row of the event, rising.
        pid: `(particles,) int64` PDG number.
        first: `(particles,) int64` index of the first daughter, -1 where there is none.
        last: `(particles,) int64` index of the last daughter, -2 where there is none.
        momentum: `(particles, 4) float64` px, py, pz, E in GeV.
    """

    event: Array
    pid: Array
    first: Array
    last: Array
    momentum: Array


@dataclass(frozen=True)
class HadronicTaus:
    """Hadronically decaying taus, in the order of the particles.

    Attributes:
        event: `(taus,) int64` row of the event.
        momentum: `(taus, 4)` px, py, pz, E of the tau in GeV, neutrino included.
        visible: `(taus, 4)` px, py, pz, E of its decay products without neutrinos, in GeV.
        decay_mode: `(taus,) int64` 5 (charged hadrons - 1) + neutral pions; -1 where unknown.
    """

    event: Array
    momentum: Array
    visible: Array
    decay_mode: Array


def flat_particles(counts: Array, pid: Array, d1: Array, d2: Array, momentum: Array) -> Particles:
    """Make daughters that count within their event count through the block.

    Args:
        counts: `(events,)` number of particles.
        pid: `(particles,)` PDG number.
        d1: `(particles,)` first daughter within the event, -1 where there is none.
        d2: `(particles,)` last daughter; below `d1` where there is only one.
        momentum: `(particles, 4)` px, py, pz, E in GeV.

    Raises:
        DataError: A daughter lies outside its event.
    """
    event = np.repeat(np.arange(len(counts)), counts)
    start = (np.cumsum(counts) - counts)[event]
    first, last = d1.astype(np.int64), np.maximum(d1, d2).astype(np.int64)
    outside = last >= np.asarray(counts)[event]
    if outside.any():
        row = int(event[np.argmax(outside)])
        raise DataError(f"event {row}: the index of a daughter is beyond the last particle")
    some = first >= 0
    first, last = np.where(some, first + start, -1), np.where(some, last + start, -2)
    return Particles(event, pid.astype(np.int64), first, last, momentum.astype(np.float64))


def hadronic_taus(particles: Particles) -> HadronicTaus:
    """Find the taus that decay to hadrons.

    A tau counts where its daughters hold no tau (it is the last copy), no electron and no muon.
    """
    tau = np.flatnonzero(np.abs(particles.pid) == _TAU)
    owner, child = _daughters(particles, tau)
    lepton = np.isin(np.abs(particles.pid[child]), _LEPTONS)
    leptons = np.bincount(owner[lepton], minlength=len(tau))
    tau = tau[(leptons == 0) & (particles.first[tau] >= 0)]
    owner, child = _daughters(particles, tau)
    seen = ~np.isin(np.abs(particles.pid[child]), _NEUTRINOS)
    visible = np.zeros((len(tau), 4))
    np.add.at(visible, owner[seen], particles.momentum[child[seen]])
    modes = _decay_modes(particles, owner, child, len(tau))
    return HadronicTaus(particles.event[tau], particles.momentum[tau], visible, modes)


def _daughters(particles: Particles, index: Array) -> tuple[Array, Array]:
    """Return the position in `index` of each daughter's mother, and the daughter's index."""
    counts = particles.last[index] - particles.first[index] + 1
    owner = np.repeat(np.arange(len(index)), counts)
    within = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    return owner, particles.first[index][owner] + within


def _decay_modes(particles: Particles, owner: Array, index: Array, taus: int) -> Array:
    """Count final charged hadrons and neutral pions, through rho, a1 and other resonances.

    Args:
        particles: The particles.
        owner: `(daughters,)` which tau.
        index: `(daughters,)` the tau's daughters.
        taus: Number of taus.
    """
    charged, neutral = np.zeros(taus, np.int64), np.zeros(taus, np.int64)
    for _ in range(_GENERATIONS_MAX):
        pid = np.abs(particles.pid[index])
        charged += np.bincount(owner[np.isin(pid, _CHARGED_HADRONS)], minlength=taus)
        neutral += np.bincount(owner[pid == _NEUTRAL_PION], minlength=taus)
        on = ~np.isin(pid, _TERMINAL)
        mother, index = _daughters(particles, index[on])
        owner = owner[on][mother]
        if len(index) == 0:
            return np.where(charged > 0, 5 * (charged - 1) + neutral, -1)
    row = int(particles.event[index[0]])
    raise DataError(f"event {row}: the daughters of a tau form a loop")
