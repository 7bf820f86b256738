"""HDF5 files that others write, as far as they hold columns."""

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from raised import message

from msml.data.dataset import load_split, load_splits
from msml.data.described import Files
from msml.data.events import EventWriter, describe, read, read_blocks
from msml.data.schema import COLUMNS, Column
from msml.errors import RecipeError
from msml.recipe.schema import Data
from msml.registry import columns, load_plugins

SPLITS = ("train", "valid", "test")
ROWS = 6
VALUES = np.arange(ROWS * 3).reshape(ROWS, 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "other.h5"


def make(path, content=(), **more):
    """Write datasets by name."""
    with h5py.File(path, "w") as file:
        for name, array in {**dict(content), **more}.items():
            file[name] = array
    return path


def test_a_plain_file(path):
    label = np.array([0, 1] * 3)
    make(path, features=VALUES.astype("f8"), label=label, weight=np.ones(ROWS, "f8"))
    about = describe(path)
    assert about.events == ROWS
    assert about.shapes == {"features": (ROWS, 3), "label": (ROWS,), "weight": (ROWS,)}
    assert about.ignored == {}
    assert about.columns["features"] == Column("features", "float64", (), (3,), (), (), "")
    assert_array_equal(read(path)["label"], label)


@pytest.mark.parametrize(
    "kind", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
)
@pytest.mark.parametrize("order", "<>")
def test_types_and_byte_orders(path, kind, order):
    stored = (VALUES % 2).astype(np.dtype(kind).newbyteorder(order))
    make(path, x=stored)
    found = read(path)["x"]
    assert found.dtype == np.dtype(kind)
    assert found.dtype.isnative
    assert_array_equal(found, VALUES % 2)
    assert describe(path).columns["x"].dtype == str(np.dtype(kind))


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (4, 2)},
        {"chunks": (ROWS, 1), "compression": "gzip"},
        {"chunks": (1, 3), "compression": "lzf", "shuffle": True},
        {"maxshape": (None, 3), "fletcher32": True},
        {"dtype": "f4", "scaleoffset": 2},
    ],
)
def test_chunks_and_compression(path, options):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=VALUES, **options)
    assert_array_equal(read(path)["x"], VALUES)
    blocks = list(read_blocks(path, "x", 4))
    assert [start for start, _ in blocks] == [0, 4]
    assert_array_equal(np.concatenate([block for _, block in blocks]), VALUES)


def test_groups(path):
    make(path, {"jets/pt": VALUES, "jets/b/eta": VALUES[:, 0], "label": VALUES[:, 1]})
    assert list(read(path)) == ["jets/b/eta", "jets/pt", "label"]
    assert_array_equal(read(path, ["jets/pt"])["jets/pt"], VALUES)


def test_fields_of_compound_datasets(path):
    inner = np.dtype([("x", ">f4"), ("y", "i2")])
    jets = np.zeros(ROWS, [("pt", "f4"), ("is_b", "?"), ("xyz", "f8", (3,)), ("at", inner)])
    jets["pt"], jets["xyz"], jets["at"]["x"] = VALUES[:, 0], VALUES, VALUES[:, 1]
    jets["is_b"] = VALUES[:, 0] % 2
    tracks = np.zeros((ROWS, 4), [("d0", "f2"), ("valid", "?"), ("name", "S3")])
    tracks["d0"] = VALUES[:, :1]
    make(path, jets=jets, tracks=tracks)
    assert describe(path).shapes == {
        "jets.pt": (ROWS,),
        "jets.is_b": (ROWS,),
        "jets.xyz": (ROWS, 3),
        "jets.at.x": (ROWS,),
        "jets.at.y": (ROWS,),
        "tracks.d0": (ROWS, 4),
        "tracks.valid": (ROWS, 4),
    }
    assert describe(path).ignored == {"tracks.name": "texts"}
    found = read(path)
    assert_array_equal(found["jets.xyz"], VALUES)
    assert_array_equal(found["jets.at.x"], VALUES[:, 1])
    assert_array_equal(found["tracks.d0"], jets["pt"][:, None].repeat(4, axis=1))
    assert found["jets.is_b"].dtype == bool


def test_a_table_and_a_frame_as_pandas_writes_them(path):
    """Its `table` format is a compound dataset, its `fixed` format one dataset for each type."""
    table = np.zeros(ROWS, [("index", "i8"), ("values_block_0", "f8", (3,)), ("label", "i8")])
    table["values_block_0"] = VALUES
    make(
        path,
        {
            "events/table": table,
            "frame/axis0": np.array([b"a", b"b", b"c"]),
            "frame/axis1": np.arange(ROWS),
            "frame/block0_items": np.array([b"a", b"b", b"c"]),
            "frame/block0_values": VALUES,
        },
    )
    about = describe(path)
    assert_array_equal(read(path)["events/table.values_block_0"], VALUES)
    assert_array_equal(read(path)["frame/block0_values"], VALUES)
    assert about.events == ROWS
    assert about.ignored == {"frame/axis0": "texts", "frame/block0_items": "texts"}


def test_what_is_no_column_is_ignored_with_the_reason(path):
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = VALUES, VALUES[:, 0]
        file["scalar"] = 3.0
        file["narrow"] = VALUES[:, :0]
        file["empty"] = h5py.Empty("f4")
        file["text"] = np.array([b"a"] * ROWS)
        file.create_dataset("lists", (ROWS,), h5py.vlen_dtype("i4"))
        file["complex"] = VALUES * 1j
        file["long"] = np.arange(ROWS + 1)
        file["extended"] = VALUES.astype(np.longdouble)
        file["type"] = np.dtype("f4")
        file["nothing"] = h5py.SoftLink("/not/there")
        file["group/up"] = h5py.SoftLink("/")
        file.create_group("hollow")
    about = describe(path)
    assert set(about.shapes) == {"x", "y"}
    assert about.ignored == {
        "scalar": "a single value",
        "narrow": "no numbers: an axis of length 0",
        "empty": "empty",
        "text": "texts",
        "lists": "texts or lists",
        "complex": "complex numbers",
        "long": "it has 7 rows, but columns have 6",
        "extended": "type float128",
        "type": "a type",
        "nothing": "a link to nothing",
        "group/up": "a link back to a group around it",
        "hollow": "a group with nothing in it",
    }
    assert "'text' is no column: texts" in message(read, path, ["text"])
    assert "no column 'z'" in message(read, path, ["z"])


def test_a_file_without_columns(path):
    assert "no columns in it" in message(describe, make(path, text=np.array([b"a"])))


def test_wanted_columns_decide_the_length(path):
    make(path, {"train/x": VALUES, "train/y": VALUES[:, 0], "test/x": VALUES[:4], "a": [1, 2]})
    assert describe(path).events == ROWS  # the longer of two lengths that two datasets have
    assert describe(path, ["test/x", "none"]).events == 4
    assert "train/x" in describe(path, ["test/x"]).ignored
    assert len(read(path, ["test/x"])["test/x"]) == 4
    assert [len(block) for _, block in read_blocks(path, "a")] == [2]
    text = message(describe, path, ["train/y", "test/x"])
    assert text == f"{path}: columns of unequal length: test/x 4, train/y 6"


def test_a_compound_dataset_counts_once(path):
    hits = np.zeros(9, [("x", "f4"), ("y", "f4"), ("z", "f4")])
    make(path, hits=hits, label=VALUES[:, 0], pt=VALUES[:, 1])
    assert set(describe(path).shapes) == {"label", "pt"}


@pytest.mark.parametrize(
    "as_written",
    [
        lambda texts: texts,
        lambda texts: np.array([text.encode() for text in texts]),
        lambda texts: np.array([text.encode() + b"  " for text in texts]),
        lambda texts: np.array(texts, h5py.string_dtype("ascii")),
        lambda texts: texts[0] if len(texts) == 1 else texts,
        lambda texts: np.bytes_(texts[0]) if len(texts) == 1 else texts,
    ],
)
def test_attributes_as_c_julia_and_python_write_them(path, as_written):
    make(path, x=VALUES, real=VALUES > 3)
    with h5py.File(path, "r+") as file:
        attributes = file["x"].attrs
        attributes["axes"] = as_written(["event", "component"])
        attributes["components"] = as_written(["pt", "eta", "phi"])
        attributes["units"] = as_written(["GeV"])
        attributes["description"] = as_written(["a jet"])
        attributes["mask"] = as_written(["real"])
    assert describe(path).columns["x"] == Column(
        "x", "int64", ("component",), (3,), ("pt", "eta", "phi"), ("GeV",), "a jet", "real"
    )


def test_attributes_that_do_not_fit_are_left_alone(path):
    make(path, x=VALUES)
    with h5py.File(path, "r+") as file:
        attributes = file["x"].attrs
        attributes["axes"], attributes["components"] = ["event"], ["pt", "eta"]
        attributes["units"], attributes["mask"] = 3.0, np.zeros(4)
        attributes["description"] = h5py.Empty("S1")
    assert describe(path).columns["x"] == Column("x", "int64", (), (3,), (), (), "")


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        ("reel", "its mask 'reel' is no column; did you mean 'real'?"),
        ("x", "its mask 'x' is of type float64, expected bool"),
        ("long", "its mask 'long' has axes of length (4,), expected (3,)"),
    ],
)
def test_a_mask_that_does_not_fit(path, mask, text):
    make(path, x=VALUES * 1.0, real=VALUES > 3, long=np.zeros((ROWS, 4), bool))
    with h5py.File(path, "r+") as file:
        file["x"].attrs["mask"] = mask
    assert text in message(describe, path)


def test_a_registered_name_means_nothing_without_a_description(path):
    """But where the file describes it, it must be what is registered."""
    make(path, jets=VALUES, label=VALUES[:, 0])
    assert describe(path).shapes["jets"] == (ROWS, 3)
    with h5py.File(path, "r+") as file:
        file["jets"].attrs["axes"] = ["event", "component"]
    assert "column 'jets': shape (6, 3), expected (events, 2, 4)" in message(describe, path)


def test_a_free_column_in_an_event_file(tmp_path):
    path = tmp_path / "a.h5"
    column = Column("hits", "float32", ("layer",), (3,), (), ("cm",), "hits", "real")
    real = Column("real", "bool", ("layer",), (3,), (), (), "which are real")
    with EventWriter(path, ROWS, {}, {"hits": column, "real": real}) as writer:
        writer.append({"hits": VALUES, "real": VALUES > 3})
        writer.finish()
    with h5py.File(path, "r+") as file:
        file["features"] = VALUES
    assert describe(path).columns == {
        "features": Column("features", "int64", (), (3,), (), (), ""),
        "hits": column,
        "real": real,
    }
    assert read(path)["real"].dtype == bool


def test_missing_values(path):
    make(path, x=np.array([[1.0, 2], [3, np.nan], [np.inf, 0]]))
    text = message(read, path)
    assert text.endswith("NaN or infinity in event 1; the transform `fill_missing` fills NaN")
    with h5py.File(path, "r+") as file:
        file["x"][1, 1] = 0
    assert message(read, path).endswith("NaN or infinity in event 2")
    assert len(next(read_blocks(path, "x", finite=False))[1]) == 3
    assert "in event 2" in message(list, read_blocks(path, "x"))


def test_a_block_holds_whole_chunks(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (40_000, 100), "f8", chunks=(2000, 100))
        file.create_dataset("y", (40_000, 100), "f8", chunks=(20_000, 1))
        file.create_dataset("z", (40_000, 100), "f8")
    lengths = {name: [len(block) for _, block in read_blocks(path, name)] for name in "xyz"}
    assert lengths == {"x": [4000] * 10, "y": [20_000] * 2, "z": [5242] * 7 + [3306]}


class TestSeveralFiles:
    def make(self, folder, **second):
        first = make(folder / "a.h5", x=VALUES, y=VALUES[:, 0])
        content = {"x": VALUES[:2] + 100, "y": VALUES[:2, 0], **second}
        content = {name: array for name, array in content.items() if array is not None}
        return Files((first, make(folder / "b.h5", **content)))

    def test_follow_each_other(self, tmp_path):
        files = self.make(tmp_path, x=(VALUES[:2] + 100).astype("i2"))
        about = describe(files)
        assert about.events == ROWS + 2
        assert about.shapes == {"x": (ROWS + 2, 3), "y": (ROWS + 2,)}
        blocks = list(read_blocks(files, "x", 5))
        assert [start for start, _ in blocks] == [0, 5, 6]
        together = np.concatenate([block for _, block in blocks])
        assert_array_equal(together, [*VALUES, *VALUES[:2] + 100])
        assert str(files) == f"{tmp_path / 'a.h5'} and 1 more"

    @pytest.mark.parametrize(
        ("second", "text"),
        [
            ({"y": None}, "b.h5: no column 'y', which {a} has"),
            ({"y": [1]}, "b.h5: no column 'y', which {a} has (it has 1 rows, but columns have 2)"),
            ({"z": [1, 2]}, "a.h5: no column 'z', which {b} has"),
            ({"x": [[1, 2], [3, 4]]}, "b.h5: column 'x': shape (2,), but (3,) in {a}"),
            ({"y": [1.0, 2]}, "b.h5: column 'y': type float64, but int64 in {a}"),
        ],
    )
    def test_of_different_columns(self, tmp_path, second, text):
        files = self.make(tmp_path, **second)
        a, b = files.paths
        assert message(describe, files) == f"{tmp_path}/" + text.format(a=a, b=b)

    def test_of_different_units(self, tmp_path):
        files = self.make(tmp_path)
        with h5py.File(files.paths[1], "r+") as file:
            file["y"].attrs["units"] = "MeV"
        assert "b.h5: column 'y': units ('MeV',), but ()" in message(describe, files)

    def test_name_the_file_with_nan(self, tmp_path):
        files = self.make(tmp_path, y=[1, 2], x=None)
        make(files.paths[0], y=[1.0, 2, 3])
        make(files.paths[1], y=[1.0, np.nan])
        text = message(list, read_blocks(files, "y"))
        assert f"{files.paths[1]}: column 'y': NaN or infinity in event 1" in text


class TestSplits:
    """Of files with free columns."""

    def content(self):
        rng = np.random.default_rng(1)
        return {"jets/pt": rng.random((50, 3)), "label": np.arange(50) % 2, "y": rng.random(50)}

    def test_of_several_files_are_those_of_one(self, tmp_path):
        whole = self.content()
        one = make(tmp_path / "one.h5", whole)
        parts = (slice(0, 7), slice(7, 8), slice(8, 50))
        several = Files(
            tuple(
                make(tmp_path / f"{i}.h5", {name: array[part] for name, array in whole.items()})
                for i, part in enumerate(parts)
            )
        )
        expected = load_splits(Data(), SPLITS, whole, one)
        found = load_splits(Data(), SPLITS, whole, several)
        for name in SPLITS:
            alone = load_split(Data(), name, whole, one)
            for column in whole:
                array = expected[name].columns[column]
                assert_array_equal(array, whole[column][alone.event].astype("f4"))
                assert_array_equal(found[name].columns[column], array)
                assert_array_equal(alone.columns[column], array)
                assert array.dtype == np.float32

    def test_large_columns_of_a_group_are_unpacked(self, tmp_path):
        path = make(tmp_path / "one.h5", self.content())
        inside = load_splits(Data(), SPLITS, ["jets/pt"], path)
        small = Data(memory_gb=4 * 20 * 3e-9)  # only train is larger
        outside = load_splits(small, SPLITS, ["jets/pt"], path, tmp_path / "u")
        assert [path.name for path in (tmp_path / "u").iterdir()] == ["train"]
        for name in SPLITS:
            columns = (each[name].columns["jets/pt"] for each in (inside, outside))
            assert_array_equal(*columns)

    def test_refuse_what_float32_does_not_hold(self, path):
        make(path, y=np.array([0.0] * 10 + [1e39]))
        assert message(load_splits, Data(), SPLITS, ["y"], path) == (
            f"{path}: column 'y': event 10 has a number that is too large for float32"
        )

    def test_take_columns_of_the_length_that_is_wanted(self, path):
        make(path, {"a": np.arange(30), "b": np.arange(30), "few": np.arange(10)})
        found = load_splits(Data(), SPLITS, ["few"], path)
        assert sorted(np.concatenate([found[name].columns["few"] for name in SPLITS])) == [
            *range(10)
        ]


def test_a_plugin_registers_a_column(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from msml.data.schema import Column, register\n"
        "register(Column('hits', 'float32', ('layer',), (3,), (), ('cm',), 'of the tracker'))\n"
    )
    path = make(tmp_path / "a.h5", hits=VALUES.astype("f4"))
    with h5py.File(path, "r+") as file:
        file["hits"].attrs["axes"], file["hits"].attrs["units"] = ["event", "layer"], ["mm"]
    try:
        load_plugins([plugin])
        assert COLUMNS["hits"].units == ("cm",)
        assert "column 'hits': units ['mm'], expected ['cm']" in message(describe, path)
        plugin.write_text(plugin.read_text().replace("hits", "label"))
        with pytest.raises(RecipeError, match="column 'label' is registered twice"):
            load_plugins([plugin])
    finally:
        columns.forget(str(plugin))
    assert "hits" not in COLUMNS
    assert describe(path).columns["hits"].units == ("mm",)


def test_what_lies_in_other_files_is_no_column(path, tmp_path):
    """It can change, or go, without a byte of this file changing."""
    make(tmp_path / "source.h5", x=VALUES)
    VALUES.tofile(tmp_path / "raw.bin")
    layout = h5py.VirtualLayout(VALUES.shape, VALUES.dtype)
    layout[:] = h5py.VirtualSource(tmp_path / "source.h5", "x", VALUES.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("virtual", layout)
        size = VALUES.nbytes
        file.create_dataset(
            "raw", VALUES.shape, VALUES.dtype, external=[(str(tmp_path / "raw.bin"), 0, size)]
        )
        file["linked"] = h5py.ExternalLink(tmp_path / "source.h5", "/x")
        file["soft"] = h5py.SoftLink("/own")
        file["own"] = VALUES
    about = describe(path)
    assert list(about.shapes) == ["own", "soft"]
    assert set(about.ignored) == {"virtual", "raw", "linked"}
    for name in about.ignored:
        text = message(read, path, [name])
        assert text.endswith("; expected them in this one, or that file in `data.files`")


def test_weights_without_a_finite_sum(path):
    make(path, x=VALUES, weight=np.full(ROWS, 1e308), label=np.array([0, 1] * 3))
    text = message(load_split, Data(weight="weight"), "train", ["x"], path)
    assert "sum to inf; expected a positive total" in text
