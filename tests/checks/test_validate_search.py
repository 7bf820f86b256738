"""Checks of how a recipe searches, and how its keys are spelled."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from recipe_schema import write
from training import RECIPE, mistakes, write_events

from msml.checks.validate import validate
from msml.cli import cli
from msml.errors import RecipeError
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.registry import strategies

DARTS = RECIPE + "strategy: {name: darts}\n"
GRID = RECIPE + "strategy: {name: grid}\n"

ALL = "asng, darts, grid, random, spos"


@pytest.fixture(autouse=True)
def events():
    return write_events()


def test_good_searches_are_good():
    for text in (DARTS, GRID):
        validate(load(write(text), TrainRecipe), fast=True)
    every = (
        "{name: darts, order: first, derivative: difference, rate: 0, epsilon: 0.5, warmup: 3,"
        " optimizer: {name: sgd}, alpha_optimizer: {name: adam, learning_rate: 1.0}, batch_size: 9,"
        " epochs: 4, patience: 1, clip_norm: 0.1}"
    )
    validate(load(write(RECIPE), TrainRecipe, [f"strategy={every}"]))
    allowed = "select={metric: auc, split: test, allow_test: true}"
    validate(load(write(GRID), TrainRecipe, [allowed]), fast=True)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("name=dart", "strategy.name: unknown strategy 'dart'; did you mean 'darts'?"),
        ("name=grdi", "strategy.name: unknown strategy 'grdi'; did you mean 'grid'?"),
        ("name=evolution", f"strategy.name: unknown strategy 'evolution'; known: {ALL}"),
        ("name=null", f"strategy.name: unknown strategy 'None'; known: {ALL}"),
        (
            "epsilom=1",
            "strategy.epsilom: unknown argument of strategy 'darts'; did you mean 'epsilon'?",
        ),
        ("order=third", "strategy.order: expected one of first, second, got the text 'third'"),
        ("order=2", "strategy.order: expected one of first, second, got the number 2"),
        (
            "derivative=numeric",
            "strategy.derivative: expected one of exact, difference, got the text 'numeric'",
        ),
        ("epsilon=big", "strategy.epsilon: expected a number, got the text 'big'"),
        ("epsilon=-0.5", "strategy.epsilon: expected 0 or more, got -0.5"),
        ("epsilon=.inf", "strategy.epsilon: expected 0 or more, got inf"),
        ("rate=-1", "strategy.rate: expected 0 or more, got -1"),
        ("rate=.nan", "strategy.rate: expected 0 or more, got nan"),
        ("warmup=-1", "strategy.warmup: expected 0 or more, got -1"),
        ("warmup=100", "strategy.warmup: expected 0 or more and fewer than epochs, got 100"),
        ("warmup=1.5", "strategy.warmup: expected a whole number, got the number 1.5"),
        ("batch_size=0", "strategy.batch_size: expected 1 or more, got 0"),
        ("epochs=0", "strategy.epochs: expected 1 or more, got 0"),
        ("patience=0", "strategy.patience: expected 1 or more, got 0"),
        ("clip_norm=0", "strategy.clip_norm: expected a number above 0 or null, got 0"),
        (
            "optimizer={name: adm}",
            "strategy.optimizer.name: unknown optimizer 'adm'; did you mean 'adam' or 'nadam' or"
            " 'adamw'?",
        ),
        (
            "alpha_optimizer={learning_rate: 1}",
            "strategy.alpha_optimizer.name: missing; expected one of ",
        ),
        (
            "alpha_optimizer={name: adam, learning_rate: -1}",
            "strategy.alpha_optimizer.learning_rate: expected a number above 0, got -1",
        ),
        (
            "optimizer=adam",
            "strategy.optimizer: expected a mapping of names to values, got the text 'adam'",
        ),
    ],
)
def test_mistakes_in_a_strategy(override, problem):
    found = mistakes(DARTS, f"strategy.{override}")
    assert any(line.startswith(f"command line: {problem}") for line in found), found


def test_mistakes_in_a_strategy_are_found_at_once():
    found = mistakes(RECIPE + "strategy:\n  name: darts\n  epochs: 0\n  epsilon: -1\n  rate: -1\n")
    assert [line.split(": ")[:2] for line in found] == [
        ["r.yaml:27", "strategy.epochs"],
        ["r.yaml:28", "strategy.epsilon"],
        ["r.yaml:29", "strategy.rate"],
    ]


def test_a_strategy_without_a_name():
    (problem,) = mistakes(RECIPE + "strategy: {epochs: 3}\n")
    assert problem == f"r.yaml:25: strategy.name: missing; expected one of {ALL}"


def test_an_unknown_argument_of_a_grid_search():
    (problem,) = mistakes(GRID, "strategy.epochs=3")
    assert problem == (
        "command line: strategy.epochs: unknown argument of strategy 'grid'; known: at_once"
    )


def test_optimizers_of_a_strategy_are_tried():
    wrong = "strategy.alpha_optimizer={name: adam, clipnorm: 0.1, clipvalue: 3}"
    (problem,) = mistakes(DARTS, wrong, fast=False)
    assert problem.startswith("command line: strategy.alpha_optimizer: ")
    assert "Only one of" in problem


def test_either_a_chain_or_a_strategy():
    both = "chain={momentum: sf, label_of: mlp}"
    assert mistakes(DARTS, both) == [
        "command line: chain: the strategy chooses; expected one of the two (`chain: null` removes"
        " this)"
    ]
    text = RECIPE + "chain: {momentum: sf, label_of: mlp}\n"
    write(text, "base.yaml")
    write("extends: base.yaml\nchain: null\nstrategy: {name: darts}\n")
    recipe = load("r.yaml", TrainRecipe)
    validate(recipe, fast=True)
    assert (recipe.values.chain, recipe.values.strategy) == ({}, {"name": "darts"})
    chosen = load(write(DARTS), TrainRecipe, ["strategy=null", both])
    validate(chosen, fast=True)
    assert (chosen.values.strategy, chosen.values.chain["label_of"]) == ({}, "mlp")
    with pytest.raises(RecipeError, match="chain: expected a mapping of names to values, got null"):
        load(write(RECIPE + "chain: null\n"), TrainRecipe)  # there is none to remove


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("metric=acu", "select.metric: unknown metric 'acu'; did you mean 'auc'?"),
        ("split=train", "select.split: unknown split 'train'; known: test, valid"),
        ("split=test", "select.split: choosing on test makes its figures optimistic; expected v"),
    ],
)
def test_mistakes_in_select(override, problem):
    (found,) = mistakes(GRID, f"select.{override}")
    assert found.startswith(f"command line: {problem}")


def test_from_is_spelled_as_recipes_spell_it():
    """In files, overrides, messages and in the resolved recipe."""
    write(DARTS + "posttrain: {from: pretrain}\n")
    recipe = load("r.yaml", TrainRecipe)
    assert recipe.values.posttrain.from_ == "pretrain"
    assert yaml.safe_load(recipe.resolved())["posttrain"]["from"] == "pretrain"
    assert "from_" not in recipe.resolved()
    overridden = load("r.yaml", TrainRecipe, ["posttrain.from=search"])
    assert overridden.values.posttrain.from_ == "search"
    Path("again.yaml").write_text(recipe.resolved())
    again = load("again.yaml", TrainRecipe)
    assert again.values == recipe.values
    assert again.resolved() == recipe.resolved()
    (problem,) = mistakes(DARTS, "posttrain.from=pre")
    assert problem.startswith("command line: posttrain.from: unknown origin 'pre'; ")
    with pytest.raises(RecipeError, match=r"posttrain.frm: unknown key; did you mean 'from'"):
        load("r.yaml", TrainRecipe, ["posttrain.frm=search"])
    with pytest.raises(RecipeError, match=r"posttrain.from: expected a text, got the number 3"):
        load("r.yaml", TrainRecipe, ["posttrain.from=3"])
    interpolated = load("r.yaml", TrainRecipe, ["posttrain.from=${name}"])
    assert interpolated.values.posttrain.from_ == "small"


def test_the_trailing_underscore_is_no_key():
    with pytest.raises(RecipeError, match=r"posttrain.from_: unknown key; did you mean 'from'"):
        load(write(DARTS), TrainRecipe, ["posttrain.from_=search"])


@pytest.mark.parametrize("name", ["htautau_darts_published.yaml", "htautau_grid.yaml"])
def test_show_prints_a_search_that_loads_to_the_same(name):
    found = CliRunner().invoke(cli, ["show", name, "posttrain.from=pretrain"])
    assert found.exit_code == 0
    Path("shown.yaml").write_text(found.stdout)
    shown = load("shown.yaml", TrainRecipe).values
    assert shown == load(name, TrainRecipe, ["posttrain.from=pretrain"]).values
    assert shown.strategy["name"] == name.split("_")[1].removesuffix(".yaml")


def test_the_published_recipe_differs_where_its_comment_says():
    paper, published = (
        load(f"htautau_{name}.yaml", TrainRecipe).values for name in ("darts", "darts_published")
    )
    changed = {"derivative": "difference", "clip_norm": 0.1}
    assert published.strategy == paper.strategy | changed
    assert paper.strategy.items() >= {"epsilon": 1.0, "order": "second", "batch_size": 1200}.items()
    assert published.tasks == paper.tasks


def test_a_class_without_the_methods_of_a_strategy():
    Path("mine.py").write_text(
        "from msml.registry import strategies\n\n\n"
        '@strategies.register(\'idle\')\nclass Idle:\n    """Does nothing."""\n'
    )
    text = RECIPE + "plugins: [mine.py]\nstrategy: {name: idle}\n"
    source = Path("mine.py").resolve()
    found = mistakes(text)
    strategies.forget(str(source))  # other tests list all strategies
    assert [line.partition(": ")[2] for line in found] == [
        f"strategy.name: strategy 'idle' of {source} has no method `{name}`"
        for name in ("problems", "search")
    ]
