"""By which losses candidates of a supernet are judged."""

from dataclasses import replace

import numpy as np
import pytest
import small
import tensorflow as tf

from msml.strategies.darts.step import values
from msml.strategies.judging import count_alone, judged, losses_alone, reached
from msml.strategies.supernet import Given, Supernet
from msml.training.measure import fixed_noise


def chained(inputs):
    """Tasks of these names and inputs."""
    spec = small.tasks()["higgs"]
    return {name: replace(spec, name=name, inputs=seen) for name, seen in inputs.items()}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"a": "x", "b": "a", "c": "b"}, {"a": ["b", "c"], "b": ["c"], "c": []}),
        ({"a": "x", "b": "x", "c": "b.features"}, {"a": [], "b": ["c"], "c": []}),
        ({"a": "x", "b": "x"}, {"a": [], "b": []}),
    ],
)
def test_what_an_output_reaches(inputs, expected):
    assert reached(chained({name: (seen,) for name, seen in inputs.items()})) == expected


def measured(net, alphas, batch, candidates):
    """Own losses of the candidates, and those of `losses_alone`."""
    with fixed_noise(candidates):
        given, weights = Given(batch, training=False), values(net.variables)
        outputs, mixed, _ = net.outputs(weights, alphas, given)
        own = net.losses_of(batch, outputs, mixed)[: len(net.candidates)]
        return np.array(own), np.array(losses_alone(net, weights, alphas, given, outputs, mixed))


def test_each_is_judged_in_the_best_combination_that_it_is_part_of():
    """As measured in supernets of one candidate a task."""
    net, shares = small.supernet(), {"momentum": 0.4, "higgs": 0.6}
    batch = {name: tf.constant(column) for name, column in small.batch().items()}
    alphas = [tf.constant([0.1, -0.2, 0.3, 0.0]), tf.constant([0.2, 0.1])]
    own, alone = measured(net, alphas, batch, net.candidates)
    assert (own.shape, alone.shape) == ((4 + 2,), (count_alone(net),)) == ((4 + 2,), (4 * 2,))
    momentum, higgs = np.zeros(4), np.zeros((4, 2))
    for i, (first, upper) in enumerate(net.models["momentum"].items()):
        for j, (second, lower) in enumerate(net.models["higgs"].items()):
            models = {"momentum": {first: upper}, "higgs": {second: lower}}
            pair, _ = measured(
                replace(net, models=models), [tf.zeros(1), tf.zeros(1)], batch, net.candidates
            )
            momentum[i], higgs[i, j] = pair
    expected = [*(0.4 * momentum + 0.6 * higgs.min(axis=1)), *(0.6 * higgs.min(axis=0))]
    # Noise is drawn for each event, and for other numbers of events it is another.
    order = [name != "noise" for name in net.models["momentum"]] + [True, True]
    found = judged(net, shares, own, alone)
    np.testing.assert_allclose(found[order], np.array(expected)[order], rtol=1e-5)


def test_of_three_tasks():
    """The first two see events only; the third sees both."""
    tasks = chained({"a": ("x",), "b": ("x",), "c": ("a", "b")})
    net = Supernet(tasks, {"a": dict.fromkeys("pq"), "b": {"r": None}, "c": dict.fromkeys("st")}, 0)
    own = np.array([1.0, 2.0, 3.0, 40.0, 50.0])  # p, q, r, and s, t as the mixtures are
    alone = np.array([10.0, 11.0, 12.0, 9.0, 8.0, 13.0])  # s and t with p, with q, with r
    assert count_alone(net) == len(alone)
    found = judged(net, {"a": 0.5, "b": 1.0, "c": 2.0}, own, alone)
    assert found.tolist() == [0.5 + 20, 1 + 18, 3 + 16, 2 * 8, 2 * 9]


def test_a_task_of_weight_zero_goes_by_what_it_reaches():
    tasks = chained({"a": ("x",), "b": ("a",)})
    net = Supernet(tasks, {"a": dict.fromkeys("pq"), "b": {"r": None}}, 0)
    found = judged(net, {"a": 0.0, "b": 1.0}, np.array([1.0, 2.0, 7.0]), np.array([5.0, 4.0]))
    assert found.tolist() == [5, 4, 4]
