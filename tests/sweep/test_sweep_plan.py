"""Points and units of a sweep, without running any."""

import json
from pathlib import Path

import pytest
from tiny import RECIPE, write_recipe

from msml.errors import DataError, IncompleteError, RecipeError
from msml.recipe import load
from msml.recipe.blocks import _block, _read
from msml.recipe.load import _parsed
from msml.recipe.schema import TrainRecipe
from msml.runs.directory import write_json
from msml.runs.status import run_of
from msml.sweep.batch import slurm
from msml.sweep.collect import collect
from msml.sweep.execute import SKIPPED, Follower, _Execution, left
from msml.sweep.plan import make, read, write
from msml.sweep.points import Point
from msml.sweep.single import run_one
from msml.sweep.tables import show_rows
from msml.sweep.unit import Outcome
from msml.sweep.units import units

RUNS = Path("runs")
SWEEP = """
sweep:
  over:
    seed: "0:2"
    tasks.momentum.weight: [0.2, 0.9]
    how:
      long: {posttrain.epochs: 9}
      short: {}
"""


def problems(*overrides):
    with pytest.raises(RecipeError) as caught:
        make("tiny.yaml", overrides, RUNS)
    return caught.value.problems


def finish(plan, unit):
    for name in unit.results:
        write_json(plan.directory(unit) / name, [])


def test_a_point_is_the_ordinary_run(folder):
    write_recipe(folder, RECIPE + SWEEP)
    plan = make("tiny.yaml", ["evaluate.bootstrap=5"], RUNS)
    assert len(plan.points) == 8
    values, directory = plan.points[2]
    assert values == {"seed": 0, "tasks.momentum.weight": 0.9, "how": "long"}
    typed = ["posttrain.epochs=9", "tasks.momentum.weight=0.9", "seed=0", "evaluate.bootstrap=5"]
    assert run_of("tiny.yaml", typed, RUNS) == RUNS / directory


def test_every_point_is_the_run_of_its_overrides_alone(folder):
    write_recipe(folder, RECIPE + SWEEP)
    plan = make("tiny.yaml", [], RUNS)
    alone = {}
    for unit in plan.units:
        for made in (_block, _read, _parsed):  # nothing that another point has left
            made.cache_clear()
        alone[unit.directory] = run_of("tiny.yaml", list(unit.overrides), RUNS)
    assert len(alone) == 8
    assert alone == {name: RUNS / name for name in alone}


def test_the_sweep_is_no_part_of_the_run(folder):
    before = load("tiny.yaml", TrainRecipe).resolved()
    write_recipe(folder, RECIPE + SWEEP)
    recipe = load("tiny.yaml", TrainRecipe)
    assert recipe.resolved() == before
    assert recipe.values.sweep.over["seed"] == "0:2"


def test_pre_training_is_a_unit_where_runs_share_it(folder):
    write_recipe(folder, RECIPE + SWEEP)
    plan = make("tiny.yaml", ["how=short"], RUNS)
    made = [(unit.stage, unit.values["seed"], unit.needs, unit.level) for unit in plan.units]
    assert made == [
        ("pretrain", 0, (), 0),
        ("pretrain", 1, (), 0),
        ("run", 0, (0,), 1),
        ("run", 0, (0,), 1),
        ("run", 1, (1,), 1),
        ("run", 1, (1,), 1),
    ]
    alone = make("tiny.yaml", ["how=short", "tasks.momentum.weight=0.2"], RUNS)
    assert [(unit.stage, unit.needs) for unit in alone.units] == [("run", ()), ("run", ())]


def point(name, *marks):
    return Point({}, (), name, frozenset(marks), {"pretrain": (), "run": ()})


def test_no_candidate_is_made_by_two_units():
    made = units([point("a", 1, 2), point("b", 1, 2, 3), point("c", 3, 4), point("a", 1, 2)], "run")
    assert [(u.stage, u.directory, u.needs) for u in made] == [
        ("pretrain", "a", ()),
        ("run", "a", (0,)),
        ("pretrain", "b", (0,)),
        ("run", "b", (0, 2)),
        ("run", "c", (2,)),
    ]


def test_the_same_run_twice_is_one_unit(folder):
    plan = make("tiny.yaml", ["precision=auto,'auto'"], RUNS)
    assert len(plan.points) == 2
    assert len(plan.units) == 1


def test_all_mistakes_of_all_points_each_once(folder):
    write_recipe(folder, RECIPE + SWEEP.replace("0.9]", "1.9, x]").replace("9}", "0}"))
    found = problems("seed=0,1,-1", "pretrain.epochs=0")
    places = "how=long, ...)"
    assert found[0] == "command line: pretrain.epochs: expected 1 or more, got 0"
    assert "tiny.yaml:39: posttrain.epochs: expected 1 or more, got 0 (9 of 18 points" in found[1]
    assert found[1].endswith(places)
    assert sum("got the text 'x'" in line for line in found) == 1
    assert sum("got 1.9" in line for line in found) == 1
    assert sum("expected 0 or more, got -1" in line for line in found) == 1
    assert len(found) == 5


def test_settings_are_checked(folder):
    given = ["cluster=slum", "threads=0", "stage=fly", "workers=-1"]
    assert problems(*(f"sweep.{each}" for each in given)) == [
        "command line: sweep.threads: expected a number from 1 to 1024, got 0",
        "command line: sweep.workers: expected a number from 1 to 10000 or null, got -1",
        "command line: sweep.stage: unknown stage 'fly'; known: evaluate, grid, posttrain, run, "
        "search",
        "command line: sweep.cluster: unknown cluster 'slum'; did you mean 'slurm'?",
    ]
    axes = problems("sweep.stage=fly", "seed=1,,2")
    assert [each.split(": ")[1] for each in axes] == ["sweep.stage", "seed"]
    assert problems("sweep.clster=local") == [
        "command line: sweep.clster: unknown key; did you mean 'cluster'?"
    ]


def test_only_data_missing_is_an_error_of_data(folder):
    (folder / "events.h5").unlink()
    with pytest.raises(DataError, match=r"data\.file"):
        make("tiny.yaml", ["seed=0:2"], RUNS)


def test_what_is_left_and_what_is_missing(folder):
    plan = make("tiny.yaml", ["tasks.momentum.weight=0.2,0.8"], RUNS)
    assert [unit.number for unit in left(plan)] == [0, 1, 2]
    finish(plan, plan.units[2])
    assert [unit.number for unit in left(plan)] == [0, 1]
    finish(plan, plan.units[1])
    assert left(plan) == []  # that its pre-training is not in the folder does not matter
    assert collect(plan) == ([], [])


def test_states(folder):
    plan = make("tiny.yaml", ["seed=3"], RUNS)
    (unit,) = plan.units
    directory = plan.directory(unit)
    assert plan.state(unit) == "not started"
    directory.mkdir(parents=True)
    (directory / "log.txt").write_text("# 2026 host: msml run --runs runs -- other.yaml\n")
    assert plan.state(unit) == "not started"
    command = " ".join(plan.command(unit))
    (directory / "log.txt").write_text(f"# 2026 host: msml {command}\nmsml: no\n")
    assert plan.state(unit) == "failed"
    error = {"exit_code": 85}
    write_json(directory / "unfinished.json", {"command": ["msml", "run"], "error": error})
    assert plan.state(unit) == "interrupted"
    write_json(directory / "unfinished.json", {"command": ["msml", "pretrain"], "error": error})
    assert plan.state(unit) == "not started"
    finish(plan, unit)
    assert plan.state(unit) == "done"


def test_a_plan_survives_its_file(folder):
    plan = make("tiny.yaml", ["seed=0:2", "tasks.momentum.weight=0.2,0.8"], RUNS)
    path = write(plan)
    assert read(path) == plan
    path.write_text(path.read_text().replace('"format": 1', '"format": 0'))
    with pytest.raises(DataError, match="another version"):
        read(path)
    path.write_text(json.dumps({"format": 1}))
    with pytest.raises(DataError, match="not a plan"):
        read(path)


def test_a_unit_that_is_not_there_or_must_wait(folder):
    path = write(make("tiny.yaml", ["tasks.momentum.weight=0.2,0.8"], RUNS))
    with pytest.raises(RecipeError, match="no unit 7; there are 3, from 0"):
        run_one(path, 7)
    with pytest.raises(IncompleteError, match="unit 1 needs unit 0"):
        run_one(path, 1)


def test_arrays_of_jobs_are_not_too_long(folder, monkeypatch):
    monkeypatch.setattr("msml.sweep.batch._MOST_IN_AN_ARRAY", 2)
    plan = make("tiny.yaml", ["seed=0:3", "tasks.momentum.weight=0.2,0.8"], RUNS)
    lines = [text for text in slurm(plan, Path("plan.json")).splitlines() if "=$(submit" in text]
    assert lines == [
        'jobs_0_0=$(submit 0 2 "" "$@")',
        'jobs_0_1=$(submit 2 1 "" "$@")',
        'jobs_1_0=$(submit 3 2 ${jobs_0_0%%;*}:${jobs_0_1%%;*} "$@")',
        'jobs_1_1=$(submit 5 2 ${jobs_0_0%%;*}:${jobs_0_1%%;*} "$@")',
        'jobs_1_2=$(submit 7 2 ${jobs_0_0%%;*}:${jobs_0_1%%;*} "$@")',
    ]


class Future:
    def __init__(self, outcome):
        self._outcome = outcome

    def add_done_callback(self, call):
        call(self)

    def result(self):
        return self._outcome


class Crew:
    """Workers with which each unit ends as told, at once."""

    gpus = ()

    def __init__(self, codes):
        self.codes = {number: iter(each) for number, each in codes.items()}
        self.client = self
        self.submitted = []

    def submit(self, _work, _plan, number, *_arguments, **_options):
        self.submitted.append(number)
        return Future(Outcome(number, next(self.codes.get(number, iter([0]))), 1.0))

    def count(self):
        return 1


def ended(folder, codes, *more):
    plan = make("tiny.yaml", ["seed=0:2", "tasks.momentum.weight=0.2,0.8", *more], RUNS)
    crew = Crew(codes)
    outcomes = _Execution(plan, left(plan), crew, Follower(), lambda: None).run()
    return {outcome.number: outcome.exit_code for outcome in outcomes}, crew.submitted


def test_what_needs_a_failed_unit_is_skipped_and_the_others_go_on(folder):
    codes, submitted = ended(folder, {1: [4]})
    assert codes == {0: 0, 1: 4, 2: 0, 3: 0, 4: SKIPPED, 5: SKIPPED}
    assert sorted(submitted) == [0, 1, 2, 3]


def test_what_a_failed_group_would_have_trained_its_points_train_themselves(folder):
    codes, submitted = ended(folder, {0: [4]}, "sweep.replicas=2")
    assert codes == {0: 4, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}
    assert sorted(submitted) == [0, 1, 2, 3, 4, 5]


def test_a_unit_that_others_stopped_is_done_again(folder):
    codes, submitted = ended(folder, {0: [85, 85, 0]})
    assert set(codes.values()) == {0}
    assert submitted.count(0) == 3


def test_rows_of_a_search(folder):
    plan = make("tiny.yaml", ["seed=0:2", "sweep.stage=search"], RUNS)
    runs = [unit for unit in plan.units if unit.stage == "search"]
    selection = {"chosen": {"a": "x", "b": "y"}, "undetermined": ["b"], "gradient_passes": 12.5}
    write_json(plan.directory(runs[0]) / "search" / "selection.json", selection)
    rows, missing = collect(plan)
    (row,) = rows
    assert (row["seed"], row["selected"], row["undetermined"]) == (0, "x+y", "b")
    assert row["gradient_passes"] == 12.5
    assert [each.number for each in missing] == [runs[1].number]


def test_results_are_rounded_for_people(capsys):
    show_rows([{"run": "r", "seed": 0, "gradient_passes": 532 / 3, "seconds": 1.0}], "Sweep")
    assert capsys.readouterr().out.split()[-2:] == ["0", "177.333"]


def test_a_chain_that_a_search_will_choose(folder):
    write_recipe(folder, RECIPE.replace("chain: {momentum: sf, higgs: mlp}\n", ""))
    plan = make("tiny.yaml", ["sweep.stage=posttrain", "seed=0,1"], RUNS)
    unit = plan.units[0]
    assert not plan.is_done(unit)
    for mode in ("connected", "sequential", "joint"):
        write_json(plan.directory(unit) / "posttrain" / "a[n=1]+b" / mode / "metrics.json", {})
    assert plan.is_done(unit)


def test_unblinding_is_left_to_do_where_all_else_is_done(folder):
    blind = "evaluate: {subsets: {private: {column: label, values: [1], blind: true}}}"
    write_recipe(folder, RECIPE.replace("evaluate: {bootstrap: 10, cost: false}", blind))
    plan = make("tiny.yaml", ["seed=0:2"], RUNS)
    for unit in plan.units:
        finish(plan, unit)
    (plan.directory(plan.units[0]) / "recipe.yaml").touch()
    shown = make("tiny.yaml", ["seed=0:2", "evaluate.unblind=true"], RUNS)
    assert shown.unblind
    assert shown.directory(shown.units[0]) == plan.directory(plan.units[0])
    assert shown.path != plan.path
    assert [shown.state(unit) for unit in shown.units] == ["not started"] * 2
    with pytest.raises(RecipeError, match=r"evaluate\.unblind: differs between points"):
        make("tiny.yaml", ["evaluate.unblind=true,false"], RUNS)
