import dataclasses
import io
import json

import h5py
import numpy as np
import pytest
from rich.console import Console

from msml.data.events import EventWriter
from msml.errors import DataError, RecipeError
from msml.plotting import style
from msml.report.statistics import Fraction
from msml.studies.htautau.events import draw_page, print_summary, summarise
from msml.studies.htautau.events.image_panels import energy_range
from msml.studies.htautau.events.images import image_statistics, single_images, typical_events
from msml.studies.htautau.events.page import arrange, legend_entry, page
from msml.studies.htautau.events.panels import panels
from msml.studies.htautau.events.sample import count_modes, half_width, load
from msml.studies.htautau.events.table import abbreviate, human_bytes, percent, with_error

EVENTS = 400
PROVENANCE = {
    "source": "a test",
    "processes": ["higgs", "z"],
    "settings": {"seed": 3, "images": {"half_width": 0.4, "pixels": 8}},
    "versions": {"msml": "0.1.0"},
    "summary": {
        "higgs": {
            "label": 1,
            "events": 200,
            "cross_section_pb": 1.25,
            "cross_section_error_pb": 0.01,
            "cuts": [["generated", 1000], ["two taus", 500], ["two jets", 200]],
        },
        "z": {"label": 0, "events": 200, "cuts": [["generated", 4000], ["two jets", 200]]},
    },
}


def columns(seed=0):
    """Jets with 0.5 (higgs) or 2 (z) times the visible pt, which is 0.8 of the full one."""
    rng = np.random.default_rng(seed)
    process = np.arange(EVENTS) % 2
    visible = np.zeros((EVENTS, 2, 4))
    visible[..., 0] = rng.uniform(30, 90, (EVENTS, 2))
    visible[..., 1] = rng.uniform(-2, 2, (EVENTS, 2))
    visible[..., 2] = np.array([0.0, 3.0])
    jets = visible.copy()
    jets[..., 0] *= np.where(process == 0, 0.5, 2.0)[:, None]
    taus = visible[..., :3].copy()
    taus[..., 0] /= 0.8
    images = np.zeros((EVENTS, 2, 8, 8, 3))
    images[:, :, 4, 3, 0] = 6.0
    images[:, 0, 2, 5, 1] = np.where(process == 0, 4.0, 2.0)
    return {
        "jets": jets,
        "calo_images": images,
        "taus": taus,
        "visible_taus": visible,
        "decay_modes": rng.choice([0, 1, 2, 10, 11, 4], (EVENTS, 2)),
        "label": 1 - process,
        "process": process,
        "pileup_interactions": rng.poisson(50, EVENTS),
        "rho": rng.uniform(5, 15, EVENTS),
    }


def write(path, content, provenance):
    with EventWriter(path, len(content["jets"]), provenance) as writer:
        writer.append(content)
        writer.finish()
    return path


@pytest.fixture
def full(tmp_path):
    return write(tmp_path / "full.h5", columns(), PROVENANCE)


@pytest.fixture
def minimal(tmp_path):
    content = {name: columns()[name] for name in ("jets", "label")}
    return write(tmp_path / "minimal.h5", content, {})


@pytest.fixture
def imported(tmp_path):
    content = columns()
    for name in ("process", "pileup_interactions", "rho", "visible_taus"):
        del content[name]
    content["decay_modes"] = np.full((EVENTS, 2), -1)
    return write(tmp_path / "imported.h5", content, {"source": "import"})


def printed(summary, width=100):
    console = Console(file=io.StringIO(), width=width)
    print_summary(summary, console)
    return console.file.getvalue()


class TestSummary:
    def test_counts_and_columns(self, full):
        summary = summarise(full)
        assert summary.events == EVENTS
        assert summary.labels == {"0": 200, "1": 200}
        assert [(p.name, p.labels, p.events) for p in summary.processes] == [
            ("higgs", (1,), 200),
            ("z", (0,), 200),
        ]
        jets = next(column for column in summary.columns if column.name == "jets")
        assert jets.shape == (EVENTS, 2, 4)
        assert jets.units == ("GeV", "1", "rad", "GeV")
        assert jets.memory_bytes == EVENTS * 2 * 4 * 4
        assert 0 < jets.file_bytes < jets.memory_bytes

    def test_is_json(self, full, minimal):
        for path in (full, minimal):
            text = json.dumps(dataclasses.asdict(summarise(path)), allow_nan=False)
            assert json.loads(text)["path"] == str(path)

    def test_quantiles_of_known_ratios(self, full):
        higgs, z = summarise(full).processes
        np.testing.assert_allclose(higgs.quantiles["jet_over_visible_pt"], 0.5, rtol=1e-5)
        np.testing.assert_allclose(z.quantiles["jet_over_visible_pt"], 2.0, rtol=1e-5)
        np.testing.assert_allclose(z.quantiles["visible_over_full_pt"], 0.8, rtol=1e-5)
        np.testing.assert_allclose(z.quantiles["jet_over_full_pt"], 1.6, rtol=1e-5)
        jets = columns()["jets"][::2, 0, 0]
        expected = np.quantile(jets, [0.05, 0.16, 0.5, 0.84, 0.95])
        np.testing.assert_allclose(higgs.quantiles["leading_jet_pt"], expected, rtol=1e-5)

    def test_masses_of_back_to_back_taus(self, tmp_path):
        # pt 60, eta 0, back to back: 2 sqrt(60^2 + m^2), m the tau mass.
        content = {
            "jets": np.tile([50.0, 0, 0, 0], (3, 2, 1)),
            "taus": np.tile([60.0, 0, 0], (3, 2, 1)),
        }
        for name in content:
            content[name][:, 1, 2] = np.pi
        (process,) = summarise(write(tmp_path / "a.h5", content, {})).processes
        assert process.name == "all events"
        np.testing.assert_allclose(process.quantiles["jet_pair_mass"], 100, rtol=1e-5)
        mass = 2 * np.hypot(60, 1.777)
        np.testing.assert_allclose(process.quantiles["full_pair_mass"], mass, rtol=1e-5)

    def test_taus_without_momentum_are_left_out(self, tmp_path):
        content = columns()
        content["taus"][:, 1] = 0
        higgs, _ = summarise(write(tmp_path / "a.h5", content, PROVENANCE)).processes
        assert "full_pair_mass" not in higgs.quantiles
        np.testing.assert_allclose(higgs.quantiles["jet_over_full_pt"], 0.4, rtol=1e-5)

    def test_cuts(self, full):
        higgs, z = summarise(full).processes
        assert [cut.name for cut in higgs.cuts] == ["generated", "two taus", "two jets"]
        first, _, last = higgs.cuts
        assert first.of_first is None
        assert last.of_previous.value == 0.4
        assert last.of_first.value == 0.2
        half = np.sqrt(200 * 0.8 + 0.25) / 1001
        assert last.of_first.high - last.of_first.low == pytest.approx(2 * half)
        assert (higgs.cross_section_pb, higgs.cross_section_error_pb) == (1.25, 0.01)
        assert z.cross_section_pb is None

    def test_images_and_decay_modes(self, full):
        higgs, z = summarise(full).processes
        assert [layer.name for layer in higgs.layers] == ["tracker_pt", "ecal_et", "hcal_et"]
        assert [layer.energy for layer in higgs.layers] == pytest.approx([6, 2, 0])
        assert [layer.energy for layer in z.layers] == pytest.approx([6, 1, 0])
        # 200 jets of 4 GeV, 200 of 0: standard deviation 2.
        assert higgs.layers[1].energy_error == pytest.approx(2 / 20)
        assert [layer.filled for layer in z.layers] == pytest.approx([1 / 64, 0.5 / 64, 0])
        modes = columns()["decay_modes"][::2]
        assert higgs.decay_modes["h π⁰"].value == pytest.approx(np.mean(modes == 1))
        assert higgs.decay_modes["other"].value == pytest.approx(np.mean(modes == 4))

    def test_files_that_know_less(self, minimal, imported):
        summary = summarise(minimal)
        assert [p.name for p in summary.processes] == ["label 1", "label 0"]
        assert summary.processes[0].layers == ()
        assert summary.processes[0].cuts == ()
        assert (summary.source, summary.settings) == ("", {})
        assert summarise(imported).processes[0].decay_modes == {}

    def test_processes_beyond_the_list_get_a_number(self, tmp_path):
        content = columns()
        content["process"] = content["process"] + 1
        names = [p.name for p in summarise(write(tmp_path / "a.h5", content, PROVENANCE)).processes]
        assert names == ["z", "process 2"]

    @pytest.mark.parametrize(
        ("attribute", "value", "says"),
        [
            ("summary", {"z": {"cuts": [["a", 5], ["b", 9]]}}, "9 of 5"),
            ("summary", {"z": {"cuts": [["a"]]}}, "pairs"),
            ("summary", {"z": {"cross_section_pb": "much"}}, "not a number"),
            ("summary", [1], "expected a dict"),
            ("processes", "higgs", "expected a list"),
            ("settings", 5, "expected a dict"),
        ],
    )
    def test_wrong_provenance(self, tmp_path, attribute, value, says):
        path = write(tmp_path / "a.h5", columns(), {**PROVENANCE, attribute: value})
        with pytest.raises(DataError, match=says):
            summarise(path)

    def test_broken_files(self, tmp_path, full):
        broken = tmp_path / "broken.h5"
        broken.write_bytes(full.read_bytes()[:2000])
        nan = write(tmp_path / "nan.h5", columns(), PROVENANCE)
        with h5py.File(nan, "r+") as file:
            file["jets"][3, 0, 0] = np.nan
        for path in (broken, nan, tmp_path / "none.h5"):
            with pytest.raises(DataError, match=path.name):
                summarise(path)
            with pytest.raises(DataError, match=path.name):
                draw_page(path, tmp_path / "page.png")


class TestTable:
    def test_says_what_a_stranger_wants_to_know(self, full):
        text = printed(summarise(full))
        for part in (
            "full.h5",
            "400 events",
            "seed=3",
            "msml 0.1.0",
            "cross section [pb]",
            "1.250 ± 0.010",
            "two taus",
            "jet pT / visible tau pT",
            "0.50 (0.50 to 0.50)",
            "h π⁰",
            "ECAL",
            "n x 2 x 8 x 8 x 3",
        ):
            assert part in text
        assert len(text.splitlines()) < 70

    @pytest.mark.parametrize("width", [80, 100])
    def test_fits_the_terminal(self, full, imported, minimal, width):
        for path in (full, imported, minimal):
            lines = printed(summarise(path), width).splitlines()
            assert max(len(line) for line in lines) <= width

    def test_names_are_not_markup(self, tmp_path):
        provenance = {**PROVENANCE, "processes": ["[red]", "z"]}
        assert "[red]" in printed(summarise(write(tmp_path / "a.h5", columns(), provenance)))

    def test_long_settings_are_abbreviated(self):
        text = abbreviate({"a": {f"k{i}": i for i in range(20)}})
        assert text.startswith("a.k0=0, a.k1=1")
        assert text.endswith("12 more (--json prints all)")
        assert len(abbreviate({"a": "x" * 500})) < 60
        assert abbreviate({"a": 1}) == "a=1"

    def test_numbers(self):
        assert human_bytes(553_000_000) == "553 MB"
        assert human_bytes(999) == "999 B"
        assert human_bytes(2 * 10**12) == "2 TB"
        assert percent(Fraction(0.5, 0.48, 0.52)) == "50.0 ± 2.0"
        assert percent(Fraction(0.0, 0.0, 0.05)) == "0.0 +5.0 -0.0"
        assert percent(None) == "-"
        assert with_error(1543.21, 4.53) == "1543.2 ± 4.5"
        assert with_error(2.0, 0.0) == "2.00 ± 0.00"


class TestImages:
    def test_mean_is_of_the_leading_jets(self, full):
        mean = image_statistics(load(full)).mean
        assert mean.shape == (8, 8, 3)
        assert mean[4, 3, 0] == pytest.approx(6)
        assert mean[2, 5, 1] == pytest.approx(3)
        assert mean.sum() == pytest.approx(9)

    def test_does_not_depend_on_the_block_length(self, full, monkeypatch):
        whole = image_statistics(load(full))
        block = "msml.studies.htautau.events.images._BLOCK_BYTES"
        monkeypatch.setattr(block, 7 * 4 * 2 * 8 * 8 * 3)
        blocks = image_statistics(load(full))
        for field in dataclasses.fields(whole):
            name = field.name
            np.testing.assert_allclose(getattr(whole, name), getattr(blocks, name), rtol=1e-12)

    def test_one_usual_event_for_each_common_mode(self, full):
        sample = load(full)
        chosen = typical_events(sample)
        modes = sample.columns["decay_modes"][chosen, 0].tolist()
        assert modes == [0, 1, 2, 10, 11]
        pt = sample.columns["jets"][:, 0, 0]
        low, high = np.quantile(pt, [0.5, 0.84])
        assert ((pt[chosen] >= low) & (pt[chosen] <= high)).all()
        images = single_images(sample, chosen)
        assert [image.mode for image in images] == ["h", "h π⁰", "h 2π⁰", "3h", "3h π⁰"]
        assert images[0].jet_pt == pytest.approx(pt[chosen[0]])
        assert images[0].image[4, 3, 0] == 6

    def test_unknown_modes_are_not_named(self, imported):
        sample = load(imported)
        images = single_images(sample, typical_events(sample))
        assert [image.mode for image in images] == [""] * 5

    def test_window(self, full, imported):
        assert half_width(load(full)) == 0.4
        assert half_width(load(imported)) is None

    def test_energy_range(self):
        assert energy_range([np.array([[0, 2.0], [50, 1]])]) == (1, 50)
        assert energy_range([np.array([1e-9, 10.0])]) == pytest.approx((1e-3, 10))
        assert energy_range([np.array([5.0])]) == (0.5, 5)
        assert energy_range([np.zeros(3)]) == (1, 10)

    def test_count_modes(self):
        counts, known = count_modes(np.array([[1, -1], [0, 1], [-5, 20]]))
        assert counts == {"h": 1, "h π⁰": 2, "other": 2}
        assert known == 5


class TestPage:
    @pytest.mark.parametrize(
        "name",
        ["minimal", *(pytest.param(each, marks=pytest.mark.slow) for each in ("full", "imported"))],
    )
    @pytest.mark.parametrize(("suffix", "starts"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
    def test_is_written_twice_the_same(self, name, suffix, starts, request, tmp_path):
        path = request.getfixturevalue(name)
        pages = [tmp_path / "new" / f"{copy}{suffix}" for copy in "ab"]
        for output in pages:
            draw_page(path, output)
        assert pages[0].read_bytes().startswith(starts)
        assert pages[0].read_bytes() == pages[1].read_bytes()
        assert sorted(output.name for output in pages[0].parent.iterdir()) == [
            f"a{suffix}",
            f"b{suffix}",
        ]

    @pytest.mark.parametrize("events", [1, 2, 5])
    @pytest.mark.filterwarnings("error")
    def test_few_events(self, events, tmp_path):
        content = {name: array[:events] for name, array in columns().items()}
        draw_page(write(tmp_path / "few.h5", content, PROVENANCE), tmp_path / "page.png")

    @pytest.mark.filterwarnings("error")
    def test_empty_contents(self, tmp_path):
        content = columns()
        content["calo_images"][:] = 0
        content["visible_taus"][:] = 0
        content["pileup_interactions"][:] = 0
        draw_page(write(tmp_path / "zero.h5", content, {}), tmp_path / "page.png")

    def test_leaves_out_what_is_not_there(self, full, minimal, imported):
        assert [len(row) for row in arrange(panels(load(full)))] == [3, 3, 3, 2]
        assert len(panels(load(minimal))) == 3
        assert len(panels(load(imported))) == 5

    def test_full_page_is_a3(self, full):
        with style():
            width, height = page(load(full)).get_size_inches()
        assert (width, height) == pytest.approx((297 / 25.4, 420 / 25.4), abs=0.05)

    def test_says_file_events_and_processes(self, full, minimal):
        with style():
            title = page(load(full)).subfigs[0]
        texts = [text.get_text() for text in title.texts]
        assert texts[0] == "full.h5"
        assert texts[1].startswith("400 events")
        labels = [text.get_text() for text in title.legends[0].get_texts()]
        assert labels == ["higgs: 200 (label 1)", "z: 200 (label 0)"]
        assert legend_entry(load(minimal).groups[0]) == "label 1: 200"

    def test_leaves_no_state_behind(self, full, tmp_path):
        import matplotlib
        import matplotlib.pyplot as plt

        before = dict(matplotlib.rcParams)
        draw_page(full, tmp_path / "page.png")
        assert plt.get_fignums() == []
        assert dict(matplotlib.rcParams) == before

    def test_refuses_other_formats_and_places(self, full, tmp_path):
        with pytest.raises(RecipeError, match=r"known: \.pdf, \.png"):
            draw_page(full, tmp_path / "page.gif")
        (tmp_path / "file").touch()
        with pytest.raises(DataError, match="cannot be written"):
            draw_page(full, tmp_path / "file" / "page.png")


def test_import_does_not_load_matplotlib():
    import subprocess
    import sys

    code = "import sys, msml.studies.htautau.events; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
