"""Permutation importance and partial dependence of models whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from msml.chain import Chain
from msml.checks.features import Feature, Input, features
from msml.data.schema import Column
from msml.data.transforms import make_pipeline
from msml.metrics import EventMean, auc, average, bootstrap
from msml.recipe.expand import TaskSpec
from msml.stages.explanation.dependence import Answer, answer_of, dependences, levels
from msml.stages.explanation.frozen import FrozenTask
from msml.stages.explanation.importance import importances, partners, permuted
from msml.stages.losses import Measure

EVENTS = 2500  # three batches, one of which is not full
WEIGHT = np.random.default_rng(3).uniform(0.5, 2, EVENTS)
KERNEL = np.array([2.0, -1.0, 0.0, 0.1], np.float32)
REPLICAS = (50, 1)
ALL = slice(None)


@EventMean
def square(target, output):
    return (output[:, 0] - target).astype(np.float64) ** 2


def frozen(columns, inputs, model, loss="mse", mask=""):
    """A task of columns alone, as a session would have it."""
    names = tuple(each.name for each in inputs)
    spec = TaskSpec("t", names, "y", 1.0, loss, {}, (), {}, mask=mask)
    session = SimpleNamespace(
        tasks={"t": spec},
        described=lambda task: list(inputs),
        split=lambda name: SimpleNamespace(columns=columns),
        file=SimpleNamespace(columns={"y": Column("y", "f4", (), (), (), ("GeV",), "")}),
        pipelines={},
    )
    return session, FrozenTask(session, Chain(session.tasks, {"t": model}), "t")


def linear():
    """Four numbers of an event; the third changes nothing, the last one is not of the target."""
    import keras

    rng = np.random.default_rng(1)
    x = rng.normal(size=(EVENTS, 4)).astype(np.float32)
    y = (x @ np.array([2, -1, 0, 0]) + rng.normal(0, 0.5, EVENTS)).astype(np.float32)
    given = keras.Input((4,))
    model = keras.Model(given, keras.layers.Dense(1)(given))
    model.set_weights([KERNEL[:, None], np.array([0.5], np.float32)])
    inputs = [Input("x", (4,), ("a", "b", "c", "d"), ("GeV",))]
    return frozen({"x": x, "y": y}, inputs, model)


@pytest.fixture(scope="module")
def known():
    return linear()


def of_square(columns):
    return lambda output: Measure(square, (columns["y"], output), WEIGHT)


def test_importance_is_what_a_loss_rises_by(known):
    session, task = known
    columns = session.split("test").columns
    found = {r["component"]: r for r in importances(task, of_square(columns), 1, 4, REPLICAS)}
    assert list(found) == [None, "a", "b", "c", "d"]
    x, y = columns["x"].astype(np.float64), columns["y"].astype(np.float64)
    for name, place in (("a", 0), ("b", 1), ("d", 3)):
        rises = []
        for number in range(4):
            other = x.copy()
            (change,) = permuted(task, Feature("x", name, (0,), place, ""), number).values()
            other[:, place] = change(task.values[0], ALL)[:, place]
            losses = [(each @ KERNEL + 0.5 - y) ** 2 for each in (other, x)]
            rises.append(np.average(losses[0] - losses[1], weights=WEIGHT))
        assert found[name]["value"] == pytest.approx(np.mean(rises), rel=1e-4, abs=1e-6)
    assert found["a"]["value"] == pytest.approx(2 * 2**2, rel=0.1)  # twice the variance of 2 x
    assert found["a"]["value"] > 20 * found["a"]["error"] > 0
    assert found["c"] == {
        **{"input": "x", "component": "c", "value": 0.0, "error": 0.0, "low": 0.0, "high": 0.0}
    }
    assert abs(found["d"]["value"]) < 3 * found["d"]["error"]


def test_errors_are_paired_and_those_of_the_mean_over_permutations(known):
    session, task = known
    columns = session.split("test").columns
    _, row, *_ = importances(task, of_square(columns), 1, 3, REPLICAS)
    outputs = [task.output(permuted(task, Feature("x", "a", (0,), 0, ""), n)) for n in range(3)]
    before = square.per_event(columns["y"], task.output())
    change = np.mean([square.per_event(columns["y"], o) for o in outputs], axis=0) - before
    expected = bootstrap(lambda c, _, w: average(c, w), (change, change), WEIGHT, *REPLICAS)
    assert row["value"] == pytest.approx(expected.value)
    assert row["error"] == pytest.approx(expected.error)


def test_a_metric_of_which_more_is_better_and_that_is_no_mean(known):
    session, task = known
    label = (session.split("test").columns["y"] > 0).astype(int)

    def area(output):
        return Measure(auc, (label, output), WEIGHT)

    found = {r["component"]: r for r in importances(task, area, -1, 2, REPLICAS)}
    assert 0.1 < found["b"]["value"] < found["a"]["value"] < found[None]["value"]
    assert found[None]["value"] == pytest.approx(area(task.output()).value() - 0.5, abs=0.05)
    assert (found["c"]["value"], found["c"]["error"]) == (0, 0)
    again = {r["component"]: r for r in importances(task, area, -1, 2, REPLICAS)}
    assert again == found


def test_it_can_be_stopped_before_each_feature(known):
    calls = []
    rows = importances(
        known[1], of_square(known[0].split("test").columns), 1, 1, (2, 1), lambda: calls.append(1)
    )
    next(rows)
    assert len(calls) == 1


def test_partners_are_real_and_at_the_same_place():
    rng = np.random.default_rng(2)
    count = rng.integers(0, 4, 60)
    real = np.arange(4) < count[:, None]  # the last place is never real
    table = partners(real, rng.permutation(60))
    own = np.arange(60)[:, None]
    assert (table[~real] == np.broadcast_to(own, table.shape)[~real]).all()
    for place in range(3):
        rows = np.flatnonzero(real[:, place])
        assert sorted(table[rows, place]) == rows.tolist()
        assert (table[rows, place] != rows).all()
    whole = partners(np.ones((60, 4), bool), rng.permutation(60))
    assert (whole == whole[:, :1]).all()
    full = np.flatnonzero(count == 3)
    assert (table[full, 0] == table[full, 1]).mean() > 0.5  # of one event as far as that has them


OBJECTS = [
    Input("jets", (3, 2), ("pt", "m"), ("GeV",), "real"),
    Input("more", (3,), (), ("1",), "real"),
    Input("met", ()),
    Input("real", (3,), is_mask=True),
]


def objects():
    """Objects with padding that would be noticed, and a model that adds up all that is real."""
    import keras

    rng = np.random.default_rng(4)
    mask = np.arange(3) < rng.integers(0, 4, EVENTS)[:, None]
    columns = {
        "jets": np.where(mask[..., None], rng.normal(size=(EVENTS, 3, 2)), 0).astype(np.float32),
        "more": np.where(mask, rng.normal(size=(EVENTS, 3)), -0.0).astype(np.float32),
        "met": rng.normal(size=EVENTS).astype(np.float32),
        "real": mask.astype(np.float32),
        "y": np.zeros(EVENTS, np.float32),
    }

    class Sum(keras.Model):
        def call(self, inputs, training=False):
            jets, more, met, real = inputs
            found = (jets[..., 0] + more) * real + met[:, None]
            return keras.ops.sum(found, axis=1, keepdims=True)

    return frozen(columns, OBJECTS, Sum())


def changed(task, changes):
    """Inputs by name, changed."""
    return {OBJECTS[i].name: change(task.values[i], ALL) for i, change in changes.items()}


def test_padding_stays_what_it_is_bit_for_bit():
    session, task = objects()
    columns = session.split("test").columns
    padding = columns["real"] == 0
    names = []
    for feature in features(OBJECTS, ""):
        names.append(feature.name)
        changes = permuted(task, feature, 0)
        after = changed(task, changes)
        if len(after) > 1:
            continue
        ((name, values),) = after.items()
        before = columns[name]
        assert values.dtype == before.dtype
        assert (values != before).any()
        if name == "met":
            assert sorted(values) == sorted(before)
            continue
        assert values[padding].tobytes() == before[padding].tobytes()
        for place in range(3):  # objects come from their place
            real = ~padding[:, place]
            assert np.array_equal(
                np.sort(values[real, place], axis=0), np.sort(before[real, place], axis=0)
            )
        if feature.component == "pt":
            assert np.array_equal(values[..., 1], before[..., 1])
    assert names == ["jets", "jets.pt", "jets.m", "more", "met", "jets + more + real"]


def test_all_that_has_one_mask_moves_with_it():
    _, task = objects()
    *_, whole = features(OBJECTS, "")
    changes = permuted(task, whole, 3)
    assert sorted(changes) == [0, 1, 3]
    after = changed(task, changes)
    rows = partners(
        np.ones((EVENTS, 1), bool), np.random.default_rng([0x5EED1, 3]).permutation(EVENTS)
    )
    for place in (0, 1, 3):
        assert np.array_equal(after[OBJECTS[place].name], task.values[place][rows[:, 0]])


def test_objects_of_a_task_of_each_only_change_places_with_real_ones():
    assert [f.name for f in features(OBJECTS, "real")][-1] == "met"  # what is real stays so
    inner = [
        Input("tracks", (3, 2), ("pt", "m"), ("GeV",), "tracks real"),
        Input("tracks real", (3, 2), is_mask=True),
        Input("real", (3,), is_mask=True),
    ]
    *_, whole = features(inner, "real")
    assert (whole.places, whole.across) == ((0, 1), "real")


def slopes(row):
    at, value = np.array(row["at"]), np.array([each[0]["value"] for each in row["answers"]])
    return np.diff(value) / np.diff(at)


def test_dependence_on_a_linear_model_has_its_slopes(known):
    session, task = known
    split = SimpleNamespace(columns=session.split("test").columns)
    answer = answer_of(session, "t", split)
    assert (answer.names, answer.units) == (["y"], ["GeV"])
    rows = list(dependences(task, answer, WEIGHT, [], 6, REPLICAS))
    assert [row["component"] for row in rows] == ["a", "b", "c", "d"]
    for row, slope in zip(rows, KERNEL, strict=True):
        assert len(row["at"]) == 6
        assert slopes(row) == pytest.approx(slope, abs=1e-5)
        assert row["unit"] == "GeV"
    x = split.columns["x"]
    rest = average((x[:, 1:] @ KERNEL[1:] + 0.5).astype(np.float64), WEIGHT)
    first = rows[0]
    values = [each[0]["value"] for each in first["answers"]]
    assert values == pytest.approx([2 * at + rest for at in first["at"]], abs=1e-5)
    rest = (x[:, 1:] @ KERNEL[1:]).astype(np.float64)
    expected = bootstrap(lambda c, _, w: average(c, w), (rest, rest), WEIGHT, *REPLICAS).error
    assert [each[0]["error"] for each in first["answers"]] == pytest.approx(
        [expected] * 6, rel=1e-4
    )
    (only,) = dependences(task, answer, WEIGHT, ["x.b"], 6, REPLICAS)
    assert only == rows[1]


def test_dependence_on_objects_leaves_padding():
    session, task = objects()
    real = session.split("test").columns["real"]
    total = Answer(["sum"], ["1"], lambda output: (output, np.ones((EVENTS, 1))))
    rows = {
        row["component"] or row["input"]: row
        for row in dependences(task, total, WEIGHT, [], 4, REPLICAS)
    }
    assert list(rows) == ["pt", "m", "more", "met"]
    objects_an_event = average(real.sum(axis=1).astype(np.float64), WEIGHT)
    for name in ("pt", "more"):
        assert slopes(rows[name]) == pytest.approx(objects_an_event, abs=1e-4)
    assert slopes(rows["met"]) == pytest.approx(3, abs=1e-4)
    assert slopes(rows["m"]) == pytest.approx(0, abs=1e-6)


def test_values_are_those_before_transforms_that_go_by_place():
    rng = np.random.default_rng(7)
    plain = rng.exponential(50, (EVENTS, 2)).astype(np.float32)
    column = Column("x", "f4", ("component",), (2,), ("pt", "m"), ("GeV", "GeV"), "")
    pipeline = make_pipeline(column, ["log_pt", "standardise"], lambda: iter([(plain, None)]))
    seen = pipeline.forward(plain).astype(np.float32)
    given = Input("x", (2,), ("pt", "m"), ("GeV",), steps=pipeline.steps)
    _, task = frozen({"x": seen, "y": plain[:, 0]}, [given], None)
    for number in (0, 1):
        at, levels_seen = levels(task, Feature("x", "?", (0,), number, ""), 9)
        expected = np.quantile(plain[:, number], np.linspace(0.01, 0.99, 9), method="nearest")
        assert at == pytest.approx(expected, rel=1e-5)
        both = np.tile(plain[:1], (9, 1))
        both[:, number] = at
        assert levels_seen == pytest.approx(pipeline.forward(both)[:, number], abs=1e-5)


def test_few_values_are_few_points():
    values = np.repeat([0.0, 1.0, 3.0], [EVENTS - 20, 10, 10]).astype(np.float32)
    _, task = frozen({"x": values, "y": values}, [Input("x", ())], None)
    assert levels(task, Feature("x", None, (0,), None, ""), 20)[0].tolist() == [0.0]
    values[: EVENTS // 2] = 1
    at, seen = levels(task, Feature("x", None, (0,), None, ""), 20)
    assert (at.tolist(), seen.tolist()) == ([0.0, 1.0], [0.0, 1.0])


def test_answers_are_probabilities_and_means_over_what_is_real():
    rng = np.random.default_rng(8)
    logits = rng.normal(size=(EVENTS, 1)).astype(np.float32)
    label = {"x": logits, "y": np.zeros(EVENTS, np.float32)}
    session, _ = frozen(label, [Input("x", (1,))], None, loss="bce_logits")
    answer = answer_of(session, "t", session.split("test"))
    total, count = answer.of(logits)
    assert answer.names == ["probability"]
    assert total == pytest.approx(1 / (1 + np.exp(-logits.astype(float))), abs=1e-6)
    assert (count == 1).all()
    real = np.arange(3) < rng.integers(0, 4, EVENTS)[:, None]
    target = np.zeros((EVENTS, 3, 2), np.float32)
    columns = {"x": logits, "y": target, "real": real.astype(np.float32)}
    session, _ = frozen(columns, [Input("x", (1,))], None, mask="real")
    answer = answer_of(session, "t", session.split("test"))
    output = rng.normal(size=target.shape)
    total, count = answer.of(output)
    assert answer.names == ["y.0", "y.1"]
    assert np.array_equal(count[:, 0], real.sum(axis=1))
    assert total == pytest.approx((output * real[..., None]).sum(axis=1))
