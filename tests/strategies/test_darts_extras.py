"""Of DARTS: temperature, choice by removal, curvature."""

import numpy as np
import pytest
import small
import tensorflow as tf

from msml.chain import WEIGHT
from msml.strategies.darts.alphas import Alphas
from msml.strategies.darts.choice import scores_of_removal, selection
from msml.strategies.darts.monitor import hessian_measurement
from msml.strategies.darts.search import Darts
from msml.strategies.darts.step import Objective, make_supernet_loss_step
from msml.strategies.supernet import Supernet
from msml.training.epoch import to_device
from msml.training.fit import History


def supernet(epsilon=0.5):
    models = {
        "momentum": {
            "sf": small.model("momentum", "tau_scale_factor"),
            "zeros": small.model("momentum", "zeros"),
        },
        "higgs": {
            "mlp": small.model("higgs", "higgs_mlp", **small.SMALL_HIGGS),
            "zeros": small.model("higgs", "zeros"),
        },
    }
    return Supernet(small.tasks(), models, epsilon)


def test_the_temperature_falls_by_equal_factors():
    settings = Darts(temperature=4.0, final_temperature=0.25, epochs=5)
    assert [settings.tau(epoch) for epoch in range(5)] == pytest.approx([4, 2, 1, 0.5, 0.25])
    assert Darts(temperature=2.0).tau(50) == 2
    assert Darts(temperature=2.0, final_temperature=1.0, epochs=1).tau(0) == 2


def test_values_out_of_range():
    """Those of one argument alone are found by its domain, before the strategy is made."""
    assert {key for key, _ in Darts(warmup=100).problems()} == {"warmup"}
    assert list(Darts().problems()) == []


def test_removal_keeps_what_hurts_most():
    net = supernet()
    alphas = Alphas(net)
    alphas.variables[0].assign([-1.0, 1.0])  # the worse candidate has the larger α
    columns = to_device(
        {k: v for k, v in small.batch().items() if k in [*net.inputs.columns(), WEIGHT]}
    )
    step = make_supernet_loss_step(
        Objective(net, {"momentum": 0.5, "higgs": 0.5}), alphas.variables
    )
    plain = {
        task: {name: {"alpha": a, "share": 0.5, "valid_loss": 1.0} for name, a in found.items()}
        for task, found in alphas.values().items()
    }
    history = History(train=[{}], valid=[{}], notes=[{"alpha": alphas.values()}], best_epoch=0)
    by_alpha = selection("alpha", plain, history, 1.0)
    assert by_alpha.chosen["momentum"] == "zeros"
    assert by_alpha.undetermined == ["higgs"]  # α alike
    scores = scores_of_removal(alphas, plain, lambda: float(step(columns)[-1]))
    by_removal = selection("perturbation", scores, history, 1.0)
    assert by_removal.chosen["momentum"] == "sf"
    assert scores["momentum"]["sf"]["loss_without"] > scores["momentum"]["zeros"]["loss_without"]
    assert alphas.values()["momentum"] == {"sf": -1.0, "zeros": 1.0}


def test_the_hessian_is_that_of_differences():
    net = supernet()
    alphas = Alphas(net)
    for variable, values in zip(alphas.variables, ([0.3, -0.2], [0.1, 0.4]), strict=True):
        variable.assign(values)
    names = [*net.inputs.columns(), WEIGHT]
    columns = {name: small.batch()[name] for name in names}
    objective = Objective(net, {"momentum": 0.5, "higgs": 0.5})
    found = hessian_measurement(objective, alphas.variables, to_device(columns), xla=False)()

    batch = {name: tf.constant(column) for name, column in columns.items()}
    from msml.strategies.darts.step import values
    from msml.strategies.supernet import Given

    def gradient(point):
        point = tf.constant(point, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(point)
            weights, given = values(net.variables), Given(batch, training=False)
            alpha = tf.split(point, [2, 2])
            loss = objective.loss(given, 1.0)(weights, alpha)
        return tape.gradient(loss, point).numpy().astype(float)

    point, h = np.array([0.3, -0.2, 0.1, 0.4]), 0.05
    steps = h * np.eye(4)
    hessian = np.array([(gradient(point + s) - gradient(point - s)) / (2 * h) for s in steps])
    assert found == pytest.approx(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1], rel=0.02)
