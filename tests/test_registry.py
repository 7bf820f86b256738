import subprocess
import sys
from pathlib import Path

import pytest

from msml import registry
from msml.errors import RecipeError
from msml.registry import Registry, load_plugins, losses, metrics, models

BUILDER = '''
from msml.registry import models

@models.register("my_model", parameters=3)
def my_model(taus, *, units: int = 8):
    """Mine.

    More.
    """
    return {answer}
'''


@pytest.fixture(autouse=True)
def _own_directory_and_no_plugins_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    for path in list(registry._fingerprints):
        registry._forget_plugin(path)


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def test_names_summaries_and_facts():
    shapes = Registry("shape", "shapes")

    @shapes.register("square", corners=4)
    def square(side):
        """Four equal sides.

        And four equal angles.
        """
        return side

    assert shapes.get("square").function is square
    entry = shapes.entries()[0]
    assert (entry.summary, entry.facts) == ("Four equal sides.", {"corners": 4})
    with pytest.raises(RecipeError, match=r"'square' is registered twice, in .*test_registry"):
        shapes.register("square")(square)
    with pytest.raises(RecipeError, match="unknown shape 'sqare'; did you mean 'square'"):
        shapes.get("sqare")
    with pytest.raises(RecipeError, match="unknown shape 'x'; there are none"):
        Registry("shape", "shapes").get("x")


def test_the_built_in_names():
    assert {"tau_mlp", "tau_cnn", "tau_scale_factor", "zeros", "noise"} <= set(models.names())
    assert {"higgs_mlp", "higgs_lstm", "higgs_mass"} <= set(models.names())
    assert {"momentum_mse", "momentum_mse_sum", "bce_logits"} <= set(losses.names())
    assert {"momentum_mse", "momentum_mse_gev2", "auc", "bce"} <= set(metrics.names())
    for kind in registry.REGISTRIES.values():
        assert all(entry.summary.endswith(".") for entry in kind.entries())
    assert {metric.facts["better"] for metric in metrics.entries()} == {
        "lower",
        "higher",
        "nearest 0",
    }


def test_listing_needs_no_tensorflow():
    code = """
import sys
from msml.registry import REGISTRIES
for registry in REGISTRIES.values():
    registry.entries()
assert not {"keras", "tensorflow"} & set(sys.modules), "imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(registry.__file__).parents[1])


def test_a_plugin_registers_and_may_be_edited():
    path = write("mine.py", BUILDER.format(answer=1))
    load_plugins([path])
    first = models.get("my_model")
    assert (first.summary, first.facts) == ("Mine.", {"parameters": 3})
    assert first.source.endswith("mine.py")
    load_plugins([path.resolve()])
    assert models.get("my_model") is first
    write("mine.py", BUILDER.format(answer=2))
    load_plugins([path])
    assert models.get("my_model").function((2, 3)) == 2


def test_plugins_of_one_name_in_two_folders():
    Path("other").mkdir()
    paths = [
        write("mine.py", BUILDER.format(answer=1)),
        write("other/mine.py", BUILDER.format(answer=2).replace("my_model", "other_model")),
    ]
    load_plugins(paths)
    assert models.get("my_model").function(0) == 1
    assert models.get("other_model").function(0) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\ndef f(:\n", "line 2: SyntaxError"),
        ("import no_such_module\n", "line 1: ModuleNotFoundError: No module named"),
        ("def f():\n    raise ValueError('two\\nlines')\nf()\n", "line 2: ValueError: two lines"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        ("x = '\0'\n", "SyntaxError"),
        (
            BUILDER.format(answer=1).replace("my_model", "tau_mlp"),
            "model 'tau_mlp' is registered twice, in msml.studies.htautau.models.tau and in "
            ".*mine.py",
        ),
    ],
)
def test_a_broken_plugin_is_one_line(text, reason):
    with pytest.raises(RecipeError, match=f"plugin mine.py: .*{reason}") as caught:
        load_plugins([write("mine.py", text)])
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_a_plugin_that_breaks_half_way_leaves_nothing():
    broken = BUILDER.format(answer=1) + "\nraise RuntimeError('later')\n"
    with pytest.raises(RecipeError, match="line 12: RuntimeError: later"):
        load_plugins([write("mine.py", broken)])
    assert "my_model" not in models.names()
    load_plugins([write("mine.py", BUILDER.format(answer=1))])
    assert "my_model" in models.names()


def test_all_broken_plugins_are_named():
    with pytest.raises(RecipeError) as caught:
        load_plugins(["missing.py", ".", write("mine.py", "1 / 0")])
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "plugin missing.py",
        "plugin .",
        "plugin mine.py",
    ]


NEIGHBOURLY = """
from msml.registry import models
import helper

@models.register("my_model")
def my_model(shape):
    \"\"\"Mine.\"\"\"
    import later
    return helper.ANSWER + later.ANSWER
"""


def neighbourly(folder: str, answer: int) -> str:
    """A plugin that imports modules of its folder, one of them only when it is called."""
    Path(folder).mkdir(exist_ok=True)
    write(f"{folder}/later.py", "ANSWER = 0")
    write(f"{folder}/deeper.py", f"ANSWER = {answer}")
    write(f"{folder}/helper.py", "from deeper import ANSWER")
    return write(f"{folder}/mine.py", NEIGHBOURLY)


@pytest.mark.parametrize("module", ["helper", "deeper", "later"])
def test_a_plugin_is_also_what_it_imports_from_its_folder(module):
    path = neighbourly("one", 1)
    load_plugins([path])
    assert models.get("my_model").function(0) == 1
    first = registry.plugin_hash(Path(path))
    load_plugins([path])
    assert registry.plugin_hash(Path(path)) == first
    write(f"one/{module}.py", "ANSWER = 5")  # at once, and of the same size
    load_plugins([path])
    assert registry.plugin_hash(Path(path)) != first
    assert models.get("my_model").function(0) == (6 if module == "later" else 5)
    assert not list(Path("one").rglob("*.pyc")) or module == "later"


def test_modules_of_one_name_in_the_folders_of_two_plugins():
    load_plugins([neighbourly("one", 1)])
    models.forget(str(Path("one/mine.py").resolve()))
    load_plugins([neighbourly("two", 2)])
    assert models.get("my_model").function(0) == 2


def test_packages_count_and_installed_modules_come_first():
    Path("own").mkdir()
    write("own/__init__.py", "")
    write("own/answers.py", "ANSWER = 3")
    write("json.py", "raise RuntimeError('not this one')")
    text = NEIGHBOURLY.replace("import helper", "import json\nimport own.answers as helper")
    write("later.py", "ANSWER = 0")
    load_plugins([path := write("mine.py", text)])
    first = registry.plugin_hash(Path(path))
    assert models.get("my_model").function(0) == 3
    write("own/answers.py", "ANSWER = 4")
    load_plugins([path])
    assert registry.plugin_hash(Path(path)) != first
    assert models.get("my_model").function(0) == 4


def test_a_broken_neighbour_is_one_line():
    write("helper.py", "def f(:\n")
    with pytest.raises(RecipeError, match=r"plugin mine.py: .*SyntaxError") as caught:
        load_plugins([write("mine.py", NEIGHBOURLY)])
    assert "\n" not in str(caught.value)


def test_a_module_of_another_plugins_folder_is_none_of_ours():
    """Nobody would notice that it changes."""
    load_plugins([neighbourly("one", 1)])
    Path("two").mkdir()
    with pytest.raises(RecipeError, match="No module named 'helper'"):
        load_plugins([write("two/mine.py", "import helper")])
