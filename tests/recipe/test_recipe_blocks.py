"""A recipe made from blocks that were made before is the recipe that OmegaConf makes as a whole."""

from dataclasses import dataclass

import pytest
import yaml

from msml.recipe import load, read_source, shipped
from msml.recipe.blocks import by_blocks, configuration, whole
from msml.recipe.check import Findings, check
from msml.recipe.files import read
from msml.recipe.schema import TrainRecipe

RECIPES = sorted(
    path
    for folder in ("", "base", "paper", "paper/small")
    for path in (shipped() / folder).glob("*.yaml")
    if not path.stem.startswith("expected")
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_blocks_are_the_whole(path):
    problems = []
    findings = Findings(problems)
    checked = check(read(path, problems), TrainRecipe, (), findings)
    if findings.interpolations:
        pytest.skip("its values refer to others")
    values, text = by_blocks(TrainRecipe, checked)
    expected, written = whole(configuration(TrainRecipe, checked), TrainRecipe)
    assert values == expected
    assert text == written
    assert load(path, TrainRecipe).plain() == yaml.safe_load(written)


def test_one_source_for_many_points():
    source = read_source("htautau_darts.yaml", TrainRecipe)
    for overrides in (
        ["seed=3"],
        ["tasks.tau_momentum.weight=0.9"],
        [],
        ["seed=3", "strategy=null"],
    ):
        one, other = source.recipe(overrides), load("htautau_darts.yaml", TrainRecipe, overrides)
        assert one.resolved() == other.resolved()
        assert one.values == other.values
    assert source.recipe(["pretrain.optimizer.name=sgd"]).values.pretrain.optimizer == {
        "name": "sgd",
        "learning_rate": 1e-3,
    }


def test_values_that_refer_to_others_are_made_as_a_whole():
    overrides = ["posttrain.epochs=${pretrain.epochs}", "pretrain.epochs=7"]
    recipe = load("quick.yaml", TrainRecipe, overrides)
    assert recipe.values.posttrain.epochs == 7
    assert recipe.plain()["posttrain"]["epochs"] == 7


def test_null_is_not_the_default(tmp_path):
    @dataclass(frozen=True)
    class Schema:
        depth: int | None = 5

    (tmp_path / "r.yaml").write_text("{}\n")
    source = read_source(tmp_path / "r.yaml", Schema)
    found = [source.recipe(over).values.depth for over in ([], ["depth=null"], [])]
    assert found == [5, None, 5]
