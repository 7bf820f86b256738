import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
from raised import message

from msml.data.events import EventWriter, describe, read
from msml.data.schema import COLUMNS
from msml.errors import DataError

ABOUT = {"source": "test", "settings": {"pileup": 50}, "processes": ["higgs", "z"]}


def columns(rows, names=COLUMNS, seed=1):
    """Random numbers for columns of the schema; open sizes become 4."""
    rng = np.random.default_rng(seed)
    made = {}
    for name in names:
        column = COLUMNS[name]
        shape = (rows, *(4 if size is None else size for size in column.sizes))
        made[name] = (100 * rng.random(shape)).astype(column.dtype)
    return made


def write(path, data, step=None, about=ABOUT):
    rows = len(next(iter(data.values())))
    with EventWriter(path, rows, about) as writer:
        for start in range(0, rows, step or rows):
            stop = start + (step or rows)
            writer.append({name: array[start:stop] for name, array in data.items()})
        writer.finish()
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "events.h5", columns(20, ["jets", "taus", "label"]))


def test_round_trip_of_every_column(tmp_path):
    data = columns(7)
    path = write(tmp_path / "new" / "events.h5", data)
    found = read(path)
    assert set(found) == set(COLUMNS)
    for name, array in data.items():
        assert found[name].dtype == COLUMNS[name].dtype
        assert (found[name] == array).all()
    about = describe(path)
    assert about.events == 7
    assert about.provenance == ABOUT
    assert about.shapes == {name: array.shape for name, array in data.items()}
    assert [p.name for p in path.parent.iterdir()] == ["events.h5"]


def test_chosen_columns_and_events(path):
    found = read(path, ["label", "jets"], slice(5, 15, 3))
    assert list(found) == ["label", "jets"]
    assert (found["jets"] == columns(20, ["jets"])["jets"][5:15:3]).all()


def test_other_types_are_stored_in_the_schemas_type(tmp_path):
    path = write(tmp_path / "a.h5", {"label": np.array([0, 1]), "rho": np.array([1, 2])})
    assert [array.dtype for array in read(path).values()] == ["uint8", "float32"]


def test_the_writer_keeps_a_copy(tmp_path):
    with EventWriter(tmp_path / "a.h5", 2, {}) as writer:
        buffer = np.ones(1, np.float32)
        for value in (1, 2):
            buffer[:] = value
            writer.append({"rho": buffer})
        writer.finish()
    assert read(tmp_path / "a.h5")["rho"].tolist() == [1, 2]


def test_unknown_number_of_events_and_late_provenance(tmp_path):
    data = columns(5000, ["jets", "label"])
    for events in (5000, None):
        with EventWriter(tmp_path / f"{events}.h5", events, {"a": 1}) as writer:
            for half in (slice(0, 2000), slice(2000, None)):
                writer.append({name: array[half] for name, array in data.items()})
            writer.finish({"b": 2})
    assert (tmp_path / "None.h5").read_bytes() == (tmp_path / "5000.h5").read_bytes()
    found = describe(tmp_path / "None.h5")
    assert found.events == 5000
    assert found.provenance == {"a": 1, "b": 2}


@pytest.mark.parametrize("rows", [50, 9000])
def test_bytes_do_not_depend_on_blocks_or_time(tmp_path, rows):
    data = columns(rows, ["jets", "calo_images", "label", "event_number"])
    digests = set()
    for step in (7, 700, 4096, 5000, 9000):
        file = write(tmp_path / f"{step}.h5", data, step)
        digests.add(hashlib.sha256(file.read_bytes()).hexdigest())
    time.sleep(1.1)  # HDF5 counts time in seconds
    digests.add(hashlib.sha256(write(tmp_path / "late.h5", data).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_an_image_is_small(tmp_path):
    images = np.zeros((3000, 2, 16, 16, 3), np.float32)
    images[:, 0, 3, 3] = 1.5
    file = write(tmp_path / "a.h5", {"calo_images": images})
    assert file.stat().st_size < images.nbytes / 50


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("axes", ["event", "tau jet, leading in tau pt first", "component"]),
        ("units", ["MeV", "1", "rad", "MeV"]),
        ("components", ["pt", "eta", "phi", "energy"]),
        ("axes", None),
    ],
)
def test_another_meaning_is_refused(path, attribute, value):
    with h5py.File(path, "r+") as file:
        del file["jets"].attrs[attribute]
        if value is not None:
            file["jets"].attrs[attribute] = value
    text = message(read, path)
    assert "column 'jets'" in text
    assert attribute in text
    assert "expected" in text


@pytest.mark.parametrize(
    "make",
    [
        lambda file: file.create_dataset("rho", data=np.zeros((20, 2), "f4")),
        lambda file: file.create_dataset("rho", data=np.zeros(20, "i4")),
        lambda file: file.create_dataset("rho", data=np.float32(3)),
        lambda file: file.create_dataset("rho", data=h5py.Empty("f4")),
        lambda file: file.create_group("rho"),
    ],
)
def test_another_shape_or_type_is_refused(path, make):
    with h5py.File(path, "r+") as file:
        make(file)
        file["rho"].attrs["axes"] = ["event"]
        file["rho"].attrs["units"] = ["GeV"]
    assert "column 'rho'" in message(describe, path)


def test_columns_of_unequal_length(path):
    with h5py.File(path, "r+") as file:
        file["label"].resize(19, axis=0)
    text = message(describe, path)
    assert "unequal length" in text
    assert "label 19" in text


def test_another_format_version(path):
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 2
    text = message(read, path)
    assert "format version 2" in text
    assert "reads version 1" in text


def test_no_hdf5(tmp_path):
    (tmp_path / "text.h5").write_text("jets")
    assert "not a complete HDF5 file" in message(describe, tmp_path / "text.h5")
    assert "no such file" in message(describe, tmp_path / "none.h5")
    assert "no such file" in message(describe, tmp_path)


def test_no_columns(path):
    with h5py.File(path, "r+") as file:
        for name in list(file):
            del file[name]
    assert "no columns" in message(describe, path)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated(path, part):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert "not a complete HDF5 file" in message(read, path)


def test_missing_last_byte(path):
    path.write_bytes(path.read_bytes()[:-1])
    assert "not a complete HDF5 file" in message(read, path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_is_reported_with_its_event(path, value):
    with h5py.File(path, "r+") as file:
        file["taus"][13, 1, 2] = value
    assert "column 'taus': NaN or infinity in event 13" in message(read, path)
    assert "event 13" in message(read, path, events=slice(10, None))
    assert "event 13" in message(read, path, events=slice(1, None, 3))
    assert len(read(path, ["taus"], slice(0, 13))["taus"]) == 13


def test_unknown_column(path):
    assert "no column 'tau'; did you mean 'taus'" in message(read, path, ["tau"])


def test_what_others_put_into_the_file_is_left_alone(path):
    before = describe(path)
    with h5py.File(path, "r+") as file:
        file.create_group("notes").create_dataset("x", data=[1.0, np.nan])
        file["weights"] = np.zeros((3, 2))
        file["scalar"] = 1
        file.attrs["comment"] = "not JSON"
        file.attrs["number"] = np.arange(3)
    after = describe(path)
    assert replace(after, ignored={}) == before
    assert after.ignored == {
        "notes/x": "it has 2 rows, but columns have 20",
        "scalar": "a single value",
        "weights": "it has 3 rows, but columns have 20",
    }
    assert set(read(path)) == {"jets", "taus", "label"}
    assert "no column 'comment'" in message(read, path, ["comment"])


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"jet": np.zeros((3, 2, 4))}, "unknown column 'jet'; did you mean 'jets'"),
        ({"jets": np.zeros((3, 4))}, "shape (3, 4), expected (events, 2, 4)"),
        ({"jets": np.zeros((3, 2, 4)), "label": np.zeros(2)}, "unequal length: jets 3, label 2"),
        ({"rho": np.array([1, np.nan, 1])}, "'rho': NaN or infinity in event 21"),
        ({"label": np.zeros(3)}, "at event 20"),
        ({"rho": np.zeros(3), "label": np.zeros(3)}, "at event 20"),
        ({}, "unequal length"),
    ],
)
def test_what_the_writer_refuses(tmp_path, block, text):
    with EventWriter(tmp_path / "a.h5", 23, {}) as writer:
        writer.append({"rho": np.zeros(20)})
        assert text in message(writer.append, block)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("announced", "rows"), [(5, 4), (5, 6), (0, 0), (None, 0)])
def test_wrong_number_of_events(tmp_path, announced, rows):
    with EventWriter(tmp_path / "a.h5", announced, {}) as writer:
        if rows:
            writer.append({"rho": np.zeros(rows)})
        assert f"{rows}" in message(writer.finish)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_writer_leaves_nothing(tmp_path):
    (tmp_path / "a.h5").write_text("the old file")

    def interrupted():
        with EventWriter(tmp_path / "a.h5", 9000, ABOUT) as writer:
            writer.append(columns(5000, ["jets"]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    assert (tmp_path / "a.h5").read_text() == "the old file"


def test_provenance_that_is_no_json_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        EventWriter(tmp_path / "a.h5", 1, {"settings": object()})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    text = message(EventWriter, tmp_path / "file" / "a.h5", 1, {})
    assert "cannot be written" in text


_FULL_DISK = """
import json, os, resource, signal, sys
from pathlib import Path
import numpy as np
from msml.data.events import EventWriter, describe
from msml.errors import DataError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, images = Path(sys.argv[1]), np.random.default_rng(1).random((500, 2, 4, 4, 3))

def make(limit, blocks):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with EventWriter(path, None, {"a": 1}) as writer:
            for _ in range(blocks):
                writer.append({"calo_images": images})
            writer.finish()
        return "made"
    except DataError as error:
        return str(error)

whole = make(resource.RLIM_INFINITY, 2)
size = path.stat().st_size
path.unlink()
limits = [0, 1, 96, 800, 2048, 5000, size // 2, size - 5000, size - 1]
texts = [make(limit, blocks) for limit in limits for blocks in (2, 10)]
left, handles = os.listdir(path.parent), len(os.listdir("/proc/self/fd"))
again = make(size, 2), describe(path).events
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps([whole, texts, left, handles, again]))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_full_disk(tmp_path):
    """Wherever the disk becomes full, also while closing, there is one error and no file."""
    command = [sys.executable, "-c", _FULL_DISK, str(tmp_path / "a.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    whole, texts, left, handles, again = json.loads(done.stdout)
    assert whole == "made"
    assert set(texts) == {f"{tmp_path / 'a.h5'}: cannot be written: File too large"}
    assert left == []
    assert handles < 10  # nothing stays open
    assert again == ["made", 1000]


def test_every_bit_of_the_columns_has_a_checksum(tmp_path):
    """Of 300 flipped bits each is refused in one line that names the column."""
    path = write(tmp_path / "events.h5", columns(200, ("jets", "taus", "label", "weight")))
    rng, content, places = np.random.default_rng(1), path.read_bytes(), {}
    with h5py.File(path) as file:
        for name, dataset in file.items():
            chunk = dataset.id.get_chunk_info(0)
            places |= dict.fromkeys(range(chunk.byte_offset, chunk.byte_offset + chunk.size), name)
    for place in rng.choice(list(places), 300):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        assert message(read, path).startswith(f"{path}: column '{places[place]}' cannot be read")


def test_damage_anywhere_is_one_line_or_none(tmp_path):
    path = write(tmp_path / "events.h5", columns(50, ("jets", "label")))
    rng, content = np.random.default_rng(2), path.read_bytes()
    refused = []
    for _ in range(300):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            read(path)
        except DataError as error:
            refused.append(str(error))
    assert refused
    assert all(text.startswith(f"{path}: ") and "\n" not in text for text in refused)
