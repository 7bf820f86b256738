"""Tables of events in every kind of file, and recipes to import them."""

import gzip
from pathlib import Path

import h5py
import numpy as np
import yaml

from msml.data.importers.recipe import TableRecipe
from msml.data.importers.table import import_table
from msml.recipe import load


def table(rows=50, seed=1):
    """Branches with one value for each event."""
    rng = np.random.default_rng(seed)
    return {
        "pt": rng.exponential(40, rows).astype("f4"),
        "eta": rng.normal(0, 2, rows).astype("f4"),
        "njet": rng.integers(0, 6, rows).astype("i4"),
        "kind": rng.choice(["s", "b"], rows),
    }


def jagged(rows=50, seed=2, deep=6):
    """Lists of different lengths, two of each event alike."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, deep + 1, rows)
    return {
        name: [rng.normal(size=count).astype("f4") for count in counts]
        for name in ("jet_pt", "jet_eta")
    }


def write_root(path, branches, tree="events", parts=1):
    import awkward
    import uproot

    rows = len(next(iter(branches.values())))
    types = {}
    for name, values in branches.items():
        if isinstance(values, list):
            types[name] = "var * float32"
        elif values.dtype.kind == "U":
            types[name] = "string"
        else:
            types[name] = np.dtype((values.dtype, values.shape[1:]))
    with uproot.recreate(path) as file:
        made = file.mktree(tree, types)
        for part in np.array_split(np.arange(rows), parts):
            chosen = slice(part[0], part[-1] + 1)
            made.extend(
                {
                    name: awkward.Array([*values[chosen]])
                    if types[name] in ("string", "var * float32")
                    else values[chosen]
                    for name, values in branches.items()
                }
            )
    return path


def write_parquet(path, branches, group=7):
    import pyarrow
    from pyarrow import parquet

    columns = {
        name: pyarrow.array([*values], pyarrow.list_(pyarrow.float32()))
        if isinstance(values, list)
        else pyarrow.array([*values] if values.ndim > 1 else values)
        for name, values in branches.items()
    }
    parquet.write_table(pyarrow.table(columns), path, row_group_size=group)
    return path


def write_csv(path, branches):
    lines = [",".join(branches)]
    lines += [",".join(map(str, row)) for row in zip(*branches.values(), strict=True)]
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def write_npz(path, branches):
    np.savez_compressed(path, **branches)
    return path


WRITERS = {
    "a.root": write_root,
    "a.parquet": write_parquet,
    "a.csv": write_csv,
    "a.csv.gz": write_csv,
    "a.npz": write_npz,
}


def recipe(folder: Path, overrides=(), **content):
    """Write a recipe; `files` stands for source.files."""
    if "files" in content:
        content["source"] = {"files": content.pop("files")} | content.get("source", {})
    content = {"output": str(folder / "out.h5"), "columns": {"pt": "pt"}} | content
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return load(path, TableRecipe, overrides)


def made(folder: Path, rows=None, **content):
    """Import, and return all datasets and the description of the file."""
    output = folder / "out.h5"
    output.unlink(missing_ok=True)
    about = import_table(recipe(folder, **content), rows)
    with h5py.File(output) as file:
        return {name: file[name][()] for name in file}, about
