"""Averages of predictions, and the chain that an ensemble stands for."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import small

from msml.chain import Chain
from msml.ensemble import Ensemble, average
from msml.models.build import build
from msml.recipe.expand import TaskSpec
from msml.stages.explanation.frozen import FrozenTask
from msml.training.measure import predictor

SHARES = [0.5, 0.3, 0.2]


def spec(loss, classes=0):
    return TaskSpec("t", ("x",), "y", 1.0, loss, {}, (), {}, classes=classes)


def logits(*shape):
    return np.random.default_rng(1).normal(size=(3, *shape), scale=3).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


@pytest.mark.parametrize("loss", ["bce_logits", "brier"])
def test_labels_are_averaged_as_probabilities(loss):
    given = logits(50, 1)
    found = np.asarray(average(spec(loss), list(given), SHARES))
    assert sigmoid(found) == pytest.approx(np.tensordot(SHARES, sigmoid(given), 1), rel=1e-5)


def test_probabilities_close_to_one_stay_apart():
    sure = [np.full((1, 1), 40, np.float32)] * 2 + [np.full((1, 1), 30, np.float32)]
    expected = -np.log(np.dot(SHARES, [np.exp(-40.0), np.exp(-40.0), np.exp(-30.0)]))
    assert float(average(spec("bce_logits"), sure, SHARES)[0, 0]) == pytest.approx(expected)


def test_classes_are_averaged_as_probabilities():
    given = logits(50, 4)
    found = np.asarray(average(spec("cross_entropy", classes=4), list(given), SHARES), np.float64)

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)

    assert np.exp(found) == pytest.approx(np.tensordot(SHARES, softmax(given), 1), rel=1e-4)


def test_numbers_are_averaged_as_they_are():
    given = logits(50, 2, 3)
    found = np.asarray(average(spec("mse"), list(given), SHARES))
    assert found == pytest.approx(np.tensordot(SHARES, given, 1), rel=1e-5, abs=1e-6)


def test_one_member_is_the_chain():
    chain, batch = small.small_chain(), small.batch()
    single = predictor(chain)(batch)
    found = predictor(Ensemble([chain], [1.0]))(batch)
    assert found["momentum"]["output"] == pytest.approx(single["momentum"]["output"], abs=1e-6)
    assert found["higgs"]["output"] == pytest.approx(single["higgs"]["output"], abs=1e-5)


def test_members_follow_their_own_chains():
    chains, batch = [small.small_chain(seed) for seed in (1, 2)], small.batch()
    found = predictor(Ensemble(chains, [0.25, 0.75]))(batch)
    each = [sigmoid(predictor(chain)(batch)["higgs"]["output"]) for chain in chains]
    expected = 0.25 * each[0] + 0.75 * each[1]
    assert sigmoid(found["higgs"]["output"]) == pytest.approx(expected, rel=1e-4)


def test_views_count_alike():
    chain, batch = small.small_chain(), small.batch()

    def shifted(given):
        return {**given, "jets": given["jets"] + 0.1}

    found = predictor(Ensemble([chain], [1.0], [dict, shifted]))(batch)["momentum"]["output"]
    each = [predictor(chain)(given)["momentum"]["output"] for given in (batch, shifted(batch))]
    assert found == pytest.approx((each[0] + each[1]) / 2, rel=1e-5, abs=1e-6)


def shifted(given):
    return {**given, **({"jets": given["jets"] + 0.1} if "jets" in given else {})}


def frozen(predictor, batch, task, tasks=None):
    """A task of what predicts, as explanations see it."""
    session = SimpleNamespace(
        tasks=tasks or small.tasks(),
        described=lambda task: [],
        split=lambda name: SimpleNamespace(columns=batch),
        on_device=lambda name: small.to_device(batch),
    )
    return FrozenTask(session, predictor, task)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("task", ["momentum", "higgs"])
def test_explanations_see_all_members_and_views(task, members):
    """Also where the task sees what an earlier one gave: each member its own, for each view."""
    chains = [small.small_chain(seed) for seed in (1, 2)][:members]
    ensemble = Ensemble(chains, [0.25, 0.75] if members > 1 else [1.0], [dict, shifted])
    batch = small.batch()
    found = frozen(ensemble, batch, task).output()
    assert found == pytest.approx(predictor(ensemble)(batch)[task]["output"], rel=1e-4, abs=1e-5)
    alone = frozen(chains[0], batch, task).output()
    assert alone == pytest.approx(predictor(chains[0])(batch)[task]["output"], rel=1e-4, abs=1e-5)
    assert np.abs(found - alone).max() > 1e-3


def test_what_is_changed_is_changed_in_every_view():
    chains, batch = [small.small_chain(seed) for seed in (1, 2)], small.batch()
    ensemble = Ensemble(chains, [0.25, 0.75], [dict, shifted])
    other = {**batch, "jets": batch["jets"][::-1].copy()}
    found = frozen(ensemble, batch, "momentum").output({0: lambda jets, rows: jets[::-1][rows]})
    expected = predictor(ensemble)(other)["momentum"]["output"]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    higgs = frozen(ensemble, batch, "higgs")
    found = higgs.output({0: lambda momenta, rows: momenta[::-1][rows]})
    turned = {name: column[::-1].copy() for name, column in batch.items()}
    expected = predictor(ensemble)(turned)["higgs"]["output"]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_members_have_features_of_their_own():
    """What a later task sees of an earlier one may be no prediction; nothing is averaged then."""
    tasks = small.tasks()
    tasks["momentum"] = replace(tasks["momentum"], inputs=("jets",))
    tasks["higgs"] = replace(tasks["higgs"], inputs=("momentum.feature",))
    batch = small.batch()
    chains = [
        Chain(
            tasks,
            {
                "momentum": build("mlp", [(2, 4)], (2, 3), {"feature": 5}, seed),
                "higgs": build("mlp", [(5,)], (1,), {}, seed),
            },
        )
        for seed in (1, 2)
    ]
    ensemble = Ensemble(chains, [0.25, 0.75], [dict, shifted])
    task = frozen(ensemble, batch, "higgs", tasks)
    assert len(task.values) == 1
    assert task.values[0].shape == (len(batch["jets"]), 5)
    expected = predictor(ensemble)(batch)["higgs"]["output"]
    assert task.output() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    found = task.output({0: lambda feature, rows: feature[::-1][rows]})
    turned = {name: column[::-1].copy() for name, column in batch.items()}
    expected = predictor(ensemble)(turned)["higgs"]["output"]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
