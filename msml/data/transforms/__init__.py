"""Transforms of columns, as recipes name them under `data.transform`.

A transform is a registered function `fn(column, learn, *, ...) -> Step` of the description of what
comes in and, for one that is fitted, of a function that returns what its fit has found. The fit is
the fact `fit` of the registration, `fit(numbers, column, ...) -> State`: it sees the events of
train only, padding left out, block by block as `(numbers, last axis)`. What it finds is JSON, and
kept with the run.
"""

from msml.data.transforms.momenta import LOG_PT_LIMIT, PT_OFFSET, log_pt
from msml.data.transforms.pipeline import Blocks, Pipeline, label, make_pipeline, named
from msml.data.transforms.step import State, Step

__all__ = [
    "LOG_PT_LIMIT",
    "PT_OFFSET",
    "Blocks",
    "Pipeline",
    "State",
    "Step",
    "label",
    "log_pt",
    "make_pipeline",
    "named",
]
