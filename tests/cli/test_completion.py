"""What shells are told when somebody presses TAB."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from msml.cli import cli
from msml.cli.completion import SHELLS, VARIABLE

RECIPE = "recipes/quick.yaml"
REPORT = (
    "import sys\nfrom msml.cli import main\nsys.argv = ['msml']\n"
    "try:\n    main()\nfinally:\n"
    "    heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
    "    print(sorted(heavy), file=sys.stderr)"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completed(*words):
    *arguments, incomplete = words
    found = SHELLS["bash"](cli, {}, "msml", VARIABLE).get_completions(arguments, incomplete)
    return [item.value for item in found]


def test_commands_and_options():
    assert completed("po") == ["posttrain"]
    assert {"run", "replicas", "run-unit"} <= {*completed("r")}
    assert completed("show", "--de") == ["--defaults"]
    assert "models" in completed("ls", "m")


def test_recipes_here_and_shipped(folder):
    (folder / "quiet").mkdir()
    (folder / "quill.yaml").touch()
    (folder / "quill.txt").touch()
    assert completed("run", "qui") == ["quiet/", "quill.yaml", "quick.yaml"]
    assert completed("run", "recipes/qui") == [RECIPE]
    (folder / "quiet" / "mine.yaml").touch()
    assert completed("run", "quiet/") == ["quiet/mine.yaml"]
    assert completed("generate", "recipes/events/htau")


@pytest.mark.parametrize(
    ("incomplete", "expected"),
    [
        ("se", ["select.", "seed="]),
        ("posttrain.pa", ["posttrain.patience="]),
        ("tasks.", ["tasks.tau_momentum.", "tasks.higgs_id."]),
        ("tasks.higgs_id.w", ["tasks.higgs_id.weight="]),
        ("tasks.higgs_id.weight=", ["tasks.higgs_id.weight=remainder"]),
        ("precision=mixed_b", ["precision=mixed_bfloat16"]),
        ("xla=", ["xla=true", "xla=false", "xla=null"]),
        ("strategy.ord", ["strategy.order="]),
        ("strategy.name=d", ["strategy.name=darts"]),
        ("strategy.order=", ["strategy.order=first", "strategy.order=second"]),
        ("chain.higgs_id=", ["chain.higgs_id=mlp", "chain.higgs_id=mass"]),
        ("posttrain.modes=", []),  # a list
        ("no_such_key=", []),
        ("no.such.", []),
    ],
)
def test_overrides(incomplete, expected):
    assert completed("run", RECIPE, incomplete) == expected


def test_arguments_follow_what_is_named():
    assert "strategy.samples=" not in completed("run", RECIPE, "strategy.s")  # asng's
    assert "strategy.samples=" in completed("run", RECIPE, "strategy={name: asng}", "strategy.s")


def test_a_recipe_that_cannot_be_read_leaves_the_schema(folder):
    (folder / "bad.yaml").write_text("tasks: [")
    assert completed("run", "bad.yaml", "se") == ["select.", "seed="]
    assert completed("run", "nowhere.yaml", "tasks.x.we") == ["tasks.x.weight="]


def test_keys_to_explain():
    assert completed("show", "--defaults", "tasks.NAME.w") == ["tasks.NAME.weight"]
    generate = completed("show", "--of", "generate", "--defaults", "pileup.p")
    assert generate == ["pileup.pool", "pileup.pythia."]


def test_recipes_of_events_have_other_keys():
    recipe = "recipes/events/htautau.yaml"
    assert completed("generate", recipe, "processes.") == ["processes.higgs.", "processes.z."]
    assert completed("generate", recipe, "pileup.me") == ["pileup.mean="]


def asked(words, number):
    """What a process prints, and what heavy it has imported."""
    found = {"COMP_WORDS": words, "COMP_CWORD": str(number), VARIABLE: "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", REPORT],
        env={**os.environ, **found},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split(), done.stderr.strip()


def test_a_process_answers_without_heavy_imports():
    # Bash takes `=` for a word of its own, and keeps what is before it.
    assert asked(f"msml run {RECIPE} strategy.name = da", 5) == (["plain,darts"], "[]")
    assert asked(f"msml run {RECIPE} chain.higgs_id =", 4)[0] == ["plain,mlp", "plain,mass"]


def test_bash_completes(folder):
    command = folder / "msml"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m msml "$@"\n')
    command.chmod(0o755)
    script = (
        f'eval "$(./msml completion bash)"; COMP_WORDS=(./msml run {RECIPE} posttr); '
        "COMP_CWORD=3; _msml_completion ./msml 2> nothing; echo $COMPREPLY"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "posttrain.\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_of_the_shells_grammar(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    Path("script").write_text(SHELLS[shell](cli, {}, "msml", VARIABLE).source())
    done = subprocess.run([shell, "-n", "script"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
