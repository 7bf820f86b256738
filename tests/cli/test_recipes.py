import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from msml.cli import cli
from msml.data.events import EventWriter
from msml.errors import DataError, RecipeError
from msml.recipe import load, shipped
from msml.recipe.schema import TrainRecipe
from msml.registry import REGISTRIES
from msml.report.expected import Expected

HEAVY = ("tensorflow", "keras", "matplotlib", "pythia8mc", "fastjet")


@pytest.fixture(autouse=True)
def events(tmp_path, monkeypatch):
    """An empty working directory with an event file."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    columns = {
        "jets": rng.random((10, 2, 4)),
        "calo_images": rng.random((10, 2, 16, 16, 3)),
        "taus": rng.random((10, 2, 3)),
        "label": np.arange(10) % 2,
    }
    with EventWriter(Path("events.h5"), 10, {}) as writer:
        writer.append(columns)
        writer.finish()


def msml(*arguments):
    return CliRunner().invoke(cli, arguments)


def test_validate_says_what_is_in_a_good_recipe():
    found = msml("validate", "--fast", "htautau_reoptimise.yaml", "data.file=events.h5")
    assert found.exit_code == 0
    assert found.stdout == "htautau_reoptimise.yaml: ok, 2 tasks, 6 candidates, 9 chains\n"
    found = msml("validate", "base/htautau_dummies.yaml", "data.file=events.h5")
    assert (
        found.stdout == "base/htautau_dummies.yaml: ok, 2 tasks, 10 candidates, no chain chosen\n"
    )
    found = msml("validate", "--fast", "--json", "quick.yaml", "data.file=events.h5")
    assert json.loads(found.stdout) == {
        "recipe": "quick.yaml",
        "exit_code": 0,
        "problems": [],
        "tasks": 2,
        "candidates": 4,
        "chains": 0,
        "strategy": "darts",
    }
    found = msml("validate", "--fast", "htautau_grid.yaml", "data.file=events.h5")
    assert found.stdout == "htautau_grid.yaml: ok, 2 tasks, 10 candidates, grid chooses\n"


def test_validate_says_what_is_wrong():
    bad = ("htautau_cnn_lstm.yaml", "data.file=events.h5", "precision=low", "chain.higgs_id=gru")
    lines = [
        "command line: precision: unknown precision 'low'; known: auto, float32, mixed_bfloat16,"
        " mixed_float16",
        "command line: chain.higgs_id: unknown candidate 'gru'; known: lstm, mass, mlp",
    ]
    found = msml("validate", "--fast", *bad)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.splitlines() == [f"msml: {line}" for line in lines]
    found = msml("validate", "--fast", "--json", *bad)
    assert found.exit_code == 2
    assert json.loads(found.stdout)["problems"] == lines


def test_validate_ends_the_process_with_its_code():
    command = [sys.executable, "-m", "msml", "validate", "--fast", "quick.yaml"]
    for override, code in ("data.file=events.h5", 0), ("seed=x", 2), ("data.file=no.h5", 3):
        assert subprocess.run([*command, override], capture_output=True).returncode == code


def test_validate_tells_missing_data_and_recipes_apart():
    found = msml("validate", "--fast", "quick.yaml", "data.file=nowhere.h5")
    assert found.exit_code == 3
    assert found.stderr == "msml: command line: data.file: nowhere.h5: no such file\n"
    found = msml("validate", "--fast", "quik.yaml")
    assert found.exit_code == 2
    assert found.stderr == "msml: no such recipe 'quik.yaml'; did you mean 'quick.yaml'?\n"


def test_show_prints_a_recipe_that_loads_to_the_same():
    found = msml("show", "quick.yaml", "seed=3")
    assert found.exit_code == 0
    Path("shown.yaml").write_text(found.stdout)
    assert (
        load("shown.yaml", TrainRecipe).values == load("quick.yaml", TrainRecipe, ["seed=3"]).values
    )


@pytest.mark.parametrize(
    "name", [p.relative_to(shipped()).as_posix() for p in shipped().rglob("*.yaml")]
)
def test_copies_load_as_what_they_are_copies_of(name):
    found = msml("cp", name, "mine.yaml")
    assert (found.exit_code, found.stdout) == (0, "mine.yaml\n")
    assert Path("mine.yaml").read_bytes() == (shipped() / name).read_bytes()
    if not name.startswith("events/"):
        schema = Expected if name.endswith("expected.yaml") else TrainRecipe
        assert load("mine.yaml", schema).values == load(name, schema).values


def test_cp_overwrites_nothing():
    Path("sub").mkdir()
    assert msml("cp", "recipes/quick.yaml", "sub").stdout == "sub/quick.yaml\n"
    for destination in ("sub", "sub/quick.yaml"):
        error = msml("cp", "quick.yaml", destination).exception
        assert isinstance(error, DataError)
        assert str(error) == "sub/quick.yaml: exists, and is not overwritten"
    error = msml("cp", "quik.yaml", "mine.yaml").exception
    assert isinstance(error, RecipeError)
    assert str(error) == "no such recipe 'quik.yaml'; did you mean 'quick.yaml'?"
    assert isinstance(msml("cp", "../README.md", "mine.yaml").exception, RecipeError)
    assert not Path("mine.yaml").exists()


def test_ls_shows_a_line_for_each():
    lines = msml("ls", "models").stdout.splitlines()
    (cnn,) = (line for line in lines if line.startswith("tau_cnn "))
    assert cnn.split()[1] == "18,847"
    assert cnn.endswith(
        "Convolutions on the images, then dense layers on their features and the jet."
    )
    (dense,) = (line for line in lines if line.startswith("mlp "))  # of no certain size
    assert dense.index("Dense layers on all") == cnn.index("Convolutions")
    recipes = msml("ls", "recipes").stdout
    (quick,) = (line for line in recipes.splitlines() if line.startswith("quick.yaml "))
    assert quick.split(maxsplit=1)[1].startswith("A first look: small models")
    everything = msml("ls").stdout.splitlines()
    kinds = [line.removesuffix(": none") for line in everything if not line.startswith(" ")]
    assert kinds == [*REGISTRIES, "recipes"]
    assert f"  {cnn}" in everything


def test_ls_as_json():
    listed = json.loads(msml("ls", "--json").stdout)
    assert {
        "kind": "losses",
        "name": "bce_logits",
        "parameters": None,
        "summary": "Binary cross-entropy of a logit y and a label t in {0, 1}; see `binary`.",
    } in listed
    assert all(item["summary"] for item in listed)
    models = {item["name"]: item["parameters"] for item in listed if item["kind"] == "models"}
    assert models["higgs_lstm"] == 21_386


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["ls"], ["validate", "--fast", "quick.yaml", "data.file=events.h5"]],
    ids=lambda arguments: arguments[0],
)
def test_light_commands_import_nothing_heavy(arguments):
    code = (
        "import sys\nfrom msml.cli import main\nsys.argv = ['msml', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


def test_help_imports_nothing_large():
    code = (
        "import sys; from msml.cli import cli; cli(['--help'], standalone_mode=False); "
        "large = {'numpy', 'h5py', 'omegaconf', 'yaml', 'rich', 'tensorflow', 'pandas'}; "
        "sys.exit(str(sorted(large & set(sys.modules))) if large & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "evaluate" in done.stdout


def test_show_explains_keys():
    found = msml("show", "--defaults", "posttrain.average")
    assert found.exit_code == 0
    assert found.stdout.splitlines()[:3] == [
        "posttrain.average: a mapping or null; default: null",
        "    Which weights are averaged; none where null.",
        "posttrain.average.start: a whole number, 1 or more; default: 1",
    ]
    (key,) = json.loads(msml("show", "--json", "--defaults", "select.split").stdout)
    assert (key["default"], key["names"]) == ("valid", ["valid", "test"])
    assert msml("show", "--defaults").stdout.startswith("extends: a text\n")
    error = msml("show", "--defaults", "patience").exception
    assert str(error).endswith("did you mean 'pretrain.patience' or 'posttrain.patience'?")


def test_show_needs_a_recipe_or_a_key():
    found = msml("show")
    assert found.exit_code == 2
    assert "which recipe?" in found.stderr
    assert json.loads(msml("show", "--json", "quick.yaml", "seed=3").stdout)["seed"] == 3
