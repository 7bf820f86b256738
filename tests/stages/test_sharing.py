"""The mark of a pre-training: the same where runs may share it, another where they may not."""

from dataclasses import replace

import pytest
from tiny import RECIPE, write_recipe

import msml.losses  # noqa: F401
from msml.recipe import load
from msml.recipe.expand import ModelSpec, TaskSpec
from msml.recipe.schema import TrainRecipe
from msml.stages.sharing import pretrained_tasks, pretraining_mark

FACTS = {"seed": 0, "settings": {"epochs": 3}}


def task(name, inputs, loss, **models):
    candidates = {key: ModelSpec("mlp", {"hidden": [size]}, key) for key, size in models.items()}
    return TaskSpec(name, inputs, f"true_{name}", 0.5, loss, {}, (), candidates)


def chain(loss="mse", size=8):
    """Two tasks; the second sees what the first one gives, or its truth."""
    first = task("first", ("jets",), loss, small=size, large=16)
    second = task("second", ("first",), "mse", one=4)
    return {"first": first, "second": second}


def mark(tasks, facts=FACTS):
    return pretraining_mark(tasks, "second", "one", facts)


def test_weights_and_metrics_do_not_count():
    tasks = chain()
    others = {name: replace(spec, weight=0.1, metrics=("mae",)) for name, spec in tasks.items()}
    assert mark(others) == mark(tasks)


@pytest.mark.parametrize(
    "change",
    [
        {"target": "other"},
        {"inputs": ("first", "jets")},
        {"loss_args": {"x": 1}},
        {"candidates": {"one": ModelSpec("mlp", {"hidden": [5]}, "one")}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_trained_counts(change):
    tasks = chain()
    changed = {**tasks, "second": replace(tasks["second"], **change)}
    assert mark(changed) != mark(tasks)


def test_other_settings_count():
    assert mark(chain(), {**FACTS, "seed": 1}) != mark(chain())


def test_models_before_count_only_where_no_truth_stands_in_for_what_they_give():
    assert mark(chain(size=8)) == mark(chain(size=9))
    # The output of a classification is no label: the best candidate's is taken, frozen.
    assert mark(chain("bce_logits", 8)) != mark(chain("bce_logits", 9))


@pytest.mark.parametrize(
    ("overrides", "tasks"),
    [
        ([], ["momentum", "higgs"]),
        (["posttrain.from=initial", "posttrain.modes=[joint]"], []),
        (["posttrain.from=initial", "posttrain.modes=[sequential]"], ["momentum"]),
        (["posttrain.from=initial", "posttrain.modes=[connected]"], ["momentum", "higgs"]),
        (["posttrain.from=initial", "strategy.name=darts"], ["momentum", "higgs"]),
    ],
)
def test_what_is_pre_trained_is_what_is_needed(tmp_path, overrides, tasks):
    recipe = load(write_recipe(tmp_path, RECIPE), TrainRecipe, overrides)
    assert pretrained_tasks(recipe.values) == tasks
