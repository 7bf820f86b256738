import os
import sys
from dataclasses import dataclass, field, replace
from typing import Any

import delphes_tree
import numpy as np
import pytest
from raised import message

from msml.data.events import describe, read
from msml.errors import RecipeError
from msml.recipe import load
from msml.simulation.matching import TauPairCuts
from msml.studies.htautau.importers.decays import flat_particles, hadronic_taus
from msml.studies.htautau.importers.delphes import Images, Process, import_delphes
from msml.studies.htautau.importers.npy import import_npy
from msml.studies.htautau.importers.recipe import ImportRecipe, Source, run_import

STEMS = ("Htautau", "Zpure_tau")


# The published code's arrays


def momenta(rows, rng, masses):
    """Pairs of four-vectors `(rows, 2, 4)` in GeV, the first pt above the second."""
    vectors = rng.random((rows, 2, 4)) * [30, 2, 3, masses] + [10, 0, 0, 0]
    vectors[:, 0, 0] += 30
    return vectors


def stored(vectors):
    """As in the files: `(rows, 8)` with log(0.1 + pt)."""
    logs = vectors.copy()
    logs[..., 0] = np.log(0.1 + logs[..., 0])
    return logs.reshape(len(vectors), 8)


def make_npy(folder, rows=(30, 20), dtype="f4", pixels=16):
    """Write the eight files; returns the four-vectors in GeV and images of both classes."""
    rng, truth = np.random.default_rng(3), []
    folder.mkdir(exist_ok=True)
    for stem, count in zip(STEMS, rows, strict=True):
        jets, taus = momenta(count, rng, 20), momenta(count, rng, 0)
        images = rng.random((count, 2, pixels, pixels, 3)).astype("f4")
        for kind, array in (("jet", stored(jets)), ("tau", stored(taus)), ("energy", images)):
            np.save(folder / f"{stem}_{kind}.npy", array.astype(dtype))
        np.save(folder / f"{stem}_istau.npy", np.ones((count, 2), int))
        truth.append((jets, taus, images))
    return [np.concatenate(arrays) for arrays in zip(*truth, strict=True)]


@pytest.fixture
def arrays(tmp_path):
    make_npy(tmp_path / "npy")
    return tmp_path / "npy"


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4"])
def test_npy_columns(tmp_path, dtype):
    jets, taus, images = make_npy(tmp_path / "npy", dtype=dtype)
    made = import_npy(f"{tmp_path}/npy/", tmp_path / "a.h5")
    found = read(tmp_path / "a.h5")
    assert made == describe(tmp_path / "a.h5")
    assert found["jets"] == pytest.approx(jets, rel=1e-5, abs=1e-5)
    assert found["taus"] == pytest.approx(taus[..., :3], rel=1e-5, abs=1e-5)
    assert (found["calo_images"] == images).all()
    assert found["label"].tolist() == [1] * 30 + [0] * 20
    assert found["process"].tolist() == [0] * 30 + [1] * 20
    assert found["event_number"].tolist() == [*range(30), *range(20)]
    assert len(found) == 6


def test_npy_provenance(arrays):
    about = import_npy(f"{arrays}/", arrays / "a.h5", events=7).provenance
    assert about["source"] == "npy"
    assert about["processes"] == ["higgs", "z"]
    assert about["settings"] == {"source": {"name": "npy", "prefix": f"{arrays}/", "events": 7}}
    assert set(about["versions"]) == {"msml", "numpy", "h5py"}
    assert about["summary"] == {
        "higgs": {"label": 1, "events": 7, "cuts": [["read", 7]]},
        "z": {"label": 0, "events": 7, "cuts": [["read", 7]]},
    }


def test_npy_first_events_of_each_class(arrays):
    import_npy(f"{arrays}/", arrays / "all.h5")
    import_npy(f"{arrays}/", arrays / "few.h5", events=4)
    whole, few = read(arrays / "all.h5"), read(arrays / "few.h5")
    taken = [0, 1, 2, 3, 30, 31, 32, 33]
    assert all((few[name] == whole[name][taken]).all() for name in whole)


def test_npy_prefix_is_concatenated_and_a_folder_needs_no_slash(arrays):
    for path in list(arrays.glob("*.npy")):
        os.link(path, path.with_name(f"v1_{path.name}"))
    files = [arrays / f"{i}.h5" for i in range(3)]
    import_npy(str(arrays), files[0])
    import_npy(f"{arrays}/", files[1])
    import_npy(f"{arrays}/v1_", files[2])
    assert files[0].read_bytes() == files[1].read_bytes()
    assert (read(files[0])["jets"] == read(files[2])["jets"]).all()


def test_npy_leading_jet_comes_first(arrays):
    import_npy(str(arrays), arrays / "before.h5")
    swapped = [3, 29]
    for kind in ("jet", "tau", "energy"):
        path = arrays / f"Htautau_{kind}.npy"
        pairs = np.load(path)
        shape, pairs = pairs.shape, pairs.reshape(30, 2, -1)
        pairs[swapped] = pairs[swapped, ::-1]
        np.save(path, pairs.reshape(shape))
    import_npy(str(arrays), arrays / "after.h5")
    assert (arrays / "before.h5").read_bytes() == (arrays / "after.h5").read_bytes()


def test_npy_many_blocks(tmp_path):
    jets, _, images = make_npy(tmp_path, rows=(2500, 1024), pixels=2)
    import_npy(str(tmp_path), tmp_path / "a.h5")
    found = read(tmp_path / "a.h5")
    assert found["jets"] == pytest.approx(jets, rel=1e-5, abs=1e-5)
    assert (found["calo_images"] == images).all()
    assert found["event_number"].tolist() == [*range(2500), *range(1024)]


@pytest.mark.parametrize(
    ("value", "text"), [(np.nan, "NaN or infinity in row 1500"), (50, "row 1500 has")]
)
def test_npy_rows_are_counted_through_the_file(tmp_path, value, text):
    make_npy(tmp_path, rows=(2500, 5), pixels=2)
    array = np.load(tmp_path / "Htautau_tau.npy")
    array[1500, 0] = value
    np.save(tmp_path / "Htautau_tau.npy", array)
    assert text in message(import_npy, str(tmp_path), tmp_path / "a.h5")


def test_npy_zero_momentum_stays_zero(arrays):
    taus = np.load(arrays / "Htautau_tau.npy")
    taus[:, 4] = np.log(np.float32(0.1))
    np.save(arrays / "Htautau_tau.npy", taus)
    import_npy(str(arrays), arrays / "a.h5")
    assert read(arrays / "a.h5")["taus"][:30, 1, 0] == pytest.approx(0, abs=1e-8)
    assert read(arrays / "a.h5")["taus"][:, :, 0].min() >= 0


def test_npy_missing_files_are_named(arrays):
    (arrays / "Htautau_istau.npy").unlink()
    (arrays / "Zpure_tau_energy.npy").unlink()
    text = message(import_npy, str(arrays), arrays / "a.h5")
    assert f"no such file: {arrays}/Htautau_istau.npy, {arrays}/Zpure_tau_energy.npy" in text


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("jet", (30, 6), "(events, 8)"),
        ("tau", (30, 2, 4), "(events, 8)"),
        ("istau", (30,), "(events, 2)"),
        ("energy", (30, 2, 3, 16, 16), "(events, 2, pixels, pixels, 3)"),
        ("energy", (30, 2, 16, 12, 3), "(events, 2, pixels, pixels, 3)"),
        ("energy", (30, 16, 16, 3), "(events, 2, pixels, pixels, 3)"),
    ],
)
def test_npy_wrong_shape(arrays, kind, shape, expected):
    np.save(arrays / f"Htautau_{kind}.npy", np.zeros(shape))
    text = message(import_npy, str(arrays), arrays / "a.h5")
    assert f"Htautau_{kind}.npy: shape {shape}, expected {expected}" in text


@pytest.mark.parametrize("length", [0, 5, 40, 127, 128, 200, -1])
def test_npy_truncated(arrays, length):
    path = arrays / "Zpure_tau_jet.npy"
    path.write_bytes(path.read_bytes()[:length])
    text = message(import_npy, str(arrays), arrays / "a.h5")
    assert "Zpure_tau_jet.npy: not a complete .npy file" in text
    assert not (arrays / "a.h5").exists()


def test_npy_of_objects_and_archives(arrays):
    path = arrays / "Htautau_jet.npy"
    np.save(path, np.full((30, 8), None), allow_pickle=True)
    assert "Htautau_jet.npy: not a complete .npy file of num" in message(
        import_npy, str(arrays), path
    )
    np.save(path, np.full((30, 8), "a"))
    assert "expected an array of numbers" in message(import_npy, str(arrays), path)
    with path.open("wb") as file:
        np.savez(file, a=np.zeros((30, 8)))
    assert "archive, expected an array of numbers" in message(import_npy, str(arrays), path)


def test_npy_different_numbers_of_rows(arrays):
    path = arrays / "Zpure_tau_istau.npy"
    np.save(path, np.load(path)[:-1])
    text = message(import_npy, str(arrays), arrays / "a.h5")
    assert "Zpure_tau_jet.npy 20" in text
    assert "Zpure_tau_istau.npy 19" in text


def test_npy_too_few_rows(arrays):
    text = message(import_npy, str(arrays), arrays / "a.h5", events=21)
    assert "Zpure_tau_jet.npy: 20 rows, expected 21" in text


def test_npy_no_rows(tmp_path):
    make_npy(tmp_path / "npy", rows=(5, 0))
    text = message(import_npy, str(tmp_path / "npy"), tmp_path / "a.h5")
    assert "Zpure_tau_" in text
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize("kind", ["jet", "tau", "energy"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_npy_nan(arrays, kind, value):
    path = arrays / f"Zpure_tau_{kind}.npy"
    array = np.load(path)
    array[17].flat[3] = value
    np.save(path, array)
    text = message(import_npy, str(arrays), arrays / "a.h5")
    assert f"Zpure_tau_{kind}.npy: NaN or infinity in row 17" in text
    assert [p.suffix for p in arrays.iterdir()] == [".npy"] * 8


@pytest.mark.parametrize("value", [50.0, -3.0])
def test_npy_pt_that_is_no_logarithm(arrays, value):
    path = arrays / "Htautau_jet.npy"
    array = np.load(path)
    array[4, 4] = value
    np.save(path, array)
    text = message(import_npy, str(arrays), arrays / "a.h5")
    assert "Htautau_jet.npy: row 4" in text
    assert "expected log(0.1 + pT/GeV)" in text


# Delphes

NO_PAIR = delphes_tree.event(jets=delphes_tree.JETS[:2])
NO_TAUS = delphes_tree.event(particles=[(25, -1, -1, (0.1, 0.0, 0.0, 125.0))])
NOTHING = delphes_tree.event([], [], [], [])
GOOD = delphes_tree.event()


@pytest.fixture
def delphes(tmp_path):
    """Two files of one process and one of another."""
    delphes_tree.write(tmp_path / "h_1.root", [NO_TAUS, GOOD, NOTHING])
    delphes_tree.write(tmp_path / "h_2.root", [NO_PAIR, GOOD, GOOD])
    delphes_tree.write(tmp_path / "z.root", [GOOD])
    return {
        "higgs": Process(1, [f"{tmp_path}/h_*.root"]),
        "z": Process(0, [f"{tmp_path}/z.root"]),
    }


def test_delphes_columns(tmp_path, delphes):
    import_delphes(delphes, tmp_path / "a.h5")
    found = read(tmp_path / "a.h5")
    assert found["label"].tolist() == [1, 1, 1, 0]
    assert found["process"].tolist() == [0, 0, 0, 1]
    assert found["event_number"].tolist() == [0, 1, 2, 0]
    for row in range(4):
        assert found["jets"][row] == pytest.approx(np.array(delphes_tree.JETS[1:]))
        assert found["decay_modes"][row].tolist() == [10, 1]
        # The last copy of the tau that ends in rho, 59 GeV, not its mother of 60 GeV.
        assert found["taus"][row] == pytest.approx(
            np.array([(50, -1, 0), (59, 0.5, 3.1)]), abs=1e-5
        )
        # As sums of a1 + pi, and of rho alone.
        assert found["visible_taus"][row, 1] == pytest.approx((45, 0.5, 3.14, 0.77), rel=1e-3)
        assert found["visible_taus"][row, 0, :3] == pytest.approx((40, -1, 0.02), rel=1e-5)


def test_delphes_weights_are_imported_and_other_trees_named(tmp_path):
    import uproot

    file = tmp_path / "w.root"
    delphes_tree.write(file, [delphes_tree.event(weight=w) for w in (-0.5, 2.0)])
    with uproot.update(file) as more:
        more.mktree("Systematics", {"x": "f4"}).extend({"x": np.zeros(2, "f4")})
    made = import_delphes({"w": Process(1, [str(file)])}, tmp_path / "w.h5")
    assert read(tmp_path / "w.h5")["weight"].tolist() == [-0.5, 2.0]
    assert made.provenance["left_out"] == ["tree Systematics"]
    delphes_tree.write(tmp_path / "z.root", [GOOD])
    both = {"w": Process(1, [str(file)]), "z": Process(0, [f"{tmp_path}/z.root"])}
    text = message(import_delphes, both, tmp_path / "a.h5")
    assert (
        text
        == f"{tmp_path}/z.root: no branch Event.Weight, but {file} has it; expected all or none"
    )
    assert not (tmp_path / "a.h5").exists()


def test_delphes_images(tmp_path, delphes):
    import_delphes(delphes, tmp_path / "a.h5")
    images = read(tmp_path / "a.h5")["calo_images"]
    assert (images == images[0]).all()
    pixels = {tuple(place): images[0][tuple(place)] for place in np.argwhere(images[0])}
    assert pixels == {
        (0, 7, 8, 0): pytest.approx(7),
        (0, 8, 8, 2): pytest.approx(6 / np.cosh(1)),
        (1, 0, 7, 1): pytest.approx(8 / np.cosh(0.11)),
        (1, 0, 7, 2): pytest.approx(4 / np.cosh(0.11)),
        (1, 8, 8, 0): pytest.approx(20),
    }


def test_delphes_provenance(tmp_path, delphes):
    about = import_delphes(delphes, tmp_path / "a.h5").provenance
    assert about["source"] == "delphes"
    assert about["processes"] == ["higgs", "z"]
    assert set(about["versions"]) == {"msml", "numpy", "h5py", "uproot"}
    assert about["settings"]["processes"]["z"] == {"label": 0, "files": [f"{tmp_path}/z.root"]}
    assert about["settings"]["selection"]["delta_r_max"] == 0.3
    assert about["settings"]["images"] == {"pixels": 16, "half_width": 0.4}
    assert about["summary"]["higgs"] == {
        "label": 1,
        "events": 3,
        "cuts": [["read", 6], ["two fiducial taus", 4], ["two matched jets", 3]],
    }


def test_delphes_bytes_do_not_depend_on_the_step(tmp_path, delphes):
    files = [tmp_path / f"{step}.h5" for step in (1, 2, 100)]
    for file in files:
        import_delphes(delphes, file, step_size=int(file.stem))
    assert len({file.read_bytes() for file in files}) == 1


def test_delphes_selection_and_images_are_used(tmp_path, delphes):
    made = import_delphes(delphes, tmp_path / "a.h5", images=Images(4, 0.2))
    assert made.shapes["calo_images"] == (4, 2, 4, 4, 3)
    assert read(tmp_path / "a.h5")["calo_images"].sum(axis=(2, 3))[0, 1].tolist() == [20, 0, 0]
    text = message(
        import_delphes, delphes, tmp_path / "b.h5", replace(TauPairCuts(), jet_pt_min=45.0)
    )
    assert "process 'higgs': no event passes" in text
    assert "read 6, two fiducial taus 4, two matched jets 0" in text
    assert not (tmp_path / "b.h5").exists()


def test_delphes_missing_branches_are_all_named(tmp_path):
    leave_out = ["Track.PT", "Track.Eta", "Track.Phi", "Tower.Ehad"]
    delphes_tree.write(tmp_path / "a.root", [GOOD], leave_out)
    process = {"higgs": Process(1, [f"{tmp_path}/a.root"])}
    text = message(import_delphes, process, tmp_path / "a.h5")
    assert "no branches Track.PT, Track.Eta, Track.Phi, Tower.Ehad; Delphes writes them" in text
    assert "TrackPileUpSubtractor/eflowTracks Track Track" in text


def test_delphes_other_tree_and_no_file(tmp_path):
    delphes_tree.write(tmp_path / "a.root", [GOOD], tree="Events")
    process = {"higgs": Process(1, [f"{tmp_path}/a.root"])}
    text = message(import_delphes, process, tmp_path / "a.h5")
    assert "no tree 'Delphes' in it; it holds Events" in text
    process = {"higgs": Process(1, [f"{tmp_path}/b_*.root"])}
    text = message(import_delphes, process, tmp_path / "a.h5")
    assert "b_*.root: no such file (process 'higgs')" in text


@pytest.mark.parametrize("part", [0, 0.001, 0.01, 0.2, 0.5, 0.9, 0.99])
def test_delphes_truncated(tmp_path, delphes, part):
    path = tmp_path / "z.root"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    text = message(import_delphes, delphes, tmp_path / "a.h5")
    assert "z.root: not a complete ROOT file" in text
    assert list(tmp_path.glob("*.h5*")) == list(tmp_path.glob(".*")) == []


def test_delphes_not_root(tmp_path, delphes):
    (tmp_path / "z.root").write_text("not ROOT\n" * 1000)
    assert "z.root: not a complete ROOT file" in message(import_delphes, delphes, tmp_path / "a.h5")


def test_delphes_empty_tree(tmp_path, delphes):
    delphes_tree.write(tmp_path / "z.root", [NOTHING])
    text = message(import_delphes, delphes, tmp_path / "a.h5")
    assert "process 'z': no event passes the cuts (read 1, two fiducial taus 0" in text


@pytest.mark.parametrize("package", ["uproot", "awkward"])
def test_delphes_without_uproot(tmp_path, delphes, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    text = message(import_delphes, delphes, tmp_path / "a.h5")
    assert "pip install 'msml[root]'" in text


def test_delphes_daughters_outside_of_the_event(tmp_path, delphes):
    broken = [*delphes_tree.GOOD[:1], (15, 2, 99, (60.0, 0.5, 3.1, 1.777))]
    delphes_tree.write(tmp_path / "z.root", [GOOD, delphes_tree.event(broken)])
    text = message(import_delphes, delphes, tmp_path / "a.h5", step_size=1)
    assert "z.root: in the block from event 1: event 0: the index of a daughter" in text


# Decays


def taus_of(*particles):
    """Hadronic taus of one event of (pid, d1, d2), all with momentum (1, 0, 0, number)."""
    pid, d1, d2 = np.array(particles).T
    momentum = np.zeros((len(pid), 4))
    momentum[:, 0], momentum[:, 3] = 1, np.arange(len(pid))
    return hadronic_taus(flat_particles(np.array([len(pid)]), pid, d1, d2, momentum))


@pytest.mark.parametrize(
    ("daughters", "mode"),
    [
        ([-211], 0),
        ([-321], 0),
        ([-211, 111], 1),
        ([-211, 111, 111], 2),
        ([-211, -211, 211], 10),
        ([-211, -211, 211, 111], 11),
        ([-211, 310], 0),
        ([-211, 22], 0),
        ([310], -1),
        ([-213], -1),
    ],
)
def test_decay_mode(daughters, mode):
    found = taus_of((15, 1, 1 + len(daughters)), (16, -1, -1), *((d, -1, -1) for d in daughters))
    assert found.decay_mode.tolist() == [mode]
    count = len(daughters)
    assert found.visible.tolist() == [[count, 0, 0, sum(range(2, 2 + count))]]
    assert found.momentum.tolist() == [[1, 0, 0, 0]]


@pytest.mark.parametrize("daughters", [(11, 12, 16), (13, 14, 16), (15, 22)])
def test_leptonic_taus_and_copies_do_not_count(daughters):
    found = taus_of((-15, 1, len(daughters)), *((-d, -1, -1) for d in daughters))
    assert found.event.tolist() == []


def test_a_tau_without_daughters_does_not_count():
    assert taus_of((15, -1, -1), (211, -1, -1)).event.tolist() == []


def test_single_daughters_and_terminal_particles():
    # tau -> nu rho, rho -> pi pi0, pi0 -> gamma gamma; single daughters with D2 = -1.
    found = taus_of(
        (15, 1, 2), (16, -1, -1), (-213, 3, 4), (-211, 5, -1), (111, 6, 7), (13, -1, -1),
        (22, -1, -1), (-11, -1, -1),
    )  # fmt: skip
    assert found.decay_mode.tolist() == [1]
    kaon = taus_of((15, 1, 2), (-211, -1, -1), (310, 3, 4), (211, -1, -1), (-211, -1, -1))
    assert kaon.decay_mode.tolist() == [0]
    single = taus_of((15, 1, -1), (-213, 2, -1), (-211, -1, -1))
    assert single.decay_mode.tolist() == [0]
    assert single.visible.tolist() == [[1, 0, 0, 1]]


def test_a_loop_of_daughters_ends():
    assert "loop" in message(taus_of, (15, 1, 1), (-213, 1, 1))


def test_daughters_count_within_their_event():
    pid = np.array([15, 16, -211, 21, 15, 16, -211, 111])
    d1 = np.array([1, -1, -1, -1, 2, -1, -1, -1])
    d2 = np.array([2, -1, -1, -1, 4, -1, -1, -1])
    counts = np.array([3, 0, 5])
    found = hadronic_taus(flat_particles(counts, pid, d1, d2, np.ones((8, 4))))
    assert found.event.tolist() == [0, 2]
    assert found.decay_mode.tolist() == [0, 1]
    assert found.visible[:, 0].tolist() == [1, 2]


# The recipe


@dataclass
class FakeRecipe:
    """What `msml.recipe.load` returns, as far as `run_import` uses it."""

    values: ImportRecipe
    problems: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, problems: list[tuple[str, str]]) -> None:
        if problems:
            raise RecipeError([f"{key}: {text}" for key, text in problems])


def problems(**values: Any) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        run_import(FakeRecipe(ImportRecipe(**values)))
    return caught.value.problems


def test_run_import_npy(arrays):
    output = arrays / "out" / "a.h5"
    recipe = FakeRecipe(ImportRecipe(str(output), Source("npy", f"{arrays}/", 5)))
    assert run_import(recipe).events == 10
    before = output.read_bytes()
    text = message(run_import, recipe)
    assert text == f"{output}: exists; remove it or choose another output=..."
    output.unlink()
    run_import(recipe)
    assert output.read_bytes() == before


def test_run_import_delphes(tmp_path, delphes):
    recipe = FakeRecipe(ImportRecipe(f"{tmp_path}/a.h5", Source("delphes"), delphes))
    assert run_import(recipe).events == 4


def test_unknown_source():
    assert problems(output="a.h5", source=Source("delfes")) == [
        "source.name: unknown source 'delfes'; did you mean 'delphes'?"
    ]


def test_all_problems_at_once():
    found = problems(
        output="a.h5",
        source=Source("delphes", "x/", 5),
        processes={"h": Process(2, ["a.root"]), "z": Process(0, [])},
        images=Images(0, -1.0),
    )
    keys = [line.partition(":")[0] for line in found]
    assert keys == [
        "source.prefix",
        "source.events",
        "processes.h.label",
        "processes.z.files",
        "images.pixels",
        "images.half_width",
    ]
    found = problems(
        output="a.h5", source=Source("npy", None, 0), processes={"h": Process(1, [])},
        selection=TauPairCuts(jet_pt_min=5.0), images=Images(8),
    )  # fmt: skip
    keys = [line.partition(":")[0] for line in found]
    assert keys == ["source.prefix", "source.events", "processes", "selection", "images"]
    assert problems(output="a.h5", source=Source("delphes"))[0].startswith("processes: missing")


def test_shipped_recipes_are_the_defaults():
    npy = load("recipes/events/import_npy.yaml", ImportRecipe).values
    assert npy == ImportRecipe("data/htautau.h5", Source("npy", "data/npy/"))
    delphes = load("recipes/events/import_delphes.yaml", ImportRecipe).values
    assert delphes == ImportRecipe(delphes.output, Source("delphes"), delphes.processes)
    assert {name: one.label for name, one in delphes.processes.items()} == {"higgs": 1, "z": 0}


def test_problems_are_reported_where_they_are(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("output: a.h5\nsource:\n  name: npz\n")
    with pytest.raises(RecipeError) as caught:
        run_import(load(path, ImportRecipe))
    assert caught.value.problems == [
        f"{path}:3: source.name: unknown source 'npz'; did you mean 'npy'?"
    ]


def test_a_home_is_one_in_all_paths(tmp_path, arrays, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(arrays)
    assert import_npy("~/npy/", tmp_path / "a.h5").events == 50
    text = message(import_delphes, {"z": Process(0, ["~/none.root"])}, tmp_path / "b.h5")
    assert text.startswith(f"{tmp_path}/none.root: no such file")
    assert not (arrays / "~").exists()
