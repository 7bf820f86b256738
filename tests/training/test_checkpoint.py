import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest
import small

from msml.errors import DataError
from msml.training.checkpoint import FORMAT_VERSION, assign, load_arrays, save_arrays

ARRAYS = {"a/b": np.arange(6.0, dtype=np.float32).reshape(2, 3), "n": np.array(7), "e": np.zeros(0)}


def test_arrays_and_facts_come_back(tmp_path):
    save_arrays(tmp_path / "x.h5", ARRAYS, {"key": "unit", "best": float("inf"), "list": [1, 2]})
    arrays, about = load_arrays(tmp_path / "x.h5")
    assert small.same(arrays, ARRAYS)
    assert {name: array.dtype for name, array in arrays.items()} == {
        name: array.dtype for name, array in ARRAYS.items()
    }
    assert about == {"key": "unit", "best": float("inf"), "list": [1, 2]}
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]


def test_nothing_to_keep_is_kept(tmp_path):
    save_arrays(tmp_path / "x.h5", {}, {})
    assert load_arrays(tmp_path / "x.h5") == ({}, {})


def test_another_format_version(tmp_path):
    path = tmp_path / "x.h5"
    save_arrays(path, ARRAYS, {})
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = FORMAT_VERSION + 1
    with pytest.raises(DataError, match=f"x.h5: checkpoint of format version {FORMAT_VERSION + 1}"):
        load_arrays(path)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.98])
def test_truncated(tmp_path, part):
    path = tmp_path / "x.h5"
    save_arrays(path, {"a": np.random.default_rng(1).random(5000)}, {"key": "unit"})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(DataError, match=r"x.h5: not a complete checkpoint"):
        load_arrays(path)


@pytest.mark.parametrize(
    ("about", "version"), [(None, 1), ("{", 1), ("[1", 1), ("{}", "one"), ("{}", None)]
)
def test_broken_inside(tmp_path, about, version):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        if version is not None:
            file.attrs["format_version"] = version
        if about is not None:
            file["about"] = about
    with pytest.raises(DataError, match=r"x.h5: (not a complete checkpoint|checkpoint of format)"):
        load_arrays(path)


def test_missing_or_not_hdf5(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5 at all\n" * 100)
    for name in ("missing.h5", "text.h5"):
        with pytest.raises(DataError, match=f"{name}: not a complete checkpoint"):
            load_arrays(tmp_path / name)


def test_what_does_not_fit_is_not_assigned():
    variables = small.trainee(small.small_chain()).weights
    arrays = {name: variable.numpy() for name, variable in variables.items()}
    wrong = {**arrays, "higgs/000": np.zeros((3, 3), np.float32)}
    with pytest.raises(DataError, match=r"here: 'higgs/000': expected shape .*, found \(3, 3\)"):
        assign(variables, wrong, "here")
    arrays.pop("momentum/001")
    with pytest.raises(DataError, match=r"'momentum/001'.*found missing"):
        assign(variables, arrays, "here")


SCRIPT = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from msml.errors import DataError
from msml.training.checkpoint import load_arrays, save_arrays
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, limit = Path(sys.argv[1]), int(sys.argv[2])
save_arrays(path, {"a": np.zeros(10)}, {"good": True})
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    save_arrays(path, {"a": np.random.default_rng(1).random(100_000)}, {"good": False})
except DataError as error:
    print(error)
print(load_arrays(path)[1], [p.name for p in path.parent.iterdir()])
"""


@pytest.mark.parametrize("limit", [100, 3000, 100_000, 800_000])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, limit):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    path = tmp_path / "x.h5"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, path, str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{path}: cannot be written: File too large",
        "{'good': True} ['x.h5']",
    ]
