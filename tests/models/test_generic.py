"""Models for anyone's inputs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from msml.errors import RecipeError
from msml.models.build import build

DENSE = ["mlp", "residual_mlp", "dense_mlp", "linear"]
SETS = ["deepsets", "set_transformer", "graph_network", "graph_attention"]
SEQUENCES = ["lstm", "gru"]
OBJECTS, IMAGES, EVENT = (5, 3), (9, 9, 2), (4,)
SMALL = {
    "cnn": {"filters": [3, 4], "units": 8},
    "deepsets": {"units": 8, "head_units": 8},
    "set_transformer": {"units": 8, "heads": 2, "head_units": 8},
    "graph_network": {"units": 8, "layers": 2, "head_layers": 1},
    "graph_attention": {"units": 8, "layers": 2, "heads": 2, "head_layers": 1},
    **{name: {"units": 6, "head_units": 8} for name in SEQUENCES},
    **{name: {"units": 8} for name in DENSE[:3]},
    "linear": {},
}


def shapes_of(name):
    return [IMAGES if name == "cnn" else OBJECTS, EVENT, ()]


def make(name, output=(2, 3), shapes=None, seed=1, precision="float32", masks=(), **arguments):
    shapes = shapes or shapes_of(name)
    return build(name, shapes, output, SMALL[name] | arguments, seed, precision, masks=masks)


def inputs_of(shapes, events=7, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(events, *shape)).astype("float32") for shape in shapes]


ALL = pytest.mark.parametrize("name", SMALL)


@ALL
@pytest.mark.parametrize("output", [(), (2, 3)])
def test_outputs_of_any_shape_that_follow_from_the_seed(name, output):
    given = inputs_of(shapes_of(name))
    first, again, other = (np.asarray(make(name, output, seed=s)(given)) for s in (1, 1, 2))
    assert first.shape == (7, *(output or (1,)))
    assert first.dtype == np.float32
    assert first.tobytes() == again.tobytes()
    assert not np.allclose(first, other)


@ALL
def test_every_input_counts_and_events_do_not_mix(name):
    model, given = make(name), inputs_of(shapes_of(name))
    before = np.asarray(model(given))
    for i in range(len(given)):
        changed = [array.copy() for array in given]
        changed[i][0] += 1
        after = np.asarray(model(changed))
        assert np.abs(after - before)[0].max() > 1e-4
        assert np.allclose(after[1:], before[1:], atol=1e-6)


@ALL
@pytest.mark.parametrize(("precision", "most"), [("mixed_bfloat16", 0.2), ("mixed_float16", 0.05)])
def test_mixed_precision(name, precision, most):
    """How far off sums in bfloat16 are depends on the processor."""
    model, exact = make(name, precision=precision), make(name)
    given = inputs_of(shapes_of(name))
    found = model(given)
    assert found.dtype == "float32"
    assert np.abs(np.asarray(found) - np.asarray(exact(given))).max() < most


@ALL
def test_weights_survive_a_file(name, tmp_path):
    arguments = {} if name == "linear" else {"dropout": 0.2}
    model, other = make(name, **arguments), make(name, seed=2, **arguments)
    model.save(tmp_path / "whole.keras")
    model.save_weights(tmp_path / "some.weights.h5")
    other.load_weights(tmp_path / "some.weights.h5")
    given = inputs_of(shapes_of(name))
    expected = np.asarray(model(given))
    assert np.array_equal(other(given), expected)
    assert np.array_equal(keras.models.load_model(tmp_path / "whole.keras")(given), expected)


@pytest.mark.parametrize(
    "name",
    ["mlp", "residual_mlp", "dense_mlp", "deepsets", "graph_network", "graph_attention", "cnn"],
)
@pytest.mark.parametrize("norm", ["batch", "batch_torch", "layer"])
def test_normalisation_and_dropout_are_at_work_in_training(name, norm):
    model, given = make(name, norm=norm, dropout=0.5), inputs_of(shapes_of(name))
    kinds = {type(layer).__name__ for layer in model.layers}
    assert {f"{norm.partition('_')[0].title()}Normalization", "Dropout"} <= kinds
    drawn = [np.asarray(model(given, training=True)) for _ in range(2)]
    assert not np.allclose(*drawn)
    settled = [np.asarray(model(given, training=False)) for _ in range(2)]
    assert np.array_equal(*settled)


def padded(name, garbage, objects=OBJECTS):
    """A model of objects with a mask, its inputs, and what is padding."""
    shapes = [objects, objects[:1], EVENT]
    model = make(name, shapes=shapes, masks=(False, True, False))
    values, _, event = inputs_of(shapes)
    real = np.arange(objects[0]) < np.array([0, 1, 2, 3, 4, 5, 5])[:, None]
    return model, [np.where(real[..., None], values, garbage), real.astype("float32"), event], real


@pytest.mark.parametrize("name", [*SETS, *SEQUENCES])
def test_padding_changes_nothing_bit_for_bit(name):
    results = []
    for garbage in (0.0, 7.0, np.nan, np.inf):
        model, given, real = padded(name, np.float32(garbage))
        given = [tf.constant(array, tf.float32) for array in given]
        with tf.GradientTape() as tape:
            tape.watch(given[0])
            found = model(given, training=False)
            loss = tf.reduce_sum(found**2)
        slopes = tape.gradient(loss, [given[0], *(v.value for v in model.trainable_variables)])
        assert not np.any(np.asarray(slopes[0])[~real])
        assert np.isfinite(found).all()
        results.append([found.numpy().tobytes(), *(np.asarray(s).tobytes() for s in slopes)])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("name", [*SETS, *SEQUENCES])
def test_padding_is_as_if_it_were_not_there(name):
    """Another number of padded rows: the same weights give the same outputs."""
    narrow, given, _ = padded(name, np.float32(3))
    wide = make(name, shapes=[(9, 3), (9,), EVENT], masks=(False, True, False))
    longer = [
        np.pad(given[0], ((0, 0), (0, 4), (0, 0)), constant_values=5.0),
        np.pad(given[1], ((0, 0), (0, 4))),
        given[2],
    ]
    assert np.allclose(narrow(given), wide(longer), atol=1e-6)


@pytest.mark.parametrize(
    ("norm", "momentum", "epsilon"), [("batch", 0.99, 1e-3), ("batch_torch", 0.9, 1e-5)]
)
@pytest.mark.parametrize("masked", [False, True])
def test_batches_are_normalised_with_the_constants_of_keras_or_of_pytorch(
    norm, momentum, epsilon, masked
):
    """Over all real objects of all events."""
    masks = (False, True) if masked else ()
    arguments = {"norm": norm, "layers": 1, "activation": "linear"}
    model = make("deepsets", shapes=[OBJECTS, (5,)][: 1 + masked], masks=masks, **arguments)
    values, _ = inputs_of([OBJECTS, (5,)])
    real = np.arange(5) < np.array([0, 1, 2, 3, 4, 5, 5])[:, None]
    found = model([values, real.astype("f")] if masked else values, training=True)
    kernel, bias = model.get_layer("object_0").get_weights()
    rows = values[real] @ kernel + bias if masked else (values @ kernel + bias).reshape(-1, 8)
    layer = model.get_layer("object_0_norm")
    assert layer.moving_mean.numpy() == pytest.approx((1 - momentum) * rows.mean(0), abs=1e-6)
    variance = momentum + (1 - momentum) * rows.var(0)
    assert layer.moving_variance.numpy() == pytest.approx(variance, rel=1e-5)
    assert layer.epsilon == epsilon
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ["deepsets", "graph_network", "graph_attention"])
@pytest.mark.parametrize("norm", ["batch", "batch_torch"])
def test_padding_does_not_count_when_batches_are_normalised(name, norm):
    statistics = []
    for objects in (5, 9):
        shapes = [(objects, 3), (objects,)]
        model = make(name, shapes=shapes, masks=(False, True), norm=norm)
        values, _ = inputs_of([OBJECTS, (5,)])
        real = np.arange(5) < np.array([0, 1, 2, 3, 4, 5, 5])[:, None]
        more = ((0, 0), (0, objects - 5))
        found = model([np.pad(values, (*more, (0, 0))), np.pad(real, more)], training=True)
        layers = [v for v in model.non_trainable_variables if v.path.split("/")[-2][0] in "og"]
        statistics.append([np.asarray(found), *(v.numpy() for v in layers)])
    assert len(statistics[0]) == 5
    for narrow, wide in zip(*statistics, strict=True):
        assert narrow == pytest.approx(wide, abs=1e-5)


@pytest.mark.parametrize("name", [*SETS, *SEQUENCES])
def test_padding_need_not_be_a_category(name):
    shapes = [OBJECTS, OBJECTS[:1], OBJECTS[:1]]
    model = make(name, shapes=shapes, masks=(False, True, False), embed={2: [4, 2]})
    values, _, _ = inputs_of(shapes)
    real = (np.arange(5) < np.array([0, 1, 2, 3, 4, 5, 5])[:, None]).astype("float32")
    found = [
        np.asarray(model([values, real, np.where(real, 3.0, padding).astype("float32")]))
        for padding in (0.0, -1.0, 99.0, np.nan)
    ]
    assert all(np.array_equal(each, found[0]) for each in found)


@pytest.mark.parametrize("name", SETS)
def test_objects_are_in_no_order(name):
    model, given, _ = padded(name, np.float32(2))
    order = np.random.default_rng(3).permutation(OBJECTS[0])
    turned = [given[0][:, order], given[1][:, order], given[2]]
    assert np.allclose(model(given), model(turned), atol=1e-5)


def test_more_numbers_of_the_same_objects_are_joined():
    """A column (objects,) that is no mask, and one of objects with two axes."""
    shapes = [OBJECTS, OBJECTS[:1], (5, 2, 2)]
    model, given = make("deepsets", shapes=shapes), inputs_of(shapes)
    order = np.random.default_rng(3).permutation(5)
    assert np.allclose(model(given), model([x[:, order] for x in given]), atol=1e-5)
    assert not np.allclose(model(given), model([given[0], given[1][:, order], given[2]]), atol=1e-3)


@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
def test_pooling_against_numpy(pooling):
    from msml.models.layers import Pack, Pool

    rng = np.random.default_rng(4)
    x, real = rng.normal(size=(6, 4, 3)).astype("float32"), rng.random((6, 4)) > 0.4
    real[[0, -1]] = False
    found = Pool(pooling)(Pack()(tf.constant(x), tf.constant(real)), tf.constant(real))
    for event, expected in enumerate(found.numpy()):
        kept = x[event][real[event]]
        wanted = getattr(np, pooling)(kept, axis=0) if len(kept) else np.zeros(3)
        assert expected == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_categories_are_embedded(precision):
    shapes = [EVENT, (), (3,)]
    many = {"embed": {1: [5000, 3], 2: [4, 2]}}
    model = make("mlp", shapes=shapes, precision=precision, **many)
    hidden = next(layer for layer in model.layers if layer.name == "hidden_0")
    assert hidden.kernel.shape == (4 + 3 + 3 * 2, 8)
    given = [*inputs_of([EVENT]), np.array([2048.0, 2049, 4095, 4096, 1, 0, 7]), np.ones((7, 3))]
    given[0][:] = 0
    found = np.asarray(model(given))
    assert not np.allclose(found[0], found[1], atol=1e-4)
    assert not np.allclose(found[2], found[3], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        (
            "mlp",
            {"embed": {3: [4, 2]}},
            "embed: expected the number of an input, from 0 to 2, with",
        ),
        ("mlp", {"embed": {0: [4]}}, "embed: expected the number of an input"),
        ("mlp", {"norm": "group"}, "norm: expected one of batch, batch_torch, layer or null, got "),
        ("mlp", {"output": [3]}, "output: is set by msml, not by a recipe"),
        ("deepsets", {"masks": [True]}, "masks: is set by msml, not by a recipe"),
        ("mlp", {"activation": "rellu"}, "model 'mlp' cannot be built: "),
        (
            "set_transformer",
            {"units": 9, "heads": 2},
            "units: expected a multiple of the 2 heads, got 9",
        ),
        (
            "graph_attention",
            {"units": 9, "heads": 2},
            "units: expected a multiple of the 2 heads, got 9",
        ),
        (
            "deepsets",
            {"pooling": "median"},
            "pooling: expected one of mean, sum, max, got the text",
        ),
    ],
)
def test_arguments_that_do_not_fit(name, arguments, problem):
    with pytest.raises(RecipeError) as caught:
        build(name, shapes_of(name), (1,), SMALL[name] | arguments, seed=1)
    assert problem in caught.value.problems[0]


@pytest.mark.parametrize(
    ("name", "shapes", "masks", "problem"),
    [
        ("deepsets", [()], (), r"the first input must be of objects, (objects, ...), not ()"),
        ("lstm", [(5,)], (True,), "the first input must be of objects, (objects, ...), not (5,)"),
        ("cnn", [OBJECTS], (), "the first input must be images, (rows, columns, channels), not"),
        ("deepsets", [OBJECTS, (5,), (5,)], (False, True, True), "2 masks for the same objects"),
    ],
)
def test_inputs_that_do_not_fit(name, shapes, masks, problem):
    with pytest.raises(RecipeError) as caught:
        make(name, shapes=shapes, masks=masks)
    assert problem in caught.value.problems[0]


def test_images_of_several_objects_are_seen_with_the_same_weights():
    model = make("cnn", shapes=[(2, *IMAGES)], units=4, layers=0)
    convolution = next(layer for layer in model.layers if layer.name == "convolution_0")
    assert convolution.kernel.shape == (3, 3, 2, 3)
    assert np.asarray(model(inputs_of([(2, *IMAGES)])[0])).shape == (7, 2, 3)
