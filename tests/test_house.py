"""Imports run one way through the house, and none from the framework into a study."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import msml

PACKAGE = Path(msml.__file__).parent

# Rooms from the ground up; those of one floor do not know each other.
FLOORS = (
    ("errors", "domains", "neighbours", "tensors"),
    ("digests",),
    ("files",),
    ("hints", "signals", "registry"),
    ("tables",),
    ("arguments", "recipe", "progress"),
    ("data",),
    ("plotting", "losses", "models", "catalogue", "reference", "runs", "calibration", "conformal"),
    ("metrics",),
    ("chain",),
    ("ensemble",),
    ("training",),
    ("weighting", "doctor", "validity"),
    ("checks",),
    ("stages",),
    ("strategies",),
    ("sweep",),
    ("report",),
    ("simulation",),
    ("studies",),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room(module: str) -> str:
    """The room of a dotted module name; "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "msml":
                yield from (f"msml.{alias.name}" for alias in node.names)
            else:
                yield node.module


def arrows() -> set[tuple[str, str]]:
    """Pairs of rooms, the first of which imports the second."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for name in imports(path):
            if name.startswith("msml.") and room(name) in FLOOR and room(name) != own:
                found.add((own, room(name)))
    return found


def test_every_room_has_a_floor():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__", "_shipped"} == set(FLOOR)


@pytest.mark.parametrize("arrow", sorted(arrows()), ids=" -> ".join)
def test_imports_go_down(arrow):
    upper, lower = arrow
    assert FLOOR[lower] < FLOOR[upper]


def test_studies_do_not_know_each_other():
    for path in (PACKAGE / "studies").rglob("*.py"):
        own = path.relative_to(PACKAGE / "studies").parts[0]
        for name in imports(path):
            if name.startswith("msml.studies."):
                assert name.split(".")[2] == own, f"{path} imports {name}"


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("pythia8mc", {"simulation"}),
        ("fastjet", {"simulation"}),
        ("gpflow", {"validity"}),
        ("dask", {"sweep"}),
        ("distributed", {"sweep"}),
        ("dask_jobqueue", {"sweep"}),
        ("onnxruntime", {"stages"}),
        ("tf2onnx", {"stages"}),
    ],
)
def test_heavy_packages_stay_in_their_room(package, rooms):
    found = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == package for name in imports(path))
    }
    assert found == rooms


@pytest.mark.xdist_group("house")
def test_groups_of_tests_stay_together(request):
    """What they share is made once; with pytest 9.2 pytest-xdist 3.8 scattered them silently."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("one process, or groups are not asked for")
    assert request.node.nodeid.endswith("@house")
