"""A table of events with jagged jets, and a run of three tasks on the file imported from it."""

from pathlib import Path
from typing import Any

import numpy as np

ROWS = 120

IMPORT = """\
output: events.h5
source: {files: [train.root], tree: events}
columns:
  cones: {branches: [jet_pt, jet_eta], size: 3, components: [pt, eta], units: [GeV, "1"]}
  cones_tag: {branch: jet_tag, size: 3}
  met: {branch: met, units: GeV}
  energy: {branch: energy, units: GeV}
  kind: {branch: kind, map: {qcd: 3, top: 5, w: 8}}
  event: event
missing: [-999]
"""

RECIPE = """\
name: mine
xla: false
data:
  file: events.h5
  transform: {met: [fill_missing, log], energy: [log, standardise], kind: categories}
tasks:
  tag:
    each: cones
    inputs: [cones]
    target: cones_tag
    loss: {name: bce_logits}
    weight: 0.3
    candidates: {mlp: {model: mlp, args: {units: 4, layers: 1, feature: 2}}}
  energy_of:
    inputs: [cones, met, tag.feature]
    target: energy
    loss: {name: quantile, quantiles: [0.2, 0.5, 0.8]}
    weight: 0.3
    candidates:
      sets: {model: deepsets, args: {units: 4, layers: 1}}
      mlp: {model: mlp, args: {units: 4, layers: 1}}
  kind_of:
    inputs: [met, energy_of]
    target: kind
    loss: {name: cross_entropy}
    weight: remainder
    candidates: {mlp: {model: mlp, args: {units: 4, layers: 1}}}
chain: {energy_of: [sets, mlp]}
posttrain: {modes: [joint], from: initial, epochs: 1, batch_size: 40}
evaluate: {bootstrap: 2, cost: false}
"""


def branches(rows: int = ROWS, seed: int = 1) -> dict[str, Any]:
    """Branches of a table; those of jets are lists."""
    rng = np.random.default_rng(seed)
    jets = rng.integers(0, 5, rows)
    met = rng.exponential(30, rows)
    return {
        "run": np.full(rows, 7, "i4"),
        "event": 2**40 + rng.permutation(rows),
        "met": np.where(rng.random(rows) < 0.2, -999, met).astype("f4"),
        "energy": (50 + met).astype("f8"),
        "kind": rng.choice(["qcd", "top", "w"], rows),
        "jet_pt": [rng.exponential(40, n).astype("f4") for n in jets],
        "jet_eta": [rng.normal(size=n).astype("f4") for n in jets],
        "jet_tag": [rng.integers(0, 2, n).astype("i4") for n in jets],
    }


def write_root(path: Path, content: dict[str, Any], parts: int = 1, tree: str = "events") -> Path:
    """Write a tree, each part of which is a basket."""
    import awkward
    import uproot

    kinds = {"jet_tag": "var * int32", "jet_pt": "var * float32", "jet_eta": "var * float32"}
    kinds |= {"kind": "string"}
    types = {n: kinds.get(n) or values.dtype for n, values in content.items()}
    with uproot.recreate(path) as file:
        made = file.mktree(tree, types)
        rows = len(next(iter(content.values())))
        for part in np.array_split(np.arange(rows), parts) if rows else ():
            some = slice(part[0], part[-1] + 1)
            made.extend(
                {
                    n: awkward.Array([*v[some]]) if n in kinds else v[some]
                    for n, v in content.items()
                }
            )
    return path


def without(content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values for name, values in content.items() if name not in names}
