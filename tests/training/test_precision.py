"""Mixed precision is real, and as good as float32."""

from dataclasses import replace

import numpy as np
import pytest
import small

from msml.chain import Chain
from msml.training.environment import resolve_precision

MIXED = ["mixed_bfloat16", "mixed_float16"]
SETTINGS = replace(small.FIT, epochs=12, patience=12)


def trained(kind, seed, precision):
    """Best losses on valid, and the training."""
    if kind == "joint":
        chain = small.small_chain(seed, precision)
    else:
        model = small.model("momentum", "tau_mlp", seed, precision, **small.SMALL_TAU)
        chain = Chain(small.tasks(), {"momentum": model})
    training = small.trainee(chain, SETTINGS, precision, seed=seed)
    history = small.run(training, SETTINGS)
    return history, training, chain


@pytest.fixture(scope="module", params=["pretrain", "joint"])
def reference(request):
    kind = request.param
    return kind, [trained(kind, seed, "float32")[0] for seed in (1, 2, 3)]


@pytest.mark.parametrize("precision", MIXED)
def test_mixed_training_reaches_the_losses_of_float32(reference, precision):
    kind, exact = reference
    mixed = [trained(kind, seed, precision) for seed in (1, 2, 3)]
    for history, training, chain in mixed:
        assert history.best < 0.8 * history.train[0]["total"]  # it learns
        for variable in [*training.weights.values(), *training.state.values()]:
            assert variable.dtype in ("float32", "int32", "int64", "uint32")
        outputs = chain.outputs(small.batch(), training=False)
        assert all(o.dtype == "float32" for named in outputs.values() for o in named.values())
        losses = chain.task_losses(small.batch(), outputs)
        assert all(loss.dtype == "float32" for loss in losses)
    best = np.array([history.best for history in exact])
    found = np.array([history.best for history, _, _ in mixed])
    spread = max(best.std(ddof=1), 0.03 * best.mean())
    assert abs(found.mean() - best.mean()) < 2 * spread


@pytest.mark.parametrize("precision", MIXED)
def test_layers_compute_in_the_small_type(precision):
    kind = precision.removeprefix("mixed_")
    model = small.model("momentum", "tau_mlp", precision=precision)
    assert {layer.compute_dtype for layer in model.layers if "image_" in layer.name} >= {kind}
    exact = small.model("momentum", "tau_mlp")
    columns = small.batch()
    inputs = [columns["jets"], columns["calo_images"]]
    difference = np.abs(np.asarray(model(inputs)) - np.asarray(exact(inputs))).max()
    assert 0 < difference < 0.3


def test_float16_scales_the_loss_so_that_small_gradients_survive():
    """Without scaling these gradients are 0 in float16."""
    chain = small.small_chain(precision="mixed_float16")
    shares = {"momentum": 1e-6, "higgs": 1e-6}
    before = [v.numpy() for v in chain.variables()]
    plain = replace(small.FIT, optimizer={"name": "adam", "learning_rate": 1e-2})
    small.trainee(chain, plain, "mixed_float16", weights=shares).train(0)
    after = [v.numpy() for v in chain.variables()]
    assert all(np.isfinite(value).all() for value in after)
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert all(moved)


def test_an_overflow_of_float16_is_no_divergence():
    """The scale is halved and the batch left out until gradients are finite."""
    chain = small.small_chain(precision="mixed_float16")
    training = small.trainee(chain, small.FIT, "mixed_float16")
    scale = next(v for v in training.state.values() if "dynamic_scale" in v.path)
    scale.assign(2.0**40)
    before = small.values(training)
    assert training.train(0).bad_batch == -1
    assert float(scale.numpy()) < 2.0**40
    assert all(np.isfinite(value).all() for value in small.values(training).values())
    assert before.keys() == training.weights.keys()


def test_auto_is_float32_without_a_gpu(monkeypatch):
    assert resolve_precision("mixed_float16") == "mixed_float16"
    from msml.training import environment

    class Config:
        @staticmethod
        def list_physical_devices(kind):
            return [] if kind == "GPU" else ["cpu"]

    monkeypatch.setattr(environment, "tensorflow", lambda: type("T", (), {"config": Config}))
    assert resolve_precision("auto") == "float32"
