"""The models of the hierarchical study: counts of the reference, symmetries, and the wiring."""

import numpy as np
import pytest
import tensorflow as tf

from msml.chain import WEIGHT, Chain
from msml.models.build import build
from msml.models.each import Each
from msml.recipe.expand import ModelSpec, TaskSpec

JETS, PARTS = 8, 50


def tau(inputs=((PARTS, 3),), **arguments):
    return build("tau_deepsets", list(inputs), (1,), arguments, 1)


def event(feature=16, **arguments):
    return build("event_deepsets", [(JETS, 4), (JETS, feature)], (1,), arguments, 1)


def test_the_counts_of_the_jets_model():
    weights = {"trunk": 26_920, "phi6": 3_201}
    model = tau()
    head = [v for v in model.trainable_variables if "phi6" in v.path or "numbers" in v.path]
    assert sum(int(np.prod(v.shape)) for v in head) == weights["phi6"]
    assert model.count_params() == sum(weights.values())
    assert tau([(PARTS, 4)]).count_params() == 26_952 + 3_201
    # The other reading: φ4 sees the jet's own four-vector.
    assert tau([(PARTS, 3), (4,)]).count_params() == 30_344 + 3_201


@pytest.mark.parametrize(
    ("feature", "count"), [(1, 8_641), (2, 8_673), (4, 8_737), (8, 8_865), (16, 9_121), (32, 9_633)]
)
def test_the_counts_of_the_events_model(feature, count):
    assert event(feature).count_params() == count


def test_the_order_of_jets_and_constituents_does_not_matter():
    rng = np.random.default_rng(2)
    parts = rng.normal(size=(5, PARTS, 3)).astype(np.float32)
    order = rng.permutation(PARTS)
    one, other = tau()(parts), tau()(parts[:, order])
    assert np.allclose(one["output"], other["output"], atol=1e-5)
    assert np.allclose(one["feature"], other["feature"], atol=1e-5)
    jets = [rng.normal(size=(5, JETS, n)).astype(np.float32) for n in (4, 16)]
    order = rng.permutation(JETS)
    assert np.allclose(event()(jets), event()([x[:, order] for x in jets]), atol=1e-5)


def test_with_means_and_no_activation_the_equivariant_layer_is_one_linear_map():
    """mean_k (φ2 u_k - φ3 mean_j u_j) = (W2 - W3) mean_k u_k + b2 - b3."""
    import keras

    model = event(equivariant_activation="linear")
    jets = [np.random.default_rng(3).normal(size=(4, JETS, n)).astype("f") for n in (4, 16)]
    first = {layer.name: layer for layer in model.layers}
    inner = keras.Model(model.inputs, [first["phi1_2"].output, first["phi4_0"].input])
    elements, described = (np.asarray(each) for each in inner(jets))
    (w2, b2), (w3, b3) = first["phi2"].get_weights(), first["phi3"].get_weights()
    expected = elements.mean(axis=1) @ (w2 - w3) + b2 - b3
    assert np.allclose(described, expected, atol=1e-5)


def test_the_label_is_a_side_branch():
    """The event's loss reaches the jets' model through the feature, and its head not at all."""
    specs = {"any": ModelSpec("any", {}, "any")}
    inputs = ("constituents", "constituents_real", "all_jets_real")
    tasks = {
        "tau_id": TaskSpec(
            "tau_id", inputs, "all_jets_tau", 0.5, "bce_logits", {}, (), specs,
            each="all_jets", real="all_jets_real", mask="all_jets_real",
        ),
        "higgs_id": TaskSpec(
            "higgs_id", ("all_jets", "tau_id.feature", "all_jets_real"), "label", 0.5,
            "bce_logits", {}, (), specs,
        ),
    }  # fmt: skip
    shapes = [(JETS, PARTS, 3), (JETS, PARTS), (JETS,)]
    seen = [(JETS, 4), (JETS, 16), (JETS,)]
    each = {"masks": (False, True, True), "each": Each(JETS, 2)}
    mask = {"masks": (False, False, True)}
    models = {
        "tau_id": build("tau_deepsets", shapes, (JETS, 1), {}, 1, **each),
        "higgs_id": build("event_deepsets", seen, (1,), {}, 1, **mask),
    }
    chain = Chain(tasks, models)
    rng = np.random.default_rng(4)
    real = rng.random((20, JETS)) < 0.5
    batch = {
        "constituents": rng.normal(size=(20, JETS, PARTS, 3)),
        "constituents_real": (rng.random((20, JETS, PARTS)) < 0.3) & real[..., None],
        "all_jets": rng.normal(size=(20, JETS, 4)),
        "all_jets_real": real,
        "all_jets_tau": rng.integers(0, 2, (20, JETS)) * real,
        "label": rng.integers(0, 2, 20),
        WEIGHT: np.ones(20),
    }
    batch = {name: tf.constant(column, tf.float32) for name, column in batch.items()}
    with tf.GradientTape(persistent=True) as tape:
        jets, events = chain.task_losses(batch, chain.outputs(batch, training=True))
    variables = chain.models["tau_id"].trainable_variables
    head = ["phi6" in v.path or "numbers" in v.path for v in variables]
    for gradient, in_head in zip(tape.gradient(events, variables), head, strict=True):
        assert gradient is None if in_head else np.abs(gradient).max() > 0
    assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(jets, variables))
    assert tape.gradient(jets, chain.models["higgs_id"].trainable_variables)[0] is None


@pytest.mark.parametrize("shape", [(4,), (2, 4)])
def test_the_momentum_of_a_jet_is_corrected_from_more_numbers(shape):
    """Of one jet, or of all jets of an event: the same weights; phi is wrapped."""
    more = (*shape[:-1], 16)
    model = build("tau_residual", [shape, more], (*shape[:-1], 3), {"units": 8, "layers": 1}, 1)
    assert model.count_params() == 20 * 8 + 8 + 8 * 3 + 3
    for weight in model.layers[-2].weights:
        weight.assign(np.zeros(weight.shape))
    jets = np.random.default_rng(1).uniform(-3, 3, (5, *shape)).astype("f")
    numbers = np.zeros((5, *more), "f")
    assert np.allclose(model([jets, numbers]), jets[..., :3], atol=1e-6)
    model.layers[-2].bias.assign([0.1, 0, 2 * np.pi])
    expected = jets[..., :3] + [0.1, 0, 0]
    assert np.allclose(model([jets, numbers]), expected, atol=1e-5)
