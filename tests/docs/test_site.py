"""The site is built without a warning, needs no network, and knows every key, name and command."""

import dataclasses
import re
import subprocess
import sys

import pytest
import yaml
from fenced import ROOT

import msml
from msml.cli import cli
from msml.recipe.schema import TrainRecipe
from msml.registry import REGISTRIES


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return folder


def test_pages_fetch_nothing(site):
    fetching = re.compile(
        r'<(?:script|img|iframe|link rel="stylesheet")[^>]*(?:src|href)="?https?:'
    )
    assert not [page.name for page in site.glob("*.html") if fetching.search(page.read_text())]


@pytest.mark.parametrize(
    ("page", "known"),
    [
        ("recipe-reference", [field.name.rstrip("_") for field in dataclasses.fields(TrainRecipe)]),
        ("recipe-reference", ["tasks.NAME.candidates.NAME.start", "evaluate.subsets.NAME"]),
        ("names", [name for registry in REGISTRIES.values() for name in registry.names()]),
        ("commands", [f"msml {name}" for name in cli.commands]),
        ("changelog", ["0.1.0"]),
    ],
)
def test_references_know_all(site, page, known):
    text = (site / f"{page}.html").read_text()
    assert [name for name in known if name not in text] == []


def test_versions_agree():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (msml.__version__, "Apache-2.0")
