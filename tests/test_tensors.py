"""Formulas that serve arrays and tensors give the same numbers of both."""

import numpy as np
import pytest

from msml import tensors
from msml.data.schema import Column
from msml.data.transforms import make_pipeline
from msml.registry import transforms
from msml.training.environment import tensorflow

tensorflow()

EVENTS = 200
MOMENTA = (("pt", "eta", "phi", "m"), ("GeV", "1", "rad", "GeV"))


def column(sizes=(), components=(), units=("1",), dtype="float32"):
    axes = tuple(f"axis {n}" for n in range(len(sizes)))
    return Column("x", dtype, axes, sizes, components, units, "")


def momenta(width=4):
    rng = np.random.default_rng(1)
    draws = (rng.exponential(40, (EVENTS, 3)), rng.normal(0, 2, (EVENTS, 3)))
    angles = rng.uniform(-3, 3, (EVENTS, 3))
    whole = np.stack([*draws, angles, rng.exponential(3, (EVENTS, 3))], axis=-1)
    found = whole[..., :width].astype(np.float32)
    return found, column((3, width), MOMENTA[0][:width], MOMENTA[1][:width])


def numbers(missing=False):
    rng = np.random.default_rng(2)
    values = rng.normal(5, 3, (EVENTS, 3)).astype(np.float32)
    if missing:
        values[rng.random(values.shape) < 0.2] = np.nan
    return values, column((3,), ("a", "b", "c"))


def codes():
    return np.random.default_rng(3).choice([3, 5, -8], EVENTS), column((), dtype="int64")


def in_a_graph(function, values):
    """Compute with tensors that have no values yet."""
    import keras

    given = keras.Input(values.shape[1:], dtype=str(values.dtype))
    return np.asarray(keras.Model(given, function(given))(values))


CASES = {
    "standardise": (numbers(), ["standardise"]),
    "standardise some": (numbers(), [{"name": "standardise", "components": ["b"]}]),
    "log": (numbers(), [{"name": "log", "offset": 20.0, "components": [0, 2]}]),
    "signed_log": (numbers(), [{"name": "signed_log", "scale": 2.0}]),
    "clip": (numbers(), [{"name": "clip", "high": 5.0}]),
    "fill_missing": (numbers(True), ["fill_missing", "standardise"]),
    "log_pt": (momenta(), ["log_pt"]),
    "sin_cos": (numbers(), ["sin_cos"]),
    "sin_cos of phi": (momenta(), [{"name": "sin_cos", "components": ["phi"]}]),
    "cartesian": (momenta(), ["cartesian"]),
    "cartesian of three": (momenta(3), ["cartesian", "standardise"]),
    "cartesian in the plane": (
        (momenta()[0][..., [0, 2]], column((3, 2), ("pt", "phi"), ("GeV", "rad"))),
        ["cartesian"],
    ),
    "one_hot": (codes(), ["one_hot"]),
    "categories": (codes(), ["categories"]),
    "categories and the rest": (
        codes(),
        [{"name": "categories", "values": [5, 3], "rest": True}],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_transforms_and_their_inverses(case):
    (values, described), given = CASES[case]
    pipeline = make_pipeline(described, given, lambda: iter([(values, None)]))
    forward = pipeline.forward(values)
    found = in_a_graph(pipeline.forward, values)
    assert found.shape == forward.shape
    assert found == pytest.approx(forward, rel=2e-6, abs=2e-6, nan_ok=True)
    inverse = pipeline.inverse(forward)
    found = in_a_graph(pipeline.inverse, forward)
    assert found == pytest.approx(inverse, rel=5e-6, abs=2e-5, nan_ok=True)


def test_all_transforms_are_here():
    used = {
        name if isinstance(name, str) else name["name"] for _, g in CASES.values() for name in g
    }
    assert used == {entry.name for entry in transforms.entries() if entry.source.startswith("msml")}


@pytest.mark.parametrize("name", ["sigmoid", "log_sigmoid", "softmax"])
def test_functions_of_logits(name):
    logits = np.array([[-40.0, -1.0, 0.0], [2.0, 30.0, 700.0]])
    function = getattr(tensors, name)
    found = in_a_graph(function, logits)
    assert found == pytest.approx(function(logits), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("points", [1, 2, 40])
def test_interpolation(points):
    rng = np.random.default_rng(points)
    places, heights = np.sort(rng.normal(size=points)), np.sort(rng.random(points))
    x = np.concatenate([rng.normal(0, 3, 100), places])
    found = in_a_graph(lambda x: tensors.interp(x, places, heights), x)
    assert found == pytest.approx(np.interp(x, places, heights), abs=1e-12)
