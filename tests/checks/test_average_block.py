"""The recipe's `average:`, and models that it does not fit."""

import pytest
from recipe_schema import write
from training import RECIPE, mistakes, write_events

from msml.checks.validate import validate
from msml.recipe import load
from msml.recipe.schema import TrainRecipe

AVERAGED = RECIPE.replace("{model: higgs_mlp}", "{model: mlp, args: {norm: NORM, dropout: 0.1}}")
AVERAGED += "pretrain: {epochs: 20, average: {start: 5}}\n"


@pytest.fixture(autouse=True)
def _events():
    write_events()


def test_moving_statistics_are_refused():
    (problem,) = mistakes(AVERAGED.replace("NORM", "batch"), fast=False)
    assert problem.startswith(
        "r.yaml:23: tasks.label_of.candidates.mlp: model 'mlp' has moving statistics, '"
    )
    assert "moving_mean', which no average of weights fits; expected pretrain.average: null (" in (
        problem
    )


@pytest.mark.parametrize(("norm", "override"), [("layer", ""), ("batch", "pretrain.average=null")])
def test_what_has_none_or_is_not_averaged(norm, override):
    recipe = load(
        write(AVERAGED.replace("NORM", norm)), TrainRecipe, [override] if override else []
    )
    validate(recipe)
    assert (recipe.values.pretrain.average is None) == bool(override)
    assert recipe.values.posttrain.average is None
