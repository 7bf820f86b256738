"""A chain and all around it as one Keras model: columns of events in, predictions out."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from msml.chain import Chain
from msml.data.dataset import as_seen
from msml.data.events import Columns
from msml.data.schema import Column
from msml.data.transforms import Pipeline
from msml.ensemble import Ensemble
from msml.errors import RecipeError
from msml.stages.prediction.finished import Finished
from msml.stages.prediction.predicted import origin, predicted
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


class Network(NamedTuple):
    """A network in the model.

    Attributes:
        text: Its candidate and task.
        layers: Names of its layers.
    """

    text: str
    layers: frozenset[str]


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


def followers(made: Whole) -> Callable[[Columns, Columns], Columns]:
    """Compile what is a function of other outputs.

    Returns:
        A function of the columns, and of those other outputs, to the outputs that follow from them.
    """
    import keras

    origins = {n: before for n in made.outputs if (before := origin(n, made.outputs)) is not None}
    if not origins:
        return lambda given, outputs: {}
    inputs, outputs = made.model.input, made.model.output
    used = list(dict.fromkeys(origins.values()))
    seen = [*(inputs[name] for name in made.inputs), *(outputs[name] for name in used)]
    model = keras.Model(seen, {name: outputs[name] for name in origins})

    def follow(given: Columns, others: Columns) -> Columns:
        values = [*(given[name] for name in made.inputs), *(others[name] for name in used)]
        return {n: np.asarray(each) for n, each in model(values, training=False).items()}

    return follow


def networks_of(found: Finished) -> dict[str, Network]:
    """Name the networks in the model."""
    known = {}
    for chain in _chains(found):
        for task, model in chain.models.items():
            text = f"the candidate '{found.chosen[task]}' of the task '{task}'"
            known[model.name] = Network(text, frozenset(layer.name for layer in model.layers))
    return known


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
            found[name] = ops.tile(ops.cast(nothing, column.dtype), (1, *sizes))
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
