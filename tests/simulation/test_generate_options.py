"""Overrides of `msml generate`, right and wrong."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import QUICK, fails, generate

from msml.data.events import describe, read

_TINY = (*QUICK, "events=2")


def test_chosen_columns(tmp_path: Path, quick_file: Path) -> None:
    output = tmp_path / "events.h5"
    generate(output, *_TINY, "columns=[label, jets]")
    assert describe(output).shapes == {"label": (4,), "jets": (4, 2, 4)}
    np.testing.assert_array_equal(read(output)["jets"][:2], read(quick_file)["jets"][:2])


def test_collections(tmp_path: Path) -> None:
    output = tmp_path / "events.h5"
    generate(output, *_TINY, "collections.jets=8", "collections.constituents=20")
    events = read(output)
    jets, labels = events["all_jets"], events["all_jets_tau"]
    assert jets.shape == (4, 8, 4)
    assert events["constituents"].shape == (4, 8, 20, 3)
    assert events["constituent_charges"].shape == (4, 8, 20)
    np.testing.assert_array_equal(events["all_jets_real"], jets[..., 0] > 0)
    np.testing.assert_array_equal(events["constituents_real"], events["constituents"][..., 0] > 0)
    np.testing.assert_array_equal((labels == 1).sum(axis=1), 2)
    assert (np.diff(jets[..., 0], axis=1) <= 0).all()
    # The tau jets are those of the pair.
    np.testing.assert_array_equal(jets[labels == 1].reshape(4, 2, 4), events["jets"])
    members = events["constituents"]
    assert (np.diff(members[..., 0], axis=2) <= 0).all()
    assert (members[jets[..., 0] == 0] == 0).all()
    assert (members[..., 0, 0] > 0).sum() == (jets[..., 0] > 0).sum()
    assert set(np.unique(events["constituent_charges"])) == {-1, 0, 1}


@pytest.mark.slow
def test_energy_flow_images(tmp_path: Path, quick_file: Path) -> None:
    output = tmp_path / "events.h5"
    generate(output, *_TINY, "images.source=energy_flow", "images.pixels=8")
    images, towers = read(output)["calo_images"][:2], read(quick_file)["calo_images"][:2]
    assert images.shape == (2, 2, 8, 8, 3)
    np.testing.assert_allclose(
        images[..., 0].sum(axis=(2, 3)), towers[..., 0].sum(axis=(2, 3)), rtol=1e-5
    )
    # Energy flow takes the tracks' energy out of the hadronic calorimeter.
    assert images[..., 2].sum() < 0.8 * towers[..., 2].sum()


def test_without_pileup(quick_file: Path) -> None:
    events = read(quick_file)
    assert not events["pileup_interactions"].any()
    assert events["rho"].mean() < 3
    assert np.median(events["jets"][..., 0] / events["visible_taus"][..., 0]) < 1.05


def test_mistakes_of_type_and_name_are_all_told_at_once(tmp_path: Path) -> None:
    errors = fails(
        2,
        tmp_path / "events.h5",
        "events=many",
        "processes.zz.events=4",
        "pileup.mean=[1]",
        "jets.radios=0.4",
        "images=towers",
        "columns=jets",
        "seed=-1",
        "pileup.pool=0",
        "processes.z.label=256",
        "processes.higgs.events=-5",
        "jets.radius=.nan",
        "detector.muons.efficiency=[[1, 2]]",
    )
    for part in (
        "events: expected a whole number",
        "unknown entry 'zz'; did you mean 'z'?",
        "pileup.mean: expected a number, got a list",
        "jets.radios: unknown key; did you mean 'radius'?",
        "images: expected a mapping",
        "columns: expected a list of texts",
        "seed: expected 0 or more, got -1",
        "pileup.pool: expected 1 or more, got 0",
        "processes.z.label: expected a number from 0 to 255, got 256",
        "processes.higgs.events: expected 1 or more or null, got -5",
        "jets.radius: expected a number above 0, got nan",
        "detector.muons.efficiency.0.1: expected a number from 0 to 1, got 2",
    ):
        assert sum(part in line for line in errors) == 1, part
    assert len(errors) == 12
    assert not list(tmp_path.iterdir())


def test_mistakes_of_meaning_are_all_told_at_once(tmp_path: Path) -> None:
    errors = fails(
        2,
        tmp_path / "events.h5",
        "pythia.Beams:eMC=14000",
        "processes.z.pythia.WeakZ0:gmZmod=1",
        "pileup.pythia.SoftQCD:al=on",
        "columns=[jets, tauss]",
        "selection.jet_pt_mim=30",
        "selection.delta_r_max=near",
        "images.source=tower",
        "detector.muons.efficiency=[[1, 1]]",
        "detector.ecal.rings=[[0, 2, 10, 36], [2.5, 3, 1, 36]]",
        "detector.b_tagging.b=[0.5]",
        "detector.muon_identification.pt=[20, 10]",
    )
    for part in (
        "pythia.Beams:eMC: Pythia has no such setting",
        "processes.z.pythia.WeakZ0:gmZmod: Pythia has no such setting",
        "pileup.pythia.SoftQCD:al: Pythia has no such setting",
        "columns: unknown column 'tauss'; did you mean 'taus'?",
        "selection.jet_pt_mim: unknown cut; did you mean 'jet_pt_min'",
        "selection.delta_r_max: expected a number, got the text 'near'",
        "images.source: unknown source 'tower'; did you mean 'towers'?",
        "detector.muons.efficiency: expected one row for each of eta",
        "detector.ecal.rings.1: [2.5, 3.0, 1.0, 36.0], expected [eta from",
        "detector.b_tagging.b: expected [height, rise, fall]",
        "detector.muon_identification.pt: expected rising numbers",
        "detector.muon_identification.efficiency: expected one row for each of eta",
    ):
        assert sum(part in line for line in errors) == 1, (part, errors)
    assert len(errors) == 12
    assert all(line.startswith("command line: ") for line in errors)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["selection.name=three_taus"], "selection.name: unknown event selection 'three_taus'"),
        (["columns=[]"], "columns"),
        (["columns=[jets, all_jets]"], "columns"),
        (["columns=[event_objects]"], "the selection 'two_hadronic_taus' fills no 'event_objects'"),
        (["processes.z.pythia.WeakSingleBoson:ffbar2gmZ=off"], "processes.z.pythia: Pythia cannot"),
        (["pileup.mean=1", "pileup.pythia.SoftQCD:all=off"], "pileup.pythia: Pythia cannot"),
        (["events"], "malformed override 'events'"),
    ],
)
def test_a_recipe_that_cannot_work_is_one_line(
    tmp_path: Path, cache: Path, overrides: list[str], message: str
) -> None:
    before = sorted(cache.glob("*.npz"))
    errors = fails(2, tmp_path / "events.h5", *_TINY, *overrides)
    assert len(errors) == 1
    assert message in errors[0]
    assert not list(tmp_path.iterdir())
    assert sorted(cache.glob("*.npz")) == before


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param(["selection.visible_pt_min=3000"], marks=pytest.mark.slow),
        pytest.param(["selection.jet_pt_min=3000"], marks=pytest.mark.slow),
        ["jets.pt_min=3000", "collections.jets=4"],
    ],
    ids=["all vetoed", "no jet hard enough", "no jets"],
)
def test_impossible_cuts_are_one_line(tmp_path: Path, cuts: list[str]) -> None:
    errors = fails(2, tmp_path / "events.h5", *_TINY, "max_tries=200", *cuts)
    assert len(errors) == 1
    assert "no event accepted in 200 tries" in errors[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_cuts_that_few_events_pass(tmp_path: Path) -> None:
    """Whole batches are vetoed, and batches have no jets; the others count."""
    output = tmp_path / "events.h5"
    cuts = ("selection.visible_pt_min=40", "jets.pt_min=45", "selection.jet_pt_min=45")
    generate(output, *_TINY, "collections.jets=2", *cuts)
    events = read(output)
    assert events["visible_taus"][..., 0].min() > 40
    assert events["all_jets"].shape == (4, 2, 4)


def test_an_unknown_recipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "msml", "generate", "events/htautua.yaml"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert found.returncode == 2
    assert found.stderr.startswith("msml: no such recipe 'events/htautua.yaml'")
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["--version"]])
def test_help_imports_nothing_large(arguments: list[str]) -> None:
    probe = (
        "import sys, msml.cli\n"
        f"sys.argv = ['msml', *{arguments!r}]\n"
        "try:\n    msml.cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "large = ('tensorflow', 'keras', 'matplotlib', 'pythia8mc', 'fastjet', 'awkward')\n"
        "loaded = [name for name in large if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout
    assert not found.stderr
