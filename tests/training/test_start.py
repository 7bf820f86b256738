"""Starting from the weights of another model."""

import numpy as np
import pytest

from msml.errors import RecipeError
from msml.models.build import build
from msml.recipe.schema import Start
from msml.training.environment import tensorflow
from msml.training.start import Source, begin, weights_of

tf = tensorflow()


def model(seed, units=6, output=(1,), inputs=(4,)):
    arguments = {"units": units, "layers": 2, "norm": "batch"}
    return build("mlp", [inputs], output, arguments, seed)


def source(**arguments):
    return Source("runs/other", "abc", weights_of(model(1, **arguments)))


def values(of):
    return [w.numpy() for w in of.weights]


def begun(start, seed=2):
    made = model(seed)
    begin(made, start, source())
    return made


def same(one, other):
    return [np.array_equal(*pair) for pair in zip(one, other, strict=True)]


def test_all_but_the_layer_that_predicts():
    made, theirs, drawn = begun(Start("other")), model(1), model(2)
    for ours, other, own in zip(made.layers, theirs.layers, drawn.layers, strict=True):
        expected = own if ours.name == "numbers" else other
        assert all(same(values(ours), values(expected)))
    assert not all(same(values(theirs.get_layer("numbers")), values(drawn.get_layer("numbers"))))
    assert len(made.trainable_variables) == len(drawn.trainable_variables)


def test_of_other_outputs():
    made = model(2, output=(3,))
    begin(made, Start("other"), source())
    assert all(same(values(made.get_layer("hidden_0")), values(model(1).get_layer("hidden_0"))))


def test_some_layers():
    made = begun(Start("other", layers=["hidden_0*"], without=[]))
    theirs, drawn = model(1), model(2)
    for name, other in (("hidden_0", theirs), ("hidden_1", drawn), ("numbers", drawn)):
        assert all(same(values(made.get_layer(name)), values(other.get_layer(name))))


@pytest.mark.parametrize("batchnorm", ["adapt", "freeze"])
def test_fixed(batchnorm):
    """No transferred weight moves; statistics of batches are gathered where they adapt."""
    import keras

    made = begun(Start("other", mode="fixed", batchnorm=batchnorm))
    head = made.get_layer("numbers")
    assert {id(v) for v in made.trainable_variables} == {id(v) for v in head.weights}
    rng = np.random.default_rng(1)
    x, y = rng.normal(3.0, 2.0, (64, 4)).astype("f"), rng.normal(size=(64, 1)).astype("f")
    before = {layer.name: values(layer) for layer in made.layers}
    optimizer = keras.optimizers.SGD(0.1)
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((made(x, training=True) - y) ** 2)
        optimizer.apply_gradients(
            zip(
                tape.gradient(loss, made.trainable_variables), made.trainable_variables, strict=True
            )
        )
    moved = {
        name for name, old in before.items() if not all(same(old, values(made.get_layer(name))))
    }
    norms = {
        layer.name for layer in made.layers if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert norms
    assert moved == ({"numbers"} | norms if batchnorm == "adapt" else {"numbers"})
    for name in norms:  # scale and shift stay, whatever becomes of the statistics
        assert all(same(before[name], values(made.get_layer(name)))[:2])
    as_measured = made(x, training=False).numpy()
    as_trained = made(x, training=True).numpy()
    assert np.allclose(as_measured, as_trained) == (batchnorm == "freeze")


@pytest.mark.parametrize(
    ("start", "theirs", "message"),
    [
        ({"layers": ["hiden_0"]}, {}, "layers: no layer 'hiden_0'; did you mean 'hidden_0'"),
        ({"without": ["*"]}, {}, "layers: no layer is left that starts from there"),
        (
            {},
            {"units": 7},
            r"has weights of shapes \(4, 6\), \(6,\), in runs/other \(4, 7\), \(7,\)",
        ),
        ({}, {"inputs": (5,)}, r"has weights of shapes \(4, 6\), \(6,\), in runs/other \(5, 6\)"),
    ],
)
def test_what_does_not_fit(start, theirs, message):
    made = model(2)
    before = values(made)
    with pytest.raises(RecipeError, match=message):
        begin(made, Start("other", **start), source(**theirs))
    assert all(same(before, values(made)))


def test_a_layer_that_is_not_there():
    made = build("mlp", [(4,)], (1,), {"units": 6, "layers": 3, "norm": "batch"}, 1)
    with pytest.raises(RecipeError, match=r"the layer '.*2.*' is not in runs/other"):
        begin(made, Start("other"), source())
