"""What really happened in a batch of events: hadronic taus, and charm and bottom quarks."""

from dataclasses import dataclass
from typing import Self

import awkward as ak
import numpy as np

from msml.data.kinematics import Array, pt_eta_phi_m

_TAU = 15
_NEUTRINOS = (12, 14, 16)
# Pion, kaon and K*, the charged hadrons that Pythia lets a tau decay to.
_CHARGED_HADRONS = (211, 321, 323)
_HEAVY = (4, 5)
# Status codes of 71 and above are partons made ready for hadronisation, then hadrons; those of 91
# and above are decay products of hadrons and taus.
_READY, _HADRON_DECAY = 71, 91


@dataclass(frozen=True)
class TrueTaus:
    """Prompt, hadronically decaying taus of a batch, padded with zeros. Units: GeV, rad.

    Attributes:
        full: `(events, taus, 4)` pt, eta, phi, m of the tau, neutrino included.
        visible: `(events, taus, 4)` pt, eta, phi, m of its visible decay products.
        decay_mode: `(events, taus)` 5 (charged hadrons - 1) + neutral pions; -1 where no tau.
    """

    full: Array
    visible: Array
    decay_mode: Array

    def take(self, events: Array) -> Self:
        """Keep some events."""
        return type(self)(self.full[events], self.visible[events], self.decay_mode[events])


@dataclass(frozen=True)
class HeavyQuarks:
    """Charm and bottom quarks of a batch, as the showers leave them, padded with zeros.

    Attributes:
        momentum: `(events, quarks, 3)` pt, eta, phi. Units: GeV, rad.
        flavour: `(events, quarks) int8`: 4 or 5; 0 where there is none.
    """

    momentum: Array
    flavour: Array

    def take(self, events: Array) -> Self:
        """Keep some events."""
        return type(self)(self.momentum[events], self.flavour[events])


@dataclass(frozen=True)
class Truth:
    """What selections may know of what really happened.

    Attributes:
        taus: The hadronic taus.
        quarks: The charm and bottom quarks.
    """

    taus: TrueTaus
    quarks: HeavyQuarks

    def __len__(self) -> int:
        return len(self.quarks.flavour)

    def take(self, events: Array) -> Self:
        """Keep some events."""
        return type(self)(self.taus.take(events), self.quarks.take(events))


def find_truth(events: ak.Array) -> Truth:
    """Read the truth of a batch off Pythia's event record."""
    return Truth(true_taus(events), heavy_quarks(events))


def heavy_quarks(events: ak.Array) -> HeavyQuarks:
    """Find the charm and bottom quarks that hadronise.

    A quark is taken after all showers, before Pythia merges it with close gluons.
    """
    identifier = ak.flatten(events.id).to_numpy()
    status = ak.flatten(events.status).to_numpy()
    counts = ak.to_numpy(ak.num(events.id))
    event = np.repeat(np.arange(len(counts)), counts)
    start = np.concatenate([[0], np.cumsum(counts)])
    rows = np.flatnonzero(np.isin(np.abs(identifier), _HEAVY) & (status < 0) & (status > -_READY))
    first = ak.flatten(events.daughter1).to_numpy()[rows] + start[event[rows]]
    after = np.abs(status[first])
    rows = rows[(after >= _READY) & (after < _HADRON_DECAY)]
    momentum = np.stack(
        [ak.flatten(events.p[axis]).to_numpy()[rows] for axis in ("px", "py", "pz", "e")], axis=1
    )
    per_event = np.bincount(event[rows], minlength=len(counts))
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(per_event) - per_event, per_event)
    shape = (len(counts), int(per_event.max(initial=0)))
    found, flavour = np.zeros((*shape, 3)), np.zeros(shape, np.int8)
    found[event[rows], slot] = pt_eta_phi_m(momentum)[:, :3]
    flavour[event[rows], slot] = np.abs(identifier[rows])
    return HeavyQuarks(found, flavour)


def true_taus(events: ak.Array) -> TrueTaus:
    """Find the taus that do not come from hadrons and decay to hadrons.

    A tau is taken where it decays, after photons were radiated off it. Its decay mode counts the
    products of the tau itself, not those of an eta or omega among them.
    """
    identifier = ak.flatten(events.id).to_numpy()
    status = ak.flatten(events.status).to_numpy()
    counts = ak.to_numpy(ak.num(events.id))
    start = np.concatenate([[0], np.cumsum(counts)])
    event = np.repeat(np.arange(len(counts)), counts)
    first = ak.flatten(events.daughter1).to_numpy() + start[event]
    last = ak.flatten(events.daughter2).to_numpy() + start[event]
    momentum = np.stack(
        [ak.flatten(events.p[axis]).to_numpy() for axis in ("px", "py", "pz", "e")], axis=1
    )
    rows = np.flatnonzero((np.abs(identifier) == _TAU) & (status < 0) & (status > -_HADRON_DECAY))
    found = []
    for row in rows.tolist():
        products = np.abs(identifier[first[row] : last[row] + 1])
        if np.isin(products, (11, 13, _TAU)).any():
            continue
        neutrinos = np.isin(products, _NEUTRINOS)
        seen = momentum[first[row] : last[row] + 1][~neutrinos].sum(axis=0)
        charged = int(np.isin(products, _CHARGED_HADRONS).sum())
        mode = 5 * (charged - 1) + int((products == 111).sum())
        found.append((event[row], momentum[row], seen, mode))
    return _padded(found, len(counts))


def _padded(found: list[tuple[int, Array, Array, int]], events: int) -> TrueTaus:
    counts = np.bincount([entry[0] for entry in found], minlength=events)
    width = max(2, int(counts.max(initial=0)))
    full, visible = np.zeros((2, events, width, 4))
    mode = np.full((events, width), -1, dtype=np.int8)
    slot = np.zeros(events, dtype=np.int64)
    for event, tau, seen, decay in found:
        full[event, slot[event]] = pt_eta_phi_m(tau)
        visible[event, slot[event]] = pt_eta_phi_m(seen)
        mode[event, slot[event]] = decay
        slot[event] += 1
    return TrueTaus(full, visible, mode)
