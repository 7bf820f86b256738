"""What the tests of models share: inputs as the tasks have them, and models with random weights."""

import numpy as np

from msml.models.build import build

JETS, IMAGES, TAUS = (2, 4), (2, 16, 16, 3), (2, 3)
TAU_INPUTS, HIGGS_INPUTS = [JETS, IMAGES], [TAUS]
TAU_MODELS = ["tau_mlp", "tau_cnn", "tau_scale_factor"]
HIGGS_MODELS = ["higgs_mlp", "higgs_lstm", "higgs_mass"]
GENERIC = {
    *("mlp", "residual_mlp", "dense_mlp", "linear"),
    *("cnn", "deepsets", "set_transformer", "lstm", "gru"),
    *("graph_network", "graph_attention"),
}
"""Tested by themselves, in `test_generic.py`."""

OF_STUDIES = {"higgsml_mlp", "tau_deepsets", "event_deepsets", "tau_residual"}
"""Tested with their studies."""

INPUTS = {"tau": TAU_INPUTS, "higgs": HIGGS_INPUTS, "whole": TAU_INPUTS}
ALL = [
    *((name, "tau") for name in (*TAU_MODELS, "zeros", "noise")),
    *((name, "higgs") for name in (*HIGGS_MODELS, "zeros", "noise")),
    ("end_to_end", "whole"),
]


def make(name, task, seed=1, precision="float32", **arguments):
    return build(name, INPUTS[task], TAUS if task == "tau" else (), arguments, seed, precision)


def arrays(task, events=7, seed=0):
    """Return inputs of the task's models: log pt, eta, phi (, m) and sparse images in GeV."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal((3.7, 0, 0), (0.4, 1, 1.8), (events, 2, 3))
    if task == "higgs":
        return [vectors.astype("float32")]
    masses = rng.uniform(0, 2, (events, 2, 1))
    images = rng.exponential(5, (events, *IMAGES)) * (rng.random((events, *IMAGES)) < 0.05)
    jets = np.concatenate([vectors, masses], axis=-1)
    return [jets.astype("float32"), images.astype("float32")]


def call(model, inputs):
    return np.asarray(model(inputs if len(inputs) > 1 else inputs[0]))
