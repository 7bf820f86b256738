"""LUMIN's side of `bench_lumin.py`, for the environment that it makes; msml is not there.

    python scripts/lumin_side.py EVENTS.npz FOLDER THREADS EPOCHS

The last line printed is JSON: parameters of a network, updates of an epoch, and by the clock and of
the processor the median seconds of an epoch of one member with its validation, and the seconds of a
prediction of ten members.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from sides import now

_MEMBERS = 10
_FOLDS = 10
_BATCH = 256
_VECTORS = {3: ("_px", "_py", "_pz"), 2: ("_px", "_py")}


def prepare(threads: int) -> None:
    """Let LUMIN 0.9.1 be imported as its time allows, on so many threads."""
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # it loads pickled optimizers
    os.environ["MPLBACKEND"] = "agg"
    absent = ModuleType("pdpbox.pdp")  # needed for plots of dependence only
    vars(absent).update(PDPInteract=None, PDPIsolate=None)
    sys.modules |= {"pdpbox": ModuleType("pdpbox"), "pdpbox.pdp": absent}
    import torch

    torch.set_num_threads(threads)


def table(arrays: dict[str, Any]) -> tuple[Any, list[str]]:
    """Events as LUMIN wants them, and the names of the continuous features."""
    import pandas

    columns = {}
    for name in arrays["continuous"]:
        values = arrays[name].reshape(len(arrays[name]), -1)
        parts = _VECTORS[values.shape[1]] if name in arrays["momenta"] else range(values.shape[1])
        columns |= {f"{name}{part}": values[:, i] for i, part in enumerate(parts)}
    names = list(columns)
    more = {name: arrays[name] for name in ("jet_num", "label", "weight")}
    return pandas.DataFrame(columns | more), names


def folds(events: Any, names: list[str], count: int, path: Path) -> Any:
    """Write events into a file of folds, and give what augments them."""
    from lumin.data_processing.file_proc import df2foldfile
    from lumin.nn.data.fold_yielder import HEPAugFoldYielder

    known = {"cont_feats": names, "cat_feats": ["jet_num"]}
    about = {"targ_feats": "label", "targ_type": "int", "wgt_feat": "weight"}
    df2foldfile(events, count, savename=path, strat_key="label", **known, **about)
    return HEPAugFoldYielder(f"{path}.hdf5", rot_mult=2, **known)


def builder(names: list[str]) -> Any:
    """The study's final network."""
    from lumin.nn.models.helpers import CatEmbedder
    from lumin.nn.models.model_builder import ModelBuilder

    body = {"depth": 6, "width": 33, "act": "swish", "dense": True}
    return ModelBuilder(
        "classification",
        n_out=1,
        cont_feats=names,
        cat_embedder=CatEmbedder(["jet_num"], [4], [3]),
        model_args={"body": body},
        opt_args={"opt": "adam", "eps": 1e-3},
    )


def epoch_seconds(events: Any, network: Any, epochs: int, folder: Path) -> list[float]:
    """Train a member by the loop of the library; the median time of an epoch."""
    from lumin.nn.callbacks.callback import Callback
    from lumin.nn.callbacks.cyclic_callbacks import OneCycle
    from lumin.nn.training.train import train_models

    began: list[Any] = []

    class Clock(Callback):
        """Notes when each pass over the training folds begins."""

        def on_epoch_begin(self) -> None:
            if self.model.fit_params.state == "train":
                began.append(now())

    cycle = partial(OneCycle, lengths=(5, 10), lr_range=[1e-4, 1e-2], mom_range=(0.85, 0.95))
    train_models(
        events,
        n_models=1,
        bs=_BATCH,
        model_builder=network,
        n_epochs=epochs + 1,
        patience=50,
        cb_partials=[cycle, Clock],
        savepath=folder / "weights",
    )
    return np.median(np.diff(began, axis=0), axis=0).tolist()


def prediction_seconds(events: Any, network: Any) -> list[float]:
    """Predict with an ensemble, with all copies of the events."""
    from lumin.nn.ensemble.ensemble import Ensemble
    from lumin.nn.models.model import Model

    ensemble = Ensemble.from_models([Model(network) for _ in range(_MEMBERS)])
    began = now()
    ensemble.predict(events)
    return (now() - began).tolist()


def main() -> None:
    """Time both, and print what was found."""
    path, folder, threads, epochs = sys.argv[1:]
    prepare(int(threads))
    with np.load(path) as file:
        arrays = dict(file)
    events, names = table(arrays)
    train = folds(events, names, _FOLDS, Path(folder) / "train")
    network = builder(names)
    from lumin.nn.models.model import Model

    found = {
        "parameters": int(Model(network).get_param_count()),
        "updates": sum(train.get_data_count(i) // _BATCH for i in range(1, _FOLDS)),
        "epoch": epoch_seconds(train, network, int(epochs), Path(folder)),
    }
    few = folds(events[: int(arrays["predicted"])], names, 2, Path(folder) / "few")
    found["prediction"] = prediction_seconds(few, network)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
