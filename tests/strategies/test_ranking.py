"""Ranking of combinations."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from msml.metrics import replicate
from msml.recipe.expand import ModelSpec, TaskSpec
from msml.recipe.schema import Select
from msml.registry import metrics
from msml.runs.directory import finite
from msml.strategies.ranking import Score, rank, ranked_by, score, undetermined

CHAINS = [{"first": a, "second": b} for a in "ab" for b in "xy"]


def session(metric="auc", split="valid", opened=None, weights=(0.25, 0.75)):
    """What the ranking asks of a session."""
    specs = {"any": ModelSpec("any", {}, "any")}
    tasks = {
        "first": TaskSpec("first", ("x",), "taus", weights[0], "momentum_mse", {}, (), specs),
        "second": TaskSpec("second", ("first",), "label", weights[1], "bce_logits", {}, (), specs),
    }
    rng = np.random.default_rng(0)
    data = SimpleNamespace(
        columns={
            "taus": rng.normal(size=(300, 2, 3)).astype(np.float32),
            "label": (np.arange(300) % 2).astype(np.float32),
        },
        weight=rng.uniform(0.5, 2, 300).astype(np.float32),
    )

    def split_of(name):
        if opened is not None:
            opened.append(name)
        return data

    select = Select(metric=metric, split=split, allow_test=split == "test")
    return SimpleNamespace(values=SimpleNamespace(select=select), tasks=tasks, split=split_of)


def outputs(sharpness, seed=1):
    rng = np.random.default_rng(seed)
    label = np.arange(300) % 2
    logit = sharpness * (2 * label - 1) + rng.normal(size=300)
    return {
        "first": {"output": np.zeros((300, 2, 3), np.float32)},
        "second": {"output": logit[:, None].astype(np.float32)},
    }


def scored(value, last=1.0, spread=0.0, first=1.0):
    replicas = value + spread * np.random.default_rng(3).normal(size=200)
    return Score(value, replicas, {"first": first, "second": last})


def order(ranking):
    return ["".join(record["chain"].values()) for record in ranking]


def test_the_largest_auc_is_the_first():
    scores = [scored(v) for v in (0.7, 0.9, 0.8, 0.6)]
    ranking = rank(session(), CHAINS, scores)
    assert order(ranking) == ["ay", "bx", "ax", "by"]
    assert [r["score"] for r in ranking] == [0.9, 0.8, 0.7, 0.6]
    assert [r["behind"] for r in ranking] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [r["worse"] for r in ranking] == [False, True, True, True]
    assert undetermined(ranking) == []


def test_the_smallest_total_is_the_first():
    scores = [scored(v) for v in (0.7, 0.9, 0.8, 0.6)]
    ranking = rank(session("total"), CHAINS, scores)
    assert order(ranking) == ["by", "ax", "bx", "ay"]
    assert [r["behind"] for r in ranking] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_ties_go_to_the_lower_loss_of_the_last_task():
    scores = [scored(0.5, last) for last in (0.3, 0.2, 0.1, 0.2)]
    assert order(rank(session(), CHAINS, scores)) == ["bx", "ay", "by", "ax"]


@pytest.mark.parametrize("metric", ["auc", "total"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_the_last(metric, bad):
    for number in range(4):
        scores = [scored(v) for v in (0.7, 0.9, 0.8, 0.6)]
        scores[number] = Score(bad, np.full(200, np.nan), {"first": bad, "second": bad})
        ranking = rank(session(metric), CHAINS, scores)
        assert ranking[-1]["chain"] == CHAINS[number]
        assert ranking[-1]["worse"]
        values = [r["score"] for r in ranking[:-1]]
        assert values == sorted(values, reverse=metric == "auc")
        assert undetermined(ranking) == []


@pytest.mark.parametrize("number", range(4))
def test_a_tie_is_not_won_by_a_loss_that_is_none(number):
    scores = [scored(0.5, last) for last in (0.3, 0.2, 0.1, 0.4)]
    scores[number] = scored(0.5, math.nan)
    assert rank(session(), CHAINS, scores)[-1]["chain"] == CHAINS[number]


def test_scores_survive_the_file_that_keeps_them():
    """JSON has neither NaN nor infinity."""
    from msml.strategies.grid import kept_score

    losses = {"first": 1.0, "second": math.inf}
    record = {"score": math.nan, "replicas": [0.5, *[math.nan] * 199], "losses": losses}
    found = kept_score(json.loads(json.dumps(finite(record))))
    assert math.isnan(found.value)
    assert np.array_equal(found.replicas, record["replicas"], equal_nan=True)
    scores = [scored(0.5), found, scored(0.6), found]
    assert order(rank(session(), CHAINS, scores)) == ["bx", "ax", "ay", "by"]


def test_a_choice_within_the_noise_is_undetermined():
    noise = np.random.default_rng(5).normal(size=(4, 200))
    base = np.random.default_rng(6).normal(size=200)

    def with_noise(value, number, own):
        replicas = value + 0.05 * base + own * noise[number]
        return Score(value, replicas, {"first": 1.0, "second": 1.0})

    # Only what differs between combinations counts: the common part of the noise goes away.
    ranking = rank(session(), CHAINS, [with_noise(0.9 - 0.02 * i, i, 0.002) for i in range(4)])
    assert all(record["error"] > 0.04 for record in ranking)
    assert undetermined(ranking) == []
    # ay is as good as ax: the second task is undetermined, the first is not.
    values = (0.9, 0.899, 0.8, 0.8)
    ranking = rank(session(), CHAINS, [with_noise(v, i, 0.002) for i, v in enumerate(values)])
    assert undetermined(ranking) == ["second"]
    ranking = rank(session(), CHAINS, [with_noise(0.9, i, 0.002) for i in range(4)])
    assert undetermined(ranking) == ["first", "second"]


def test_scores_are_those_of_the_metric():
    opened = []
    here = session(opened=opened)
    found = score(here, outputs(1.0))
    data = here.split("valid")
    auc = metrics.get("auc").function
    arrays = (data.columns["label"], outputs(1.0)["second"]["output"])
    weight = data.weight.astype(np.float64)
    assert found.value == auc(*arrays, weight)
    assert 0.8 < found.value < 1
    assert found.replicas.shape == (200,)
    again = replicate(auc, arrays, weight, 200, 20210519)
    assert np.array_equal(found.replicas, again)
    other = score(here, outputs(0.1))  # on the same replicas of the events
    assert np.corrcoef(found.replicas, score(here, outputs(1.01)).replicas)[0, 1] > 0.99
    assert other.value < found.value
    assert set(opened) == {"valid"}


@pytest.mark.parametrize(("weights", "share"), [((0.25, 0.75), 0.25), ((0.0, 1.0), 0.0)])
def test_the_total_is_the_weighted_sum_of_the_losses(weights, share):
    given = outputs(1.0)
    if share == 0:
        given["first"]["output"][:] = np.nan
    found = score(session("total", weights=weights), given)
    losses = found.losses
    expected = (share and share * losses["first"]) + (1 - share) * losses["second"]
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert np.isfinite(found.replicas).all()


def test_the_test_split_is_named_where_it_is_used():
    opened = []
    here = session(split="test", opened=opened)
    score(here, outputs(1.0))
    assert opened == ["test"]
    assert ranked_by(here) == "auc on TEST (allowed by the recipe)"
    assert ranked_by(session("total")) == "total on valid"
