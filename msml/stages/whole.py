"""A chain and all around it as one Keras model: columns of events in, predictions out."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from msml.chain import Chain
from msml.data.dataset import as_seen
from msml.data.schema import Column
from msml.data.transforms import Pipeline
from msml.ensemble import Ensemble
from msml.errors import RecipeError
from msml.stages.finished import Finished
from msml.stages.predicted import predicted
from msml.tensors import Values, as_type
from msml.training.augmentation import momenta, orient
from msml.training.environment import tensorflow

Tensor = Any
# What NumPy says of a tensor of Keras.
_NUMPY = (TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Whole:
    """A chain with its transforms and all that `msml predict` makes of its outputs.

    Attributes:
        model: From columns by name, as event files have them, to predictions by name.
        inputs: The columns that it sees.
        outputs: The columns that it gives; those of several numbers as float32.
    """

    model: Any
    inputs: Mapping[str, Column]
    outputs: Mapping[str, Column]


def whole(found: Finished) -> Whole:
    """Make one model of a chain.

    Columns that the tasks name and the candidates do not use are no inputs of it.

    Raises:
        RecipeError: A transform is not written for tensors.
    """
    masks = [found.about.columns[c.mask] for c in found.inputs.values() if c.mask]
    columns = {**found.inputs, **{each.name: each for each in masks}}
    _name_networks(found)
    made = _whole(found, columns, columns)
    needed = _used(made)
    if not needed or len(needed) == len(columns):
        return made
    return _whole(found, columns, {n: c for n, c in columns.items() if n in needed})


def traced(made: Whole) -> Any:
    """Compile a model for any number of events.

    Returns:
        A function of TensorFlow: of the columns in their order, to a list of outputs in theirs.
    """
    tf = tensorflow()
    names, model = list(made.inputs), made.model
    given = [
        tf.TensorSpec((None, *column.lengths), column.dtype, f"input_{number}")
        for number, column in enumerate(made.inputs.values())
    ]

    def call(*values: Tensor) -> list[Tensor]:
        found = model(dict(zip(names, values, strict=True)), training=False)
        return [tf.identity(found[name]) for name in made.outputs]

    return tf.function(call, input_signature=given, autograph=False)


def network_names(found: Finished) -> dict[str, str]:
    """Names of the networks in the model, each with that of its candidate and task."""
    said = {t: f"the candidate '{c}' of the task '{t}'" for t, c in found.chosen.items()}
    return {
        model.name: said[task] for chain in _chains(found) for task, model in chain.models.items()
    }


def _whole(found: Finished, columns: Mapping[str, Column], given: Mapping[str, Column]) -> Whole:
    """Make the model with some columns as inputs, and zeros in the place of the others."""
    import keras

    inputs = {
        name: keras.Input(column.lengths, dtype=column.dtype, name=name.replace("/", "."))
        for name, column in given.items()
    }
    raw = {**_zeros(columns, inputs), **inputs}
    seen = {}
    for name, column in found.inputs.items():
        real = as_type(raw[column.mask], "bool") if column.mask else None
        seen[name] = _transformed(name, found.setup.pipelines.get(name), raw[name], real)
    if (settings := found.setup.values.data.align) is not None:
        known = momenta(settings, found.setup.columns, found.setup.pipelines)
        seen |= orient(seen, settings, known)
    made = list(predicted(found, found.chain.outputs(seen, training=False), seen))
    outputs = {column.name: _single(tensor) for column, tensor in made}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a column whose name no layer can have
        model = keras.Model(inputs, outputs, name="chain")
    types = {name: keras.backend.standardize_dtype(each.dtype) for name, each in outputs.items()}
    described = {column.name: replace(column, dtype=types[column.name]) for column, _ in made}
    return Whole(model, given, described)


def _transformed(
    name: str, pipeline: Pipeline | None, values: Tensor, real: Tensor | None
) -> Tensor:
    """Transform a column as models see it.

    Raises:
        RecipeError: One of the transforms computes with NumPy only.
    """
    try:
        return as_seen(pipeline, values, real)
    except _NUMPY as error:
        if pipeline is None:
            raise
        known = ", ".join(pipeline.names)
        help_ = "msml.tensors says how a formula serves arrays and tensors"
        raise RecipeError(
            f"column '{name}': its transforms ({known}) cannot be exported, one of them is for"
            f" arrays only; {help_}"
        ) from error


def _zeros(columns: Mapping[str, Column], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make zeros for as many events as the inputs have, for columns that are none."""
    from keras import ops

    first = next(iter(inputs.values()))
    flat = ops.reshape(first, (-1, prod(first.shape[1:])))
    found = {}
    for name, column in columns.items():
        if name not in inputs:
            sizes = column.lengths
            nothing = ops.zeros_like(ops.reshape(flat[:, 0], (-1, *(1 for _ in sizes))))
            found[name] = ops.cast(nothing, column.dtype) + ops.zeros((1, *sizes), column.dtype)
    return found


def _single(values: Values) -> Values:
    """Make float32 of float64."""
    from keras import ops

    return ops.cast(values, "float32") if str(values.dtype) == "float64" else values


def _name_networks(found: Finished) -> None:
    """Name the networks of a chain by task and candidate, as layers may be called, and apart."""
    taken: set[str] = set()
    for number, chain in enumerate(_chains(found)):
        for task, model in chain.models.items():
            name = re.sub(r"[^A-Za-z0-9.]", "_", f"{task}.{found.chosen[task]}")
            name += f".member{number}" if number else ""
            model.name = f"{name}.{len(taken)}" if name in taken else name
            taken.add(model.name)


def _chains(found: Finished) -> Sequence[Chain]:
    return found.chain.members if isinstance(found.chain, Ensemble) else [found.chain]


def _used(made: Whole) -> set[str]:
    """Find the inputs that the outputs depend on."""
    graph = traced(made).get_concrete_function()
    left, known = [each.op for each in graph.outputs], set()
    while left:
        operation = left.pop()
        if operation.name not in known:
            known.add(operation.name)
            left += [each.op for each in operation.inputs]
    return {n for n, each in zip(made.inputs, graph.inputs, strict=False) if each.op.name in known}
