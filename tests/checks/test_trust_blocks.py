"""The blocks `evaluate.calibrate` and `evaluate.conformal`."""

import pytest
from recipe_schema import write
from training import RECIPE, mistakes, values, write_events

from msml.checks.validate import load_valid
from msml.recipe import load, read_source
from msml.recipe.schema import TrainRecipe

CALIBRATE, CONFORMAL = "evaluate.calibrate", "evaluate.conformal"


@pytest.fixture(autouse=True)
def events():
    write_events()


def test_a_run_does_not_depend_on_them():
    values()
    asked = [f"{CALIBRATE}.method=beta", f"{CONFORMAL}.coverage=0.5"]
    plain, trusted = (load("r.yaml", TrainRecipe, given) for given in ([], asked))
    assert trusted.values.evaluate.calibrate.method == "beta"
    assert plain.values.evaluate.calibrate is plain.values.evaluate.conformal is None
    assert plain.resolved() == trusted.resolved()


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (f"{CALIBRATE}.method=platt", ".method"),
        (f"{CALIBRATE}.tasks=[label]", ".tasks.0: unknown task 'label'; did you mean 'label_of'?"),
        (
            f"{CALIBRATE}.tasks=[momentum]",
            ".tasks.0: 'momentum' has the loss 'momentum_mse'; expected a classification",
        ),
        (f"{CALIBRATE}.tasks=[label_of,label_of]", ".tasks: 'label_of' is there more than once"),
        (f"{CONFORMAL}.coverage=1", ".coverage: expected a number between 0 and 1, got 1"),
        (
            f"{CONFORMAL}.tasks=[momentum,label_of]",
            ".tasks.1: 'label_of' has the loss 'bce_logits'; expected one that estimates numbers",
        ),
    ],
)
def test_one_line_for_each_mistake(override, problem):
    (line,) = mistakes(RECIPE, override)
    assert line.startswith("command line: evaluate.")
    assert problem in line


def test_where_there_is_nothing_to_do():
    text, _, _ = RECIPE.partition("  label_of:")
    (line,) = mistakes(text.replace("weight: 0.3", "weight: 1"), f"{CALIBRATE}={{}}")
    assert line.endswith(f"{CALIBRATE}: no task is a classification")


def test_methods_of_labels_are_not_for_classes():
    text = RECIPE.replace("bce_logits", "cross_entropy")
    text = text.replace("higgs_mlp", "mlp").replace("[auc]", "[cross_entropy]")
    (line,) = mistakes(text, f"{CALIBRATE}.method=isotonic")
    assert line.endswith(
        f"{CALIBRATE}.method: 'isotonic' is for labels, 0 or 1; 'label_of' has classes; expected "
        "temperature, or evaluate.calibrate.tasks without it"
    )
    source = read_source(write(text), TrainRecipe)
    load_valid(source, [f"{CALIBRATE}.method=temperature", f"{CONFORMAL}={{}}"], fast=True)
