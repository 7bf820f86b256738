"""Models as ONNX files, and what ONNX Runtime computes of them: the extra `export`."""

import json
import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.events import Columns
from msml.data.kinematics import Array
from msml.errors import DataError, RecipeError
from msml.stages.export.whole import Network, Whole, traced
from msml.training.cost import fastest

OPSET = 15
"""Of ONNX's operations: old enough for what experiments have, and all that msml's models need."""

EVENTS = "events"
"""Name of the axis of events."""

_PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
_PROVIDER = "CPUExecutionProvider"


def packages() -> dict[str, str]:
    """Versions of what makes and reads ONNX files.

    Raises:
        RecipeError: One is not installed.
    """
    try:
        return {name: version(name) for name in _PACKAGES}
    except PackageNotFoundError as error:
        needed = f"exporting needs the package {error.name}: pip install 'msml[export]'"
        raise RecipeError(needed) from error


def write(
    path: Path, whole: Whole, about: Mapping[str, Any], networks: Mapping[str, Network]
) -> None:
    """Write a model as an ONNX file, with the names of its columns.

    Args:
        path: The file.
        whole: The model.
        about: What the file says of itself; each value as JSON.
        networks: Those in the model, for messages.

    Raises:
        RecipeError: A layer computes what ONNX has no operation for.
    """
    import onnx
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    function = traced(whole)
    model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
    graph = model.graph
    _check_operations(graph, networks)
    _keep_constants(graph, function.get_concrete_function())
    before = [each.name for each in (*graph.input, *graph.output)]
    _rename(graph, dict(zip(before, (*whole.inputs, *whole.outputs), strict=True)))
    for given, columns in ((graph.input, whole.inputs), (graph.output, whole.outputs)):
        for value in given:
            kind = value.type.tensor_type.elem_type
            shape: list[str | int] = [EVENTS, *columns[value.name].lengths]
            value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, kind, shape))
    del graph.value_info[:]  # with names of tf2onnx's own for the axis of events
    graph.name = "chain"
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in about.items()})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def latency(path: Path, events: Columns, size: int) -> float:
    """Measure how long ONNX Runtime takes for a batch of some events on the CPU, as `fastest`.

    Args:
        path: The file.
        events: Columns of any number of events, which are repeated if need be.
        size: Events of a batch.

    Returns:
        Seconds.
    """
    run, rows = runner(path), np.arange(size) % len(next(iter(events.values())))
    batch = {name: values[rows] for name, values in events.items()}
    return fastest(lambda: run(batch))


def runner(path: Path) -> Callable[[Columns], dict[str, Array]]:
    """Open an ONNX file: a function of columns by name that gives the outputs by name.

    Raises:
        DataError: It is missing or damaged.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[_PROVIDER])
    except Exception as error:  # its errors have no class in common
        if not path.exists():
            raise DataError(f"{path}: no such file") from error
        raise DataError(f"{path}: no ONNX file, or damaged: {_short(error)}") from error
    outputs = [each.name for each in session.get_outputs()]
    inputs = [each.name for each in session.get_inputs()]

    def run(columns: Columns) -> dict[str, Array]:
        given = {name: np.ascontiguousarray(columns[name]) for name in inputs}
        return dict(zip(outputs, session.run(outputs, given), strict=True))

    return run


def _short(error: Exception) -> str:
    """Shorten what ONNX Runtime says."""
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : ", "", " ".join(str(error).split()))[:150]


def _keep_constants(graph: Any, traced: Any) -> None:
    """Put constants of the model, which TensorFlow hands over as inputs, into the graph."""
    from onnx.numpy_helper import from_array

    values = traced.captured_inputs
    names = [each.name for each in traced.inputs[len(traced.inputs) - len(values) :]]
    captured = dict(zip(names, values, strict=True))
    for value in list(graph.input):
        if value.name in captured:
            graph.input.remove(value)
            graph.initializer.append(from_array(captured[value.name].numpy(), value.name))


def _check_operations(graph: Any, networks: Mapping[str, Network]) -> None:
    """Refuse what is left of TensorFlow.

    Raises:
        RecipeError: There is some.
    """
    import onnx

    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _check_operations(attribute.g, networks)
        if not onnx.defs.has(node.op_type, OPSET, node.domain):
            where, what = _place(node.name.split("/"), networks), node.op_type
            raise RecipeError(f"{where} has no form in ONNX: its operation {what}")


def _place(path: Sequence[str], networks: Mapping[str, Network]) -> str:
    """Say which layer an operation is of, from the parts of its name."""
    for place, part in enumerate(path):
        network = networks.get(_known(part, networks))
        if network is not None:
            layer = next(
                (found for p in path[place + 1 :] if (found := _known(p, network.layers))), ""
            )
            return f"layer '{layer}' of {network.text}" if layer else network.text
    return "the chain"


def _known(part: str, names: Collection[str]) -> str:
    """Find the name that TensorFlow may have numbered; "" where it is none of them."""
    return next((name for name in (part, re.sub(r"_\d+$", "", part)) if name in names), "")


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Rename tensors of a graph, and of the graphs within."""
    for each in (*graph.input, *graph.output):
        each.name = names.get(each.name, each.name)
    for node in graph.node:
        for tensors in (node.input, node.output):
            for place, name in enumerate(tensors):
                tensors[place] = names.get(name, name)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, names)
