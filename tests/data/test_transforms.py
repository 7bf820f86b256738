"""Transforms of columns, alone, in pipelines, and fitted on the events of train."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.data.dataset import load_split, load_splits, make_pipelines
from msml.data.events import describe
from msml.data.schema import Column
from msml.data.transforms import PT_OFFSET, log_pt, make_pipeline
from msml.errors import DataError, RecipeError
from msml.recipe.schema import Data
from msml.registry import transforms

JET = Column(
    "jet",
    "float32",
    ("component",),
    (4,),
    ("pt", "eta", "phi", "m"),
    ("GeV", "1", "rad", "GeV"),
    "",
)
NUMBER = Column("x", "float32", (), (), (), ("1",), "")
KIND = Column("kind", "int32", (), (), (), ("1",), "")
SET = Column("set", "float32", (), (3, 2), (), (), "", "real")
SETTING = settings(deadline=None, max_examples=30)


def rng(seed=0):
    return np.random.default_rng(seed)


def jets(events=50):
    return np.concatenate(
        [
            rng(1).uniform(0.5, 200, (events, 1)),
            rng(2).uniform(-3, 3, (events, 2)),
            rng(3).uniform(0, 20, (events, 1)),
        ],
        axis=-1,
    )


def made(column, given_, *blocks, mask=None):
    """A pipeline fitted on blocks of events."""
    masks = mask if mask is not None else [None] * len(blocks)
    return make_pipeline(column, given_, lambda: iter(zip(blocks, masks, strict=True)))


def test_log_pt_changes_the_first_component_only():
    column = np.array([[[0.0, 1.5, 2.0], [49.9, -1.0, 0.5]]])
    transformed = log_pt(column)
    assert transformed.dtype == np.float32
    expected = [[[np.log(0.1), 1.5, 2.0], [np.log(50), -1.0, 0.5]]]
    np.testing.assert_allclose(transformed, expected, rtol=1e-6)
    assert column[0, 1, 0] == 49.9  # the caller's array is left alone
    assert made(JET, "log_pt").forward(column).tobytes() == transformed.tobytes()
    assert PT_OFFSET == 0.1


INVERTIBLE = [
    "log_pt",
    "standardise",
    {"name": "log", "offset": 10.0},
    "signed_log",
    {"name": "signed_log", "scale": 3.0, "components": ["m", 1]},
    {"name": "sin_cos", "components": ["phi"]},
    "cartesian",
    ["log_pt", "standardise"],
    [{"name": "sin_cos", "components": ["phi"]}, "standardise", {"name": "clip", "low": -99.0}],
    ["cartesian", "signed_log", "standardise"],
    [{"name": "log", "components": ["pt"]}, {"name": "standardise", "components": [0, "eta"]}],
]


@pytest.mark.parametrize("given_", INVERTIBLE, ids=str)
def test_the_inverse_undoes_it(given_):
    values = jets()
    pipeline = made(JET, given_, values[:20], values[20:])
    changed = pipeline.forward(values)
    assert changed.shape[1:] == pipeline.column.sizes
    assert not np.allclose(changed[:, :3], values[:, :3])
    np.testing.assert_allclose(pipeline.inverse(changed), values, rtol=1e-4, atol=1e-4)


@SETTING
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=20))
def test_inverses_of_any_numbers(numbers):
    values = np.array(numbers)
    for given_ in ("standardise", "signed_log", ["signed_log", "standardise"]):
        pipeline = made(NUMBER, given_, values)
        found = pipeline.inverse(pipeline.forward(values))
        np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-6)
    angles = values % (2 * np.pi) - np.pi
    pipeline = made(NUMBER, "sin_cos")
    assert pipeline.forward(angles).shape == (len(values), 2)
    found = pipeline.inverse(pipeline.forward(angles))
    assert np.allclose(np.exp(1j * found), np.exp(1j * angles))


NUMBERS = [
    "standardise",
    {"name": "log", "offset": 1.0},
    "signed_log",
    {"name": "clip", "low": 0.5, "high": 50},
    "fill_missing",
    "one_hot",
    "categories",
    "sin_cos",
    ["categories", "standardise"],
]


@pytest.mark.parametrize("given_", NUMBERS, ids=str)
@pytest.mark.parametrize("kind", ["?", "i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4"])
def test_columns_of_any_type(kind, given_):
    values = rng().integers(0, 100, 200).astype(kind)
    column, wide = replace(NUMBER, dtype=kind), values.astype(np.float64)
    pipeline = made(column, given_, values)
    changed, expected = pipeline.forward(values), made(NUMBER, given_, wide).forward(wide)
    np.testing.assert_allclose(changed, expected, rtol=1e-5, atol=1e-5)
    if "categories" in given_:  # to the file's numbers, although float32 rounds in between
        assert np.array_equal(pipeline.inverse(np.float32(changed)), wide)


@SETTING
@given(st.integers(0, 10**6), st.lists(st.integers(0, 100), max_size=4))
def test_a_fit_block_by_block_is_that_of_the_whole(seed, cuts):
    values = rng(seed).normal(5, 3, (100, 4)) * [1, 1e3, 1e-3, 1]
    blocks = np.split(values, sorted(cuts))
    found = made(JET, "standardise", *blocks).forward(values)
    expected = (values - values.mean(axis=0)) / values.std(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    constant = made(JET, "standardise", np.ones((10, 4))).forward(np.ones((10, 4)))
    assert not constant.any()


def test_padding_is_left_out_of_a_fit():
    values = rng().normal(3, 2, (40, 3, 2))
    real = rng(1).random((40, 3)) > 0.5
    spoilt = np.where(real[..., None], values, 1e6)
    found = made(SET, "standardise", spoilt, mask=[real]).forward(values)
    kept = values[real]
    np.testing.assert_allclose(found, (values - kept.mean(axis=0)) / kept.std(axis=0))
    single = replace(SET, sizes=(3,))
    found = made(single, "standardise", spoilt[..., 0], mask=[real]).forward(values[..., 0])
    kept = values[..., 0][real]
    np.testing.assert_allclose(found, (values[..., 0] - kept.mean()) / kept.std())


def test_missing_values_are_filled():
    values = jets()
    values[3, 1], values[7, 3] = np.nan, np.nan
    found = made(JET, "fill_missing", values).forward(values)
    expected = np.where(np.isnan(values), np.nanmean(values, axis=0), values)
    np.testing.assert_allclose(found, expected)
    some = made(JET, {"name": "fill_missing", "value": -1, "components": ["m"]}).forward(values)
    assert np.isnan(some[3, 1])
    assert some[7, 3] == -1
    both = made(JET, ["fill_missing", "standardise"], values)
    np.testing.assert_allclose(both.forward(values).std(axis=0), 1)


def test_categories_are_numbered_in_order():
    values = np.array([[11, -11, 211], [211, 11, 11]])
    column = replace(KIND, sizes=(3,))
    pipeline = made(column, "categories", values)
    assert pipeline.classes == 3
    assert pipeline.forward(values).tolist() == [[1, 0, 2], [2, 1, 1]]
    assert pipeline.inverse(pipeline.forward(values)).tolist() == values.tolist()
    assert np.isnan(pipeline.forward(np.array([[13, 11, 11]]))[0, 0])
    given_ = {"name": "categories", "values": [211, 11], "rest": True}
    chosen = made(column, given_)
    assert chosen.classes == 3
    assert chosen.forward(values).tolist() == [[1, 2, 0], [0, 1, 1]]


def test_one_hot():
    values = np.array([5, 3, 5, 9])
    pipeline = made(KIND, "one_hot", values)
    assert pipeline.column.sizes == (3,)
    assert pipeline.column.components == ("kind 3", "kind 5", "kind 9")
    assert pipeline.forward(values).tolist() == np.eye(3)[[1, 0, 1, 2]].tolist()
    assert pipeline.inverse(pipeline.forward(values)).tolist() == values.tolist()
    assert np.isnan(pipeline.forward(np.array([4]))).all()


def test_what_comes_out_is_described():
    pipeline = made(JET, ["log_pt", {"name": "sin_cos", "components": ["phi"]}])
    assert pipeline.column.components == ("log pt", "eta", "sin phi", "cos phi", "m")
    assert pipeline.column.units == ("1", "1", "1", "1", "GeV")
    cartesian = made(JET, "cartesian").column
    assert (cartesian.components, cartesian.units) == (("px", "py", "pz", "E"), ("GeV",) * 4)
    massless = replace(JET, sizes=(3,), components=JET.components[:3], units=JET.units[:3])
    found = made(massless, "cartesian").forward(np.array([[3.0, 0.0, np.pi / 2]]))
    assert found == pytest.approx(np.array([[0, 3, 0]]), abs=1e-6)
    missing = replace(JET, sizes=(2,), components=("pt", "phi"), units=("GeV", "rad"))
    plane = made(missing, "cartesian")
    assert (plane.column.components, plane.column.units) == (("px", "py"), ("GeV", "GeV"))
    assert plane.forward(np.array([[3.0, np.pi / 2]])) == pytest.approx(np.array([[0, 3]]))
    assert plane.inverse(np.array([[0, -3.0]])) == pytest.approx(np.array([[3, -np.pi / 2]]))


@pytest.mark.parametrize(
    ("column", "given_", "problem"),
    [
        (JET, "log_tp", "unknown transform 'log_tp'; did you mean 'log_pt' or 'log'?"),
        (JET, [], "is empty; expected transforms"),
        (JET, 3, "expected a transform, its name or {name: ...}, got 3"),
        (JET, {"components": ["pt"]}, "expected a transform, its name or {name: ...}"),
        (JET, {"name": "log", "ofset": 1}, "log: ofset: unknown argument of transform 'log'; did"),
        (JET, {"name": "log", "components": ["ptt"]}, "'jet' has no component 'ptt'; did you mean"),
        (NUMBER, {"name": "log", "components": [1]}, "'x' has no component '1'"),
        (JET, {"name": "log", "components": []}, "components: is empty; expected some"),
        (
            JET,
            {"name": "sin_cos", "components": ["phi", 2]},
            "components: '2' is there more than once",
        ),
        (NUMBER, "log_pt", "'log_pt' wants pt first; 'x' has no components"),
        (KIND, "cartesian", "'cartesian' wants pt, eta, phi and perhaps m, or pt, phi; 'kind' h"),
        (NUMBER, {"name": "sin_cos", "components": [0]}, "'x' has no components"),
        (NUMBER, "clip", "expected a limit, `low` or `high`"),
        (NUMBER, {"name": "clip", "low": 2, "high": 1}, "low: expected a number below 1, got 2"),
        (
            NUMBER,
            {"name": "signed_log", "scale": 0},
            "signed_log: scale: expected a number above 0",
        ),
        (NUMBER, "one_hot", "'x' holds 0.5, which is no whole number"),
        (NUMBER, {"name": "fill_missing", "value": "median"}, "fill_missing: value: expected a n"),
        (KIND, {"name": "categories", "values": [1, 1]}, "values: one is there more than once"),
        (KIND, {"name": "categories", "values": []}, "'kind' has no values"),
    ],
)
def test_transforms_that_cannot_be(column, given_, problem):
    with pytest.raises(RecipeError) as caught:
        made(column, given_, np.array([0.5, 1.0]))
    assert caught.value.problems[0].startswith(problem)


EVENTS = 60
PAPER = Data("events.h5")


def write(path, **changed):
    """A plain HDF5 file of someone's own."""
    draw = rng(5)
    columns = {
        "features": draw.normal(2, 3, (EVENTS, 3)).astype("f4"),
        "kind": draw.integers(0, 3, EVENTS) * 7,
        "mass": draw.uniform(1, 100, EVENTS),
    } | changed
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = values
    return columns


ALL = {
    "features": ["fill_missing", "standardise"],
    "kind": "one_hot",
    "mass": ["log", "standardise"],
}


def test_fitted_on_train_only(tmp_path):
    """Poison in valid and test: nothing changes in train."""
    path, data = tmp_path / "events.h5", replace(PAPER, transform=ALL)
    columns = write(path)
    clean = load_splits(data, ["train", "valid"], columns, path)
    others = np.setdiff1d(np.arange(EVENTS), clean["train"].event)
    for name, poison in (("features", 1e9), ("mass", 1e12)):
        columns[name] = columns[name].copy()
        columns[name][others] = poison
    columns["features"][others[:3]] = np.nan
    write(path, **columns)
    spoilt = load_splits(data, ["train", "valid"], columns, path)
    for name in columns:
        assert spoilt["train"].columns[name].tobytes() == clean["train"].columns[name].tobytes()
    assert not np.allclose(spoilt["valid"].columns["mass"], clean["valid"].columns["mass"])
    train = clean["train"].columns
    assert train["features"].mean(axis=0, dtype=float) == pytest.approx(np.zeros(3), abs=1e-6)
    assert train["mass"].std(dtype=float) == pytest.approx(1, abs=1e-6)
    assert train["kind"].sum(axis=-1).tolist() == [1] * len(clean["train"])


def test_what_was_fitted_is_kept_as_json(tmp_path):
    path, data = tmp_path / "events.h5", replace(PAPER, transform=ALL)
    columns = write(path)
    file = describe(path)
    fitted = make_pipelines(data, file)
    text = json.dumps({name: pipeline.states() for name, pipeline in fitted.items()})
    write(path, features=columns["features"] * 2, mass=columns["mass"] + 1)
    again = make_pipelines(data, file, json.loads(text))
    for name, values in columns.items():
        assert np.array_equal(again[name].forward(values), fitted[name].forward(values))


@pytest.mark.parametrize(
    ("changed", "transform", "problem"),
    [
        (
            {"kind": "odd"},
            {"kind": "categories"},
            "'categories' of 99 in event {event} is none of ",
        ),
        ({"kind": "odd"}, {"kind": "one_hot"}, "'one_hot' of 99 in event {event} is none of 0, 7"),
        ({"mass": "odd"}, {"mass": "log"}, "'log' of -99 in event {event} is not above 0"),
        ({"mass": "nan"}, {}, "NaN or infinity in event {event}; the transform `fill_missing` fil"),
        ({"mass": "nan"}, {"mass": "log"}, "NaN or infinity in event {event}; the transform `fil"),
        ({"mass": "inf"}, {"mass": "fill_missing"}, "'fill_missing' of inf in event {event} is N"),
    ],
)
def test_events_that_a_transform_refuses(tmp_path, changed, transform, problem):
    path, data = tmp_path / "events.h5", replace(PAPER, transform=transform)
    columns = write(path)
    event = load_split(replace(data, transform={}), "valid", columns, path).event[4]
    ((name, how),) = changed.items()
    odd = {"odd": 99 if name == "kind" else -99, "nan": np.nan, "inf": np.inf}[how]
    columns[name] = columns[name].copy()
    columns[name][event] = odd
    write(path, **columns)
    load_split(data, "train", columns, path)
    with pytest.raises(DataError) as caught:
        load_split(data, "valid", columns, path)
    assert f"column '{name}': {problem.format(event=event)}" in str(caught.value)


@pytest.mark.parametrize("odd", [-5.0, np.nan])
def test_what_train_may_not_hold_is_named_by_its_event(tmp_path, odd):
    """Not by the fit that follows, which would spoil every event."""
    path, data = tmp_path / "events.h5", replace(PAPER, transform={"mass": ["log", "standardise"]})
    columns = write(path)
    event = load_split(PAPER, "train", ["mass"], path).event[7]
    columns["mass"][event] = odd
    write(path, **columns)
    problem = "NaN or infinity in event" if np.isnan(odd) else "'log' of -5 in event"
    with pytest.raises(DataError, match=f"column 'mass': {problem} {event}"):
        load_split(data, "train", ["mass"], path)
    states = make_pipelines(data, describe(path))["mass"].states()
    assert np.isfinite(states[1]["mean"]).all()


def test_padding_is_0_whatever_the_file_holds(tmp_path):
    path = tmp_path / "events.h5"
    sets, real = rng().uniform(1, 5, (EVENTS, 3, 2)), rng(1).random((EVENTS, 3)) > 0.4
    data = replace(PAPER, transform={"sets": ["log", "standardise"]})
    found = []
    for garbage in (np.nan, -5.0, 0.0):
        write(path, sets=np.where(real[..., None], sets, garbage), real=real)
        with h5py.File(path, "r+") as file:
            file["sets"].attrs["mask"] = "real"
        split = load_split(data, "train", ["sets", "real"], path)
        assert not split.columns["sets"][~split.columns["real"].astype(bool)].any()
        found.append(split.columns["sets"].tobytes())
    assert found[0] == found[1] == found[2]


def test_every_transform_is_listed_with_what_it_does():
    assert set(transforms.names()) >= {
        "standardise", "log", "log_pt", "signed_log", "clip", "fill_missing", "one_hot",
        "categories", "sin_cos", "cartesian",
    }  # fmt: skip
    assert all(entry.summary.endswith(".") for entry in transforms.entries())
