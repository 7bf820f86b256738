"""Pythia 8: settings, and batches of events as arrays."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import awkward as ak
import numpy as np
import pythia8mc

from msml.data.kinematics import Array
from msml.simulation.particles import Kind, Particles, kinds
from msml.simulation.settings import EventRecipe

# Positions in Pythia are in mm.
_METRE = 1e-3


class PythiaError(Exception):
    """Pythia cannot start with its settings."""


@dataclass(frozen=True)
class PartonVeto:
    """Drops events before hadronisation, and before taus decay, that cannot be accepted.

    Attributes:
        particle: PDG identifier of what is judged, of either sign.
        may_pass: Says from transverse momenta (GeV) and pseudorapidities of the particles found so
            far whether the event may still be accepted; more of them never turn a yes into a no.
    """

    particle: int
    may_pass: Callable[[Sequence[float], Sequence[float]], bool]


class _Hook(pythia8mc.UserHooks):  # type: ignore[misc]
    """Applies a veto in Pythia."""

    def __init__(self, veto: PartonVeto) -> None:
        super().__init__()
        self._veto = veto
        self.passed = 0

    def canVetoPartonLevel(self) -> bool:  # noqa: N802
        return True

    def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
        pt: list[float] = []
        eta: list[float] = []
        # What is judged stands near the end of the record: an event that passes is not read to its
        # start.
        for i in range(event.size() - 1, 0, -1):
            if event[i].idAbs() == self._veto.particle and event[i].isFinal():
                pt.append(event[i].pT())
                eta.append(event[i].eta())
                if self._veto.may_pass(pt, eta):
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
        veto: Parton-level veto, or None.
        slha: Text in the format of the SUSY Les Houches Accord; "" for none.

    Raises:
        PythiaError: If Pythia does not start.
    """

    def __init__(
        self, settings: Mapping[str, Any], veto: PartonVeto | None = None, slha: str = ""
    ) -> None:
        self._pythia = pythia8mc.Pythia("", False)
        own = {
            "Print:quiet": True,
            "Random:setSeed": True,
            "Random:seed": 1,
            # A vetoed event ends the attempt: a veto that never passes cannot loop.
            "Check:abortIfVeto": True,
        }
        self._hook = None if veto is None else _Hook(veto)
        if self._hook is not None:
            self._pythia.setUserHooksPtr(self._hook)
        with _as_file(slha) as spectrum:
            accepted = _read(self._pythia, {**settings, **own, **spectrum})
            with _standard_output_closed():
                started = accepted and self._pythia.init()
        if not started:
            raise PythiaError("Pythia cannot start with these settings; is a process switched on?")
        self._charges: dict[int, float] = {}
        self.attempts = 0

    @classmethod
    def of(cls, recipe: EventRecipe, process: str, veto: PartonVeto | None = None) -> Self:
        """Start Pythia for a process of a recipe; see the class."""
        own = recipe.processes[process]
        return cls({**recipe.pythia, **own.pythia}, veto, own.slha)

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
        return self.attempts if self._hook is None else self._hook.passed

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
        pt = np.hypot(*(ak.to_numpy(flat.p[axis]) for axis in ("px", "py")))
        # Now and then Pythia radiates a photon without any momentum.
        visible = np.flatnonzero((kind != Kind.INVISIBLE) & (pt > 0))
        pt = pt[visible]
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(final.id)))[visible]
        px, py, pz = (ak.to_numpy(flat.p[axis])[visible] for axis in ("px", "py", "pz"))
        x, y, z = (
            ak.to_numpy(ak.fill_none(flat.vProd[axis], 0.0))[visible] * _METRE
            for axis in ("px", "py", "pz")
        )
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


def refused_settings(settings: Mapping[str, Any]) -> list[str]:
    """Names of the settings that Pythia does not know or whose values it does not accept."""
    pythia = pythia8mc.Pythia("", False)
    return [name for name in settings if not _read(pythia, {name: settings[name]})]


def _read(pythia: pythia8mc.Pythia, settings: Mapping[str, Any]) -> bool:
    with _standard_output_closed():
        return all(pythia.readString(line) for line in setting_lines(settings))


@contextlib.contextmanager
def _as_file(slha: str) -> Iterator[dict[str, Any]]:
    """Write masses and decays to a file, as Pythia wants them; yields the setting that names it."""
    if not slha:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spectrum.slha"
        path.write_text(slha, encoding="utf-8")
        yield {"SLHA:file": str(path)}


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
