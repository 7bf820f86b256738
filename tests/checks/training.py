"""A small training recipe and event file for the tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from recipe_schema import write

from msml.checks.validate import load_valid
from msml.data.events import EventWriter
from msml.errors import RecipeError
from msml.recipe import load, read_source
from msml.recipe.schema import TrainRecipe

RECIPE = """\
name: small
data:
  file: events.h5
  transform: {jets: log_pt, taus: log_pt}
tasks:
  momentum:
    inputs: [jets, calo_images]
    target: taus
    loss: {name: momentum_mse, scale: 50}
    weight: 0.3
    metrics: [momentum_mse]
    candidates:
      mlp: {model: tau_mlp}
      sf: {model: tau_scale_factor}
      zeros: {model: zeros}
  label_of:
    inputs: [momentum]
    target: label
    loss: {name: bce_logits}
    weight: remainder
    metrics: [auc]
    candidates:
      mlp: {model: higgs_mlp}
      noise: {model: noise}
"""


def write_events(path: Path = Path("events.h5"), rows: int = 20, without: str = "") -> Path:
    """Write random events with images of 16 x 16 pixels."""
    rng = np.random.default_rng(1)
    columns = {
        "jets": 20 + rng.random((rows, 2, 4)),
        "calo_images": rng.random((rows, 2, 16, 16, 3)),
        "taus": 20 + rng.random((rows, 2, 3)),
        "label": np.arange(rows) % 2,
        "decay_modes": np.arange(2 * rows).reshape(rows, 2) % 3,
        "rho": 20 + rng.random(rows),
    }
    columns.pop(without, None)
    with EventWriter(path, rows, {}) as writer:
        writer.append(columns)
        writer.finish()
    return path


def values(text: str = RECIPE, overrides: Sequence[str] = ()) -> TrainRecipe:
    return load(write(text), TrainRecipe, overrides).values


def mistakes(text: str = RECIPE, *overrides: str, fast: bool = True) -> list[str]:
    """Return the problem lines of a recipe that is not valid."""
    source = read_source(write(text), TrainRecipe)
    with pytest.raises(RecipeError) as caught:
        load_valid(source, overrides, fast)
    return caught.value.problems
