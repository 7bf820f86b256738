"""Hand-made particles and recipes for the tests of the simulation."""

from typing import Any

import numpy as np

from msml.recipe import load
from msml.simulation.particles import Particles
from msml.simulation.settings import EventRecipe

FAST = {"PartonLevel:MPI": False, "PartonLevel:ISR": False, "PartonLevel:FSR": False}


def particles(count: int, **values: Any) -> Particles:
    """Photons at the origin with pt 10 GeV, or what `values` say instead."""
    defaults: dict[str, Any] = {
        "event": 0,
        "kind": 3,
        "charge": 0.0,
        "mass": 0.0,
        "pt": 10.0,
        "sinh_eta": 0.0,
        "phi": 0.0,
        "x": 0.0,
        "y": 0.0,
        "z": 0.0,
        "pileup": False,
    }
    merged = defaults | values
    arrays = {name: np.broadcast_to(np.asarray(value), count) for name, value in merged.items()}
    return Particles(**{name: array.copy() for name, array in arrays.items()})


def recipe(*overrides: str) -> EventRecipe:
    """The shipped recipe, without pile-up unless overridden."""
    return load(
        "events/htautau.yaml", EventRecipe, ["output=none.h5", "pileup.mean=0", *overrides]
    ).values


def pythia_settings(process: str, **more: Any) -> dict[str, Any]:
    """Pythia settings of a process of the shipped recipe."""
    values = recipe()
    return {**values.pythia, **values.processes[process].pythia, **more}
