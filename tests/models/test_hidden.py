"""Inputs that are partly hidden, and networks that predict something of each object."""

import numpy as np
import pytest
import tensorflow as tf

from msml.chain import WEIGHT, Chain
from msml.errors import RecipeError
from msml.models.build import build
from msml.models.hidden import hiding
from msml.models.layers import Hide
from msml.recipe.expand import TaskSpec
from msml.recipe.schema import Start
from msml.training.environment import tensorflow
from msml.training.measure import fixed_noise
from msml.training.start import Source, begin, weights_of

tensorflow()

EVENTS, OBJECTS, CLASSES = 2000, 6, 5
SHAPES, MASKS = [(OBJECTS, 4), (OBJECTS,), (OBJECTS,)], (False, False, True)
SMALL = {"units": 8, "layers": 2, "head_layers": 0}
NAMES = pytest.mark.parametrize("name", ["graph_network", "graph_attention"])


def events(count=EVENTS, seed=0):
    """Momenta, types from 1 on, and which objects are real."""
    rng = np.random.default_rng(seed)
    real = rng.random((count, OBJECTS)) < 0.7
    momenta = rng.normal(size=(count, OBJECTS, 4))
    types = rng.integers(1, CLASSES, (count, OBJECTS)) * real
    return [each.astype(np.float32) for each in (momenta, types, real)]


def per_object(name, **arguments):
    given = SMALL | {"pooling": None} | arguments
    return build(name, SHAPES, (OBJECTS, CLASSES), given, 1, masks=MASKS)


def echo(shapes):
    """A model that returns what it sees."""
    import keras

    inputs = [keras.Input(shape) for shape in shapes]
    layer = keras.layers.Identity()
    return keras.Model(inputs, {f"x{i}": layer(x) for i, x in enumerate(inputs)})


def seen(model, given):
    return [np.asarray(each) for each in model(given).values()]


def test_rows_are_hidden_as_a_whole_anew_at_each_call():
    rng = np.random.default_rng(1)
    shapes = [(OBJECTS, 4), (OBJECTS,), (), (OBJECTS,)]
    given = [(1 + rng.random((EVENTS, *shape))).astype(np.float32) for shape in shapes]
    model = hiding(echo(shapes), shapes, [0.5, 0.65, 0.2, 0.0], 3)
    first, second = seen(model, given), seen(model, given)
    for found, before, share in zip(first, given, (0.5, 0.65, 0.2), strict=False):
        gone = found == 0
        if gone.ndim == 3:
            assert (gone.all(axis=-1) == gone.any(axis=-1)).all()
        assert np.array_equal(found[~gone], before[~gone])
        drawn = gone[..., 0] if gone.ndim == 3 else gone
        assert abs(drawn.mean() - share) < 5 * np.sqrt(share * (1 - share) / drawn.size)
        if drawn.ndim == 2:  # objects by themselves
            assert np.abs(np.corrcoef(drawn.T) - np.eye(OBJECTS)).max() < 0.12
    assert np.array_equal(first[3], given[3])
    gone = [(x[..., 0] if x.ndim == 3 else x) == 0 for x in (*first[:2], *second[:2])]
    for i in range(4):
        for j in range(i):
            assert abs(np.corrcoef(gone[i].ravel(), gone[j].ravel())[0, 1]) < 0.05
    (state,) = model.non_trainable_variables
    assert not model.trainable_variables
    state.assign([3, 0])
    again = seen(model, given)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one, other)


def test_what_is_measured_is_the_same_each_time_and_training_goes_on_after_it():
    shapes = [(OBJECTS,), (OBJECTS,)]
    given = [np.ones((50, OBJECTS), np.float32)] * 2
    model, other = (hiding(echo(shapes), shapes, [0.5, 0.5], 3) for _ in range(2))
    expected = [seen(other, given) for _ in range(2)]
    found = [seen(model, given)]
    measured = []
    for _ in range(2):
        with fixed_noise([model]):
            measured.append(seen(model, given))
    found.append(seen(model, given))
    assert np.array_equal(measured[0], measured[1])
    assert not np.array_equal(measured[0][0], measured[0][1])  # of two columns
    assert np.array_equal(found, expected)


def test_the_layer_is_described():
    layer = Hide([0.5], 3)
    assert Hide.from_config(layer.get_config()).shares == [0.5]
    assert layer.get_config()["seed"] == 3


@NAMES
def test_a_prediction_of_each_object(name):
    """It moves with the objects, is 0 for padding, and as of the event without padding."""
    model, (momenta, types, real) = per_object(name), events(50)
    found = np.asarray(model([momenta, types, real]))
    assert found.shape == (50, OBJECTS, CLASSES)
    assert not found[real == 0].any()
    assert len(np.unique(found[real == 1], axis=0)) == real.sum()
    turn = np.random.default_rng(1).permutation(OBJECTS)
    turned = np.asarray(model([x[:, turn] for x in (momenta, types, real)]))
    assert turned == pytest.approx(found[:, turn], abs=1e-5)
    spoiled = np.where(real[..., None] == 1, momenta, np.nan).astype(np.float32)
    assert np.array_equal(np.asarray(model([spoiled, types, real])), found)
    alone = build(name, SHAPES[:2], (OBJECTS, CLASSES), SMALL | {"pooling": None}, 1)
    whole = np.asarray(model([momenta, types, np.ones_like(real)]))
    assert np.asarray(alone([momenta, types])) == pytest.approx(whole, abs=1e-5)


@NAMES
@pytest.mark.parametrize("masked", [True, False])
def test_what_an_event_has_is_seen_by_each_of_its_objects(name, masked):
    shapes, masks = [(OBJECTS, 4), (3,), (OBJECTS,)], (False, False, True)
    arguments = SMALL | {"pooling": None, "feature": 7}
    count = 2 + masked
    model = build(name, shapes[:count], (OBJECTS, 2, 2), arguments, 1, masks=masks[:count])
    momenta, _, real = events(9)
    numbers = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)
    found = model([momenta, numbers, real][:count])
    assert found["output"].shape == (9, OBJECTS, 2, 2)
    assert found["feature"].shape == (9, OBJECTS, 7)
    more = model([momenta, numbers + 1, real][:count])
    moved = (np.asarray(more["output"]) != np.asarray(found["output"])).any(axis=(2, 3))
    assert (moved == (real == 1)).all() if masked else moved.all()


@NAMES
def test_half_precision(name):
    """What is hidden is the same, and outputs are float32 that is not rounded."""
    given = [tf.constant(x) for x in events(300)]
    found = []
    for precision in ("float32", "mixed_bfloat16"):
        about = ((OBJECTS, CLASSES), SMALL | {"pooling": None}, 1, precision)
        made = hiding(build(name, SHAPES, *about, masks=MASKS), SHAPES, [0.0, 0.65, 0.0], 3)
        found.append(np.asarray(made(given)))
    assert found[1].dtype == np.float32
    assert np.abs(found[1] - found[0]).max() < 0.2
    rounded = np.asarray(tf.cast(tf.cast(found[1], "bfloat16"), "float32"))
    assert (rounded != found[1]).mean() > 0.5


def test_an_output_that_is_not_of_the_objects():
    with pytest.raises(RecipeError) as caught:
        build("graph_network", SHAPES, (3,), SMALL | {"pooling": None}, 1, masks=MASKS)
    assert caught.value.problems[0].endswith(
        "pooling: null is for an output of each of the 6 objects, the task wants one of shape (3,)"
    )


@NAMES
def test_padding_is_not_hidden_but_padding(name):
    """Whatever it holds; and what is real loses its type, nothing else."""
    momenta, types, real = events(200)
    found = []
    for garbage in (0.0, 3.0, np.nan):
        model = hiding(per_object(name), SHAPES, [0.0, 0.65, 0.0], 3)
        spoiled = np.where(real == 1, types, garbage).astype(np.float32)
        found.append(np.asarray(model([momenta, spoiled, real])))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert not found[0][real == 0].any()


def test_the_loss_sees_the_true_types_of_hidden_objects():
    """Of a model that says what it sees: it is wrong, by a known loss, for what is hidden."""
    import keras
    from keras import ops

    inputs = [keras.Input(shape) for shape in SHAPES]
    sure = 3.0
    logits = sure * ops.one_hot(ops.cast(inputs[1], "int32"), CLASSES)
    model = hiding(keras.Model(inputs, logits), SHAPES, [0.0, 0.65, 0.0], 3)
    spec = TaskSpec(
        *("types", ("momenta", "types", "real"), "types", 1.0, "cross_entropy", {}, (), {}),
        classes=CLASSES,
        mask="real",
    )
    chain = Chain({"types": spec}, {"types": model})
    momenta, types, real = events(300)
    batch = {"momenta": momenta, "types": types, "real": real, WEIGHT: np.ones(300, np.float32)}
    batch = {name: tf.constant(column) for name, column in batch.items()}
    output = chain.outputs(batch, training=True)
    shown = np.asarray(output["types"]["output"]).argmax(axis=-1)
    gone = (shown == 0) & (real == 1)
    assert (shown[~gone & (real == 1)] == types[~gone & (real == 1)]).all()
    assert 0.6 < gone.sum() / real.sum() < 0.7
    norm = np.log(np.exp(sure) + CLASSES - 1)
    of_each = np.where(gone, norm, norm - sure) * real
    expected = (of_each.sum(axis=1) / np.maximum(real.sum(axis=1), 1)).mean()
    (loss,) = chain.task_losses(batch, output)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@NAMES
def test_a_classifier_starts_from_all_but_the_layer_that_predicts(name):
    source = hiding(per_object(name), SHAPES, [0.0, 0.65, 0.0], 3)
    made, drawn = (build(name, SHAPES, (1,), SMALL, 2, masks=MASKS) for _ in range(2))
    begin(made, Start("other"), Source("runs/other", "abc", weights_of(source)))
    theirs, own = weights_of(source), weights_of(drawn)
    assert set(theirs) == set(own)
    for layer, values in weights_of(made).items():
        expected = own[layer] if layer == "numbers" else theirs[layer]
        assert all(np.array_equal(*pair) for pair in zip(values, expected, strict=True))
    kernels = [values["graph_1"][0] for values in (theirs, own)]
    assert not np.array_equal(*kernels)
