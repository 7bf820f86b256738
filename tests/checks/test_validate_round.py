"""All mistakes of a recipe in one round, and none that only follow from another."""

import pytest
from recipe_schema import write
from training import RECIPE, write_events

from msml.checks.report import report


@pytest.fixture(autouse=True)
def events():
    return write_events()


def found(text, *overrides):
    return report(write(text), overrides, fast=True).problems


def test_types_names_sums_and_columns_come_together():
    text = """\
name: many
epochs: 3
data: {file: events.h5}
tasks:
  momentum:
    inputs: [jets, calo_image]
    target: taus
    loss: {name: momentum_mse}
    weight: 0.5
    candidates: {mlp: {model: tau_mpl}}
  label_of:
    inputs: [momentum]
    target: label
    loss: {name: bce_logits}
    weight: 0.4
    candidates: {mass: {model: higgs_mass}}
pretrain: {batch_size: many}
"""
    assert found(text) == [
        "r.yaml:2: epochs: unknown key; known: chain, data, evaluate, free_weights, limits, name, "
        "plugins, posttrain, precision, pretrain, report, seed, select, strategy, sweep, tasks, "
        "threads, weighting, xla",
        "r.yaml:17: pretrain.batch_size: expected a whole number, got the text 'many'",
        "r.yaml:10: tasks.momentum.candidates.mlp.model: unknown model 'tau_mpl'; "
        "did you mean 'tau_mlp'?",
        "r.yaml:4: tasks: the weights sum to 0.9, expected 1; `free_weights: true` allows it",
        "r.yaml:6: tasks.momentum.inputs.1: unknown column 'calo_image'; "
        "did you mean 'calo_images'? (columns of events.h5)",
        "r.yaml:7: tasks.momentum.target: 'taus' is not transformed; expected "
        "data.transform.taus: log_pt",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("weight: 0.3", "wieght: 0.5", "wieght: unknown key; did you mean 'weight'?"),
        ("weight: 0.3", "weight: [1]", "weight: expected a number or 'remainder', got a list"),
        ("weight: 0.3", "weight: ${seeds}", "weight: '${seeds}': Interpolation key 'seeds' not"),
    ],
)
def test_a_sum_is_not_judged_without_one_of_its_terms(old, new, line):
    problems = found(RECIPE.replace(old, new, 1))
    assert line in problems[0]
    assert all("sum" not in each for each in problems)


def test_inputs_that_are_unclear_are_not_counted():
    (problem,) = found(RECIPE.replace("inputs: [jets, calo_images]", "inputs: [jets, 3]"))
    assert "inputs.1: expected a text, got the number 3; put it in quotes" in problem


def test_a_task_that_is_no_mapping_is_one_problem():
    start = RECIPE.index("  momentum:")
    end = RECIPE.index("  label_of:")
    (problem,) = found(RECIPE[:start] + "  momentum: 3\n" + RECIPE[end:])
    assert "tasks.momentum: expected a mapping" in problem


def test_candidates_that_are_unclear_may_be_chosen():
    text = RECIPE.replace("noise: {model: noise}", "noise: {modle: noise}")
    text += "chain: {momentum: sf, label_of: noise}\n"
    assert all("chain" not in problem for problem in found(text))


def test_columns_of_an_unknown_file_are_not_judged():
    text = RECIPE.replace("calo_images", "something").replace("file: events.h5", "fiel: events.h5")
    assert len(found(text)) == 2  # the unknown key, and the missing one


def test_a_slip_in_an_override_hides_nothing():
    problems = found(RECIPE, "tasks.momentun.weight=0.9", "seed=-1")
    assert problems == [
        "command line: tasks.momentun: unknown entry 'momentun'; did you mean 'momentum'?",
        "command line: seed: expected 0 or more, got -1",
    ]


def test_a_reference_that_fails_hides_nothing():
    problems = found(RECIPE.replace("scale: 50", "scale: '${nothing}'"), "pretrain.batch_size=-1")
    assert [problem.split(": ", 2)[1] for problem in problems] == [
        "pretrain.batch_size",
        "tasks.momentum.loss.scale",
    ]


def test_a_reference_that_is_good_hides_nothing():
    text = RECIPE + "posttrain: {batch_size: '${pretrain.batch_size}'}\n"
    problems = found(text, "seed=many", "evaluate.bootstrap=0")
    assert [problem.split(": ", 2)[1] for problem in problems] == ["seed", "evaluate.bootstrap"]


def test_a_reference_of_the_wrong_type_is_not_judged_further():
    text = RECIPE.replace("weight: 0.3", "weight: ${data.transform}")
    (problem,) = found(text)
    assert "weight: expected a number or 'remainder', got a mapping" in problem


@pytest.mark.parametrize("what", ["tasks", "tasks.momentum", "tasks.momentum.candidates"])
def test_what_is_unclear_has_no_wrong_choices(what):
    problems = found(RECIPE + "chain: {momentum: mlp, label_of: noise}\n", f"{what}=3")
    assert len(problems) == 1
    assert f"{what}: expected" in problems[0]


@pytest.mark.parametrize("inputs", ["3", "[]"])
def test_models_do_not_miss_inputs_that_are_unclear(inputs):
    (problem,) = found(RECIPE.replace("[jets, calo_images]", inputs))
    assert "tasks.momentum.inputs: " in problem


MISTAKES = (
    *("seed=-1", "precision=low", "name=a/b", "data.weight=wieght", "data.balance=bal"),
    *("data.events=1000", "data.transform={jets: logpt, taus: log_pt}", "limits.chains=0"),
    *("tasks.momentum.inputs=[jets, images]", "tasks.momentum.loss.scale=-1"),
    *("tasks.momentum.candidates.mlp.args={unit: 3}", "tasks.momentum.candidates.sf.copies=5000"),
    *("tasks.label_of.metrics=[acu]", "tasks.label_of.candidates.mlp.model=higgs_mpl"),
    *("strategy={name: darts, order: third}", "select.metric=acu", "select.split=train"),
    *("posttrain.modes=[joit]", "posttrain.from=somewhere", "posttrain.average.start=1000"),
    *("posttrain.ensemble={members: 5, folds: 2}", "posttrain.augment.columns=[jest]"),
    *("pretrain.augment.columns=[]", "posttrain.optimizer.name=adm"),
    *("pretrain.optimizer={name: adam, learning_rate: -1}", "pretrain.schedule.name=cosin"),
    *("weighting={name: dwa, temperature: -1}", "evaluate.importance={task: nope}"),
    *("evaluate.conformal.tasks=[x]", "evaluate.unblind=true", "plugins=[no.py]"),
    *("evaluate.subsets={low: {column: labl, values: [0]}}", "data.align.columns=[label]"),
    *("data.split.seed=x", "tasks.nothing.weight=1", "no equals sign"),
)


def test_mistakes_of_all_kinds_come_in_one_round():
    """Of the schema, of names, of what the file has, of values, and of the command line."""
    text = RECIPE + "data_align: {}\n"
    text = text.replace("transform: {", "align: {columns: [jets], to: jest}\n  transform: {")
    keys = [problem.split(": ")[1] for problem in found(text, *MISTAKES)]
    for mistake in MISTAKES[:-1]:
        name = mistake.split("=")[0].removesuffix(".weight" if "nothing" in mistake else "")
        pairs = ((f"{key}.", f"{name}.") for key in keys)
        assert any(one.startswith(two) or two.startswith(one) for one, two in pairs), mistake
    assert {"data_align", "data.align.to", "malformed override 'no equals sign', expected"} & {
        *keys
    }


def test_features_are_judged_beside_other_mistakes():
    problems = found(RECIPE, "seed=-1", "evaluate.dependence={task: momentum, features: [jets.px]}")
    assert len(problems) == 2
    assert "unknown feature 'jets.px'" in problems[1]


def test_a_block_that_is_null_by_default_lacks_what_it_needs():
    (problem,) = found(RECIPE, "data.align.columns=[jets]")
    assert problem == "command line: data.align.to: missing; expected a text"
    text = RECIPE.replace("{model: tau_mlp}", "{model: tau_mlp, start: {mode: fixed}}")
    (problem,) = found(text)
    assert problem.endswith("candidates.mlp.start.from: missing; expected a text")
