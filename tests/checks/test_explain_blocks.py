"""The blocks `evaluate.importance` and `evaluate.dependence`, and what can be explained."""

import pytest
from recipe_schema import write
from training import RECIPE, mistakes, values, write_events

from msml.checks.data import check_data
from msml.checks.features import described, features, single_features
from msml.checks.validate import load_valid
from msml.recipe import load, read_source
from msml.recipe.schema import TrainRecipe

IMPORTANCE, DEPENDENCE = "evaluate.importance", "evaluate.dependence"


@pytest.fixture(autouse=True)
def events():
    write_events()


def test_a_run_does_not_depend_on_them():
    values()
    asked = [f"{IMPORTANCE}.repeats=3", f"{DEPENDENCE}.points=7"]
    plain, explained = (load("r.yaml", TrainRecipe, given) for given in ([], asked))
    assert explained.values.evaluate.importance.repeats == 3
    assert explained.values.evaluate.dependence.points == 7
    assert plain.resolved() == explained.resolved()
    assert "importance" not in plain.resolved()


def test_interpolations_leave_them_out_too():
    plain, explained = (
        values(RECIPE.replace("scale: 50", "scale: '${seed}'") + f"seed: 2\n{more}")
        for more in ("", "evaluate: {importance: {}}\n")
    )
    assert (plain.evaluate.importance, explained.evaluate.importance.repeats) == (None, 5)
    assert "importance" not in load("r.yaml", TrainRecipe).resolved()


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (f"{IMPORTANCE}.task=momentm", ".task: unknown task 'momentm'; did you mean 'momentum'?"),
        (f"{DEPENDENCE}.task=x", ".task: unknown task 'x'; known: label_of, momentum"),
        (f"{IMPORTANCE}.metric=acu", ".metric: unknown metric 'acu'; did you mean 'auc'?"),
        (f"{IMPORTANCE}.metric=bias", ".metric: 'bias' is for numbers; the loss 'bce_logits' is"),
        (f"{IMPORTANCE}.metric=ece(bins=0)", "expected a number from 1 to 1000000, got 0"),
        (f"{IMPORTANCE}.repeats=0", ".repeats: expected a number from 1 to 1000, got 0"),
        (f"{DEPENDENCE}.points=1", ".points: expected a number from 2 to 1000, got 1"),
        (
            f"{DEPENDENCE}.features=[momentum.p]",
            ".features.0: unknown feature 'momentum.p'; did you mean 'momentum.pt' or "
            "'momentum.phi' or 'momentum.eta'? (inputs of 'label_of')",
        ),
        (
            f"{DEPENDENCE}.features=[momentum.pt,momentum.pt]",
            ".features: 'momentum.pt' is there more than once",
        ),
    ],
)
def test_one_line_for_each_mistake(override, problem):
    (line,) = mistakes(RECIPE, override)
    assert line.startswith("command line: evaluate.")
    assert problem in line


def test_a_metric_that_cannot_compare():
    (line,) = mistakes(RECIPE, f"{IMPORTANCE}={{task: momentum, metric: bias}}")
    assert "'bias' does not say which of two chains is better" in line


def test_a_task_that_sees_images_alone():
    text = RECIPE.replace("[jets, calo_images]", "[calo_images]").replace("tau_mlp", "zeros")
    text = text.replace("tau_scale_factor", "zeros")
    (line,) = mistakes(text, f"{DEPENDENCE}.task=momentum")
    assert line.endswith("no input of 'momentum' is a number of an event or an object")


def test_what_is_right_is_valid():
    source = read_source(values() and "r.yaml", TrainRecipe)
    given = [f"{IMPORTANCE}={{task: momentum, metric: momentum_mse}}"]
    load_valid(source, [*given, f"{DEPENDENCE}.features=[momentum.phi]"], fast=True)


def inputs(text, task, outputs=None):
    values(text)
    recipe = load("r.yaml", TrainRecipe)
    columns, problems = check_data(recipe)
    assert problems == []
    return described(recipe.values, task, columns, {"momentum": 0, "label_of": 0}, outputs or {})


def test_components_of_columns_and_of_what_a_regression_gives():
    jets, images = inputs(RECIPE, "momentum")
    assert (jets.components, jets.units) == (("pt", "eta", "phi", "m"), ("GeV", "1", "rad", "GeV"))
    assert [step.by_place for step in jets.steps] == [True]
    assert len(images.components) == 3
    names = [feature.name for feature in features([jets, images], "")]
    assert names[:6] == ["jets", "jets.pt", "jets.eta", "jets.phi", "jets.m", "calo_images"]
    assert [f.name for f in single_features([jets, images], False)] == names[1:5]
    (momentum,) = inputs(RECIPE, "label_of")
    assert (momentum.shape, momentum.components) == ((2, 3), ("pt", "eta", "phi"))
    assert momentum.unit(0) == "GeV"


def test_transforms_that_mix_numbers_are_not_undone():
    text = RECIPE.replace("jets: log_pt", "jets: [cartesian, standardise]")
    (jets, _) = inputs(text, "momentum")
    assert jets.components == ("px", "py", "pz", "E")
    assert [jets.unit(number) for number in range(4)] == ["GeV"] * 4
    assert len(jets.steps) == 1


def test_outputs_that_only_models_know():
    text = RECIPE.replace("[momentum]", "[rho, decay_modes, momentum.feature]", 1)
    text = text.replace("[momentum_mse]", "[momentum_mse]", 1)
    text = text.replace("inputs: [momentum]", "inputs: [rho, decay_modes, momentum.feature]")
    for outputs, names in (({}, []), ({"momentum": {"feature": (2,)}}, ["0", "1"])):
        rho, modes, feature = inputs(text, "label_of", outputs)
        assert (feature.latent, list(feature.components)) == (True, names)
        known = [each.name for each in single_features([rho, modes, feature], False)]
        assert known == ["rho", "decay_modes"]


def test_of_an_ensemble_whose_members_have_features_of_their_own():
    """Each member keeps its own, so that there is nothing to refuse."""
    text = RECIPE.replace("inputs: [momentum]", "inputs: [momentum.feature, rho]")
    for name, builder in (("zeros", "zeros"), ("sf", "tau_scale_factor")):
        text = text.replace(f"      {name}: {{model: {builder}}}\n", "")
    text = text.replace("{model: tau_mlp}", "{model: mlp, args: {feature: 3}}")
    text = text.replace("{model: higgs_mlp}", "{model: mlp}").replace(", calo_images]", "]")
    text += "posttrain: {from: initial, ensemble: {members: 2, folds: 2}}\n"
    text += "chain: {momentum: mlp, label_of: mlp}\n"
    asked = [f"{IMPORTANCE}.repeats=2", f"{DEPENDENCE}.features=[rho]"]
    load_valid(read_source(write(text), TrainRecipe), asked, fast=True)
