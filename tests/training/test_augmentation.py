"""Augmentation: what it may not change, and events that have not all momenta."""

import h5py
import numpy as np
import pytest
import tensorflow as tf

from msml.data.dataset import make_pipelines
from msml.data.events import describe
from msml.errors import RecipeError
from msml.recipe.schema import Align, Data
from msml.recipe.schema_training import Augment
from msml.training.augmentation import aligned, augmented, copies, drawn, fixed, momenta, move

EVENTS = 500
FILLED = ["cartesian", "standardise", {"name": "fill_missing", "value": 0}]
CHOICES = {
    "plain": {},
    "log": {"lepton": "log_pt", "jet": [{"name": "fill_missing", "value": -9}]},
    "cartesian": {"tau": "cartesian", "lepton": ["cartesian", "standardise"], "jet": FILLED},
    "scaled": {"tau": "standardise", "met": ["standardise"], "jet": FILLED},
}


@pytest.fixture
def events(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "momenta.h5"

    def vectors(*shape):
        pt, eta = rng.uniform(20, 90, shape), rng.uniform(-2, 2, shape)
        return np.stack([pt, eta, rng.uniform(-np.pi, np.pi, shape)], -1).astype(np.float32)

    jet = vectors(EVENTS)
    jet[rng.random(EVENTS) < 0.4] = np.nan
    made = {"tau": vectors(EVENTS), "lepton": vectors(EVENTS, 2), "jet": jet}
    made["met"] = vectors(EVENTS)[:, ::2]
    made["other"] = rng.normal(size=(EVENTS, 2)).astype(np.float32)
    with h5py.File(path, "w") as file:
        for name, values in made.items():
            file[name] = values
            parts = {"met": ["pt", "phi"], "other": ["a", "b"]}.get(name, ["pt", "eta", "phi"])
            file[name].attrs["components"] = parts
            file[name].attrs["axes"] = [*(["object"] if values.ndim > 2 else []), "component"]
            file[name].attrs["units"] = ["1"] * len(parts)
    return path


def cartesian(values):
    pt, eta, phi = np.moveaxis(np.asarray(values, np.float64), -1, 0)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], -1)


def prepared(path, choice, settings):
    data = Data(file=str(path), transform={"jet": FILLED, **CHOICES[choice]})
    file = describe(path)
    pipelines = make_pipelines(data, file)
    with h5py.File(path) as stored:
        raw = {name: np.asarray(stored[name]) for name in stored}
    given = {n: pipelines[n].forward(v) if n in pipelines else v for n, v in raw.items()}
    batch = {name: tf.constant(values, tf.float32) for name, values in given.items()}
    return raw, batch, momenta(settings, file.columns, pipelines), pipelines


def back(name, values, pipelines):
    return pipelines[name].inverse(values.numpy()) if name in pipelines else values.numpy()


ALL = Augment(columns=["tau", "lepton", "jet", "met"])


def uniform(events, *seed):
    return tf.random.stateless_uniform([events, 3], seed)


@pytest.mark.parametrize("choice", CHOICES)
def test_invariants(events, choice):
    raw, batch, known, pipelines = prepared(events, choice, ALL)
    moved = move(batch, known, drawn(ALL, uniform(EVENTS, 1, 2)))
    after = {name: back(name, moved[name], pipelines) for name in ("tau", "lepton", "met")}
    assert not np.allclose(after["tau"][:, 2], raw["tau"][:, 2], atol=0.1)
    assert after["tau"][:, 0] == pytest.approx(raw["tau"][:, 0], rel=1e-4)
    assert np.abs(after["tau"][:, 1]) == pytest.approx(np.abs(raw["tau"][:, 1]), abs=1e-4)
    assert after["met"][:, 0] == pytest.approx(raw["met"][:, 0], rel=1e-4)

    def masses(found):
        total = cartesian(found["tau"]) + cartesian(found["lepton"]).sum(axis=1)
        return total[:, 3] ** 2 - (total[:, :3] ** 2).sum(axis=1)

    def angles(found):
        between = found["tau"][:, 2] - found["met"][:, 1]
        return np.abs((between + np.pi) % (2 * np.pi) - np.pi)

    assert masses(after) == pytest.approx(masses(raw), rel=1e-3)
    assert angles(after) == pytest.approx(angles(raw), abs=1e-3)
    assert (moved["other"].numpy() == raw["other"]).all()


@pytest.mark.parametrize("choice", ["plain", "cartesian"])
def test_what_is_missing_stays_so(events, choice):
    raw, batch, known, _ = prepared(events, choice, ALL)
    moved = move(batch, known, drawn(ALL, uniform(EVENTS, 1, 2)))["jet"].numpy()
    absent = np.isnan(raw["jet"][:, 0])
    before = batch["jet"].numpy()
    assert (moved[absent] == before[absent]).all()
    assert not (moved[~absent] == before[~absent]).all(axis=1).any()


def test_draws_follow_from_their_seed():
    first, again, other = (drawn(ALL, uniform(50, 1, n)) for n in (2, 2, 3))
    assert (first.angle.numpy() == again.angle.numpy()).all()
    assert not (first.angle.numpy() == other.angle.numpy()).any()
    many = drawn(ALL, uniform(20_000, 3, 4))
    assert np.abs(many.angle.numpy().mean()) < 0.05
    assert np.abs(np.corrcoef([many.angle, many.phi, many.eta]) - np.eye(3)).max() < 0.03
    none = drawn(Augment(rotate=False, flip_phi=False, flip_eta=False), uniform(5, 1, 2))
    assert [set(each.numpy()) for each in (none.angle, none.phi, none.eta)] == [{0}, {1}, {1}]


def test_copies_at_test(events):
    settings = Augment(columns=["tau"], rotations=2)
    found = copies(settings)
    assert found == [(a, p, e) for a in (0, np.pi) for p in (1, -1) for e in (1, -1)]
    raw, batch, known, _ = prepared(events, "plain", settings)
    same = move(batch, known, fixed(found[0]))["tau"].numpy()
    assert same == pytest.approx(raw["tau"], abs=1e-5)
    turned = move(batch, known, fixed((np.pi, 1.0, -1.0)))["tau"].numpy()
    assert turned[:, 1] == pytest.approx(-raw["tau"][:, 1])
    assert np.cos(turned[:, 2] - raw["tau"][:, 2]) == pytest.approx(np.full(EVENTS, -1), abs=1e-5)


@pytest.mark.parametrize(
    ("columns", "transform", "problem"),
    [
        (["other"], {}, "'other' has a, b; expected momenta"),
        (["tau"], {"tau": {"name": "sin_cos", "components": ["phi"]}}, "not linear in phi"),
        (["tau"], {"tau": [{"name": "clip", "low": 0.5}]}, "not linear in eta"),
    ],
)
def test_what_cannot_be_moved(events, columns, transform, problem):
    data, file = Data(file=str(events), transform=transform), describe(events)
    with pytest.raises(RecipeError, match=problem):
        momenta(Augment(columns=columns), file.columns, make_pipelines(data, file))


def test_a_step_sees_moved_events_anew(events):
    _, batch, known, _ = prepared(events, "plain", ALL)
    seen = []

    def step(given, marks):
        seen.append((given["tau"].numpy(), marks))
        return 0

    halves = {name: column[: EVENTS // 2 * 2] for name, column in batch.items()}
    moving, variables = augmented(step, ALL, known, [5, 6])
    moving(halves, "marks")
    moving(halves, "marks")
    assert int(variables["draws"].numpy()) == 2
    assert not (seen[0][0][:, 2] == seen[1][0][:, 2]).any()
    variables["draws"].assign(0)
    moving(halves, "marks")
    assert (seen[2][0] == seen[0][0]).all()
    alone, _ = augmented(step, ALL, known, [6])
    alone({name: column[EVENTS // 2 : EVENTS - 7] for name, column in batch.items()}, "marks")
    assert (seen[3][0] == seen[0][0][EVENTS // 2 : -7]).all()  # of the second replica


@pytest.mark.parametrize("choice", CHOICES)
def test_one_orientation(events, choice):
    """Whatever was done to an event before, it ends the same; nothing that is invariant changes."""
    settings = Align(columns=["tau", "lepton", "jet", "met"], to="tau", above="met", forward="tau")
    raw, batch, known, pipelines = prepared(events, choice, settings)
    given = {name: column.numpy() for name, column in batch.items()}
    found = aligned(given, settings, known)
    after = {name: back(name, tf.constant(found[name]), pipelines) for name in ("tau", "met")}
    assert after["tau"][:, 2] == pytest.approx(np.zeros(EVENTS), abs=1e-4)
    assert (after["tau"][:, 1] >= -1e-5).all()
    assert (after["met"][:, 1] >= -1e-4).all()
    assert after["tau"][:, 0] == pytest.approx(raw["tau"][:, 0], rel=1e-4)
    assert (found["other"] == given["other"]).all()
    turned = move(batch, known, drawn(ALL, uniform(EVENTS, 1, 2)))
    again = aligned({name: np.asarray(column) for name, column in turned.items()}, settings, known)
    for name in ("tau", "lepton", "met"):
        ours, theirs = (back(name, tf.constant(each[name]), pipelines) for each in (found, again))
        assert cartesian_of(name, ours) == pytest.approx(cartesian_of(name, theirs), abs=0.05)


def cartesian_of(name, values):
    if name != "met":
        return cartesian(values)
    return np.stack([values[:, 0] * np.cos(values[:, 1]), values[:, 0] * np.sin(values[:, 1])])
