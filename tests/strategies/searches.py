"""Tiny recipes that search."""

import shutil
from pathlib import Path

from tiny import RECIPE, write_recipe

_CHAIN = "chain: {momentum: sf, higgs: mlp}\n"
_MLP = "      mlp: {model: higgs_mlp, args: {units: 8, layers: 1}}\n"
_SHORT = RECIPE.replace("epochs: 4, patience: 3", "epochs: 2, patience: 3").replace(
    "batch_size: 50\n  epochs: 4", "batch_size: 50\n  epochs: 2"
)
DARTS = _SHORT.replace("[connected, sequential, joint]", "[connected, joint]").replace(
    _CHAIN,
    "strategy: {name: darts, batch_size: 60, epochs: 4, patience: 4,\n"
    "  optimizer: {name: adam, learning_rate: 1e-2},\n"
    "  alpha_optimizer: {name: adam, learning_rate: 5e-2}}\n",
)
DARTS = DARTS.replace(_MLP, _MLP + "      mass: {model: higgs_mass, args: {units: 8, layers: 1}}\n")
GRID = (
    _SHORT.replace("[connected, sequential, joint]", "[joint]")
    .replace(_CHAIN, "strategy: {name: grid}\nselect: {metric: auc}\n")
    .replace(_MLP, "      mlp: {model: higgs_mlp, args: {layers: 1}, grid: {units: [8, 16]}}\n")
)


def fresh(folder: Path, event_file: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    shutil.copy(event_file, folder / "events.h5")
    write_recipe(folder, text)
    return folder
