"""Pythia 8: settings, batches of events as arrays, and the true taus in them."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import awkward as ak
import numpy as np
import pythia8mc

from msml.data.kinematics import Array, pt_eta_phi_m
from msml.simulation.particles import Kind, Particles, kinds

# Positions in Pythia are in mm.
_METRE = 1e-3
_TAU = 15
_NEUTRINOS = (12, 14, 16)
# Pion, kaon and K*, the charged hadrons that Pythia lets a tau decay to.
_CHARGED_HADRONS = (211, 321, 323)
# Status codes of 91 and above are decay products of hadrons and taus.
_HADRON_DECAY = 91


class PythiaError(Exception):
    """Pythia cannot start with its settings."""


class PartonVeto(Protocol):
    """Says from the taus before their decay whether an event may still be accepted.

    More taus never turn a yes into a no.
    """

    def __call__(self, pt: Sequence[float], eta: Sequence[float]) -> bool:
        """Judge the transverse momenta (GeV) and pseudorapidities of the prompt taus."""


class _TauVeto(pythia8mc.UserHooks):  # type: ignore[misc]
    """Drops events before hadronisation and tau decays if their taus cannot be accepted."""

    def __init__(self, may_pass: PartonVeto) -> None:
        super().__init__()
        self._may_pass = may_pass
        self.passed = 0

    def canVetoPartonLevel(self) -> bool:  # noqa: N802
        return True

    def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
        pt: list[float] = []
        eta: list[float] = []
        # The taus stand near the end of the record: an event that passes is not read to its start.
        for i in range(event.size() - 1, 0, -1):
            if event[i].idAbs() == _TAU and event[i].isFinal():
                pt.append(event[i].pT())
                eta.append(event[i].eta())
                if self._may_pass(pt, eta):
                    self.passed += 1
                    return False
        return True


def setting_lines(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as Pythia reads them: `name = value`, one line for each item of a list."""
    lines = []
    for name, value in settings.items():
        for item in value if isinstance(value, list) else [value]:
            text = ("on" if item else "off") if isinstance(item, bool) else str(item)
            lines.append(f"{name} = {text}")
    return lines


class Generator:
    """A Pythia that has been started.

    Args:
        settings: Pythia settings by name, in order.
        may_pass: Parton-level veto, or None.

    Raises:
        PythiaError: If Pythia does not start.
    """

    def __init__(self, settings: Mapping[str, Any], may_pass: PartonVeto | None = None) -> None:
        self._pythia = pythia8mc.Pythia("", False)
        own = {
            "Print:quiet": True,
            "Random:setSeed": True,
            "Random:seed": 1,
            # A vetoed event ends the attempt: a veto that never passes cannot loop.
            "Check:abortIfVeto": True,
        }
        accepted = _read(self._pythia, {**settings, **own})
        self._veto = None if may_pass is None else _TauVeto(may_pass)
        if self._veto is not None:
            self._pythia.setUserHooksPtr(self._veto)
        with _standard_output_closed():
            started = accepted and self._pythia.init()
        if not started:
            raise PythiaError("Pythia cannot start with these settings; is a process switched on?")
        self._charges: dict[int, float] = {}
        self.attempts = 0

    def batch(self, attempts: int, seed: int) -> ak.Array:
        """Make so many attempts at an event; failed and vetoed ones are left out.

        Args:
            attempts: How many.
            seed: Pythia's seed, 1 to 900,000,000.
        """
        self._pythia.rndm.init(seed)
        self.attempts += attempts
        return self._pythia.nextBatch(attempts, "skip").prt

    @property
    def passed_veto(self) -> int:
        """Attempts so far that passed the veto."""
        return self.attempts if self._veto is None else self._veto.passed

    def cross_section(self) -> tuple[float, float]:
        """Cross section of the hard process and its statistical error so far, in pb."""
        info = self._pythia.infoPython()
        # Pythia counts vetoed events out of its cross section, in units of mb.
        scale = 1e9 * self.attempts / max(self.passed_veto, 1)
        return info.sigmaGen() * scale, info.sigmaErr() * scale

    def stable_particles(self, events: ak.Array) -> Particles:
        """Visible stable particles of a batch, as flat arrays."""
        final = events[events.status > 0]
        flat = ak.flatten(final)
        pdg_id = ak.to_numpy(flat.id)
        kind = kinds(pdg_id)
        visible = np.flatnonzero(kind != Kind.INVISIBLE)
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(final.id)))[visible]
        px, py, pz = (ak.to_numpy(flat.p[axis])[visible] for axis in ("px", "py", "pz"))
        x, y, z = (
            ak.to_numpy(ak.fill_none(flat.vProd[axis], 0.0))[visible] * _METRE
            for axis in ("px", "py", "pz")
        )
        pt = np.hypot(px, py)
        return Particles(
            event,
            kind[visible],
            self._charge(pdg_id[visible]),
            ak.to_numpy(flat.m)[visible],
            pt,
            pz / pt,
            np.arctan2(py, px),
            x,
            y,
            z,
            np.zeros(len(event), dtype=bool),
        )

    def _charge(self, pdg_id: Array) -> Array:
        unique, inverse = np.unique(pdg_id, return_inverse=True)
        for identifier in unique.tolist():
            if identifier not in self._charges:
                charge = self._pythia.particleData.chargeType(identifier) / 3
                self._charges[identifier] = charge
        return np.array([self._charges[i] for i in unique.tolist()])[inverse]


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


def refused_settings(settings: Mapping[str, Any]) -> list[str]:
    """Names of the settings that Pythia does not know or whose values it does not accept."""
    pythia = pythia8mc.Pythia("", False)
    return [name for name in settings if not _read(pythia, {name: settings[name]})]


def _read(pythia: pythia8mc.Pythia, settings: Mapping[str, Any]) -> bool:
    with _standard_output_closed():
        return all(pythia.readString(line) for line in setting_lines(settings))


@contextlib.contextmanager
def _standard_output_closed() -> Iterator[None]:
    """Keep Pythia's own messages off the terminal; errors are raised instead."""
    kept = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)
