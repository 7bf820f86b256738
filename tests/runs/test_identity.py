"""A run is its resolved recipe, whatever overrides lead to it."""

from msml.report.measures import measure
from msml.report.results import described, tidy
from msml.runs import layout
from msml.runs.directory import run_directory

RECIPE = """\
name: one
data: {file: events.h5}
tasks:
  only:
    inputs: [x]
    target: y
    loss: {name: mse}
    weight: 1.0
    candidates: {mlp: {model: mlp}}
"""


def test_other_overrides_of_the_same_recipe_find_the_run_that_is_there(tmp_path):
    resolved = {"seed": 1, "tasks": {}}
    first = run_directory(tmp_path, "one", resolved, ["seed=1"]).path
    assert first == run_directory(tmp_path, "one", resolved, ["seed=1"]).path
    first.mkdir(parents=True)
    layout.recipe(first).write_text("seed: 1\n")
    assert run_directory(tmp_path, "one", resolved, ["a=b", "seed=1"]).path == first
    assert run_directory(tmp_path, "one", resolved | {"seed": 2}, ["seed=2"]).path != first


def test_one_run_in_two_folders_counts_once(tmp_path):
    rows = []
    for name, text in (("a", RECIPE), ("b", RECIPE), ("c", RECIPE + "seed: 3\n")):
        (tmp_path / name).mkdir()
        layout.recipe(tmp_path / name).write_text(text)
        for mode in ("sequential", "joint"):
            rows.append({"directory": str(tmp_path / name), "chain": "mlp", "mode": mode})
    found = tidy(rows)
    assert [path[-1] for path in found["directory"]] == ["a", "a", "c", "c"]
    assert found["mode"].tolist() == ["sequential", "joint"] * 2


def test_points_that_share_a_run_count_at_each_place_of_an_axis(tmp_path):
    """Two points may resolve to one recipe; a statement about their axis is about both."""
    rows = []
    for seed in (1, 2, 3):
        (tmp_path / f"{seed}").mkdir()
        layout.recipe(tmp_path / f"{seed}").write_text(RECIPE + f"seed: {seed}\n")
        found = {"directory": str(tmp_path / f"{seed}"), "chain": "mlp", "mode": "joint"}
        rows += [{**found, "wiring": place, "higgs/auc": 0.5 + seed} for place in "abb"]
    table = described(rows)
    settings = {"kind": "difference", "column": "higgs/auc", "along": "wiring", "against": "a"}
    (number,) = measure(table, settings, {"wiring": ["a", "b"]})
    assert (number.value, number.error, number.freedom) == (0, 0, 2)
    assert len(tidy(rows)) == 3
