"""Starting a model from weights of another one, and keeping some of them as they are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from msml.data.kinematics import Array
from msml.errors import RecipeError, nearest
from msml.recipe.schema import Start


@dataclass(frozen=True)
class Source:
    """Weights to start from.

    Attributes:
        where: What they are of, for messages.
        mark: Hash of the file that has them.
        layers: Weights of each layer by its name.
    """

    where: str
    mark: str
    layers: Mapping[str, Sequence[Array]]


def weights_of(model: Any) -> dict[str, list[Array]]:
    """Weights of each layer of a Keras model by its name; of a layer of layers, those of all."""
    return {name: [w.numpy() for w in layer.weights] for name, layer in _layers(model)}


def begin(model: Any, start: Start, source: Source) -> None:
    """Give a model the weights that it starts from.

    Of `fixed` layers no weight is trained any more. Batch normalisation still normalises by the
    statistics of the batch and gathers them, unless it is to `freeze`, which is Keras's way.

    Args:
        model: A Keras model.
        start: Which layers, and what becomes of them.
        source: The weights.

    Raises:
        RecipeError: A pattern names no layer, or a layer is not in the source or has other shapes.
    """
    known = dict(_layers(model))
    for pattern in start.layers:
        if not _matching(known, [pattern]):
            raise RecipeError(f"layers: no layer '{pattern}'{nearest(pattern, list(known))}")
    left_out = _matching(known, start.without)
    chosen = [name for name in _matching(known, start.layers) if name not in left_out]
    if not chosen:
        raise RecipeError("layers: no layer is left that starts from there")
    for name in chosen:
        _check(name, known[name], source)
    for name in chosen:
        for weight, value in zip(known[name].weights, source.layers[name], strict=True):
            weight.assign(value)
        if start.mode == "fixed":
            _fix(known[name], freeze=start.batchnorm == "freeze")


def _fix(layer: Any, *, freeze: bool) -> None:
    """Have no weight of a layer trained; where it is to freeze, keep statistics of batches too."""
    import keras

    for weight in layer.weights:
        weight.trainable = False
    for each in layer._flatten_layers() if freeze else ():
        if isinstance(each, keras.layers.BatchNormalization):
            each.trainable = False


def _layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the layers that have weights, those of models inside of the model, too."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif layer.weights:
            yield layer.name, layer


def _matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _check(name: str, layer: Any, source: Source) -> None:
    if name not in source.layers:
        close = nearest(name, list(source.layers))
        raise RecipeError(f"the layer '{name}' is not in {source.where}{close}")
    shapes = [tuple(weight.shape) for weight in layer.weights]
    theirs = [weight.shape for weight in source.layers[name]]
    if shapes != theirs:
        ours, others = (", ".join(map(str, each)) for each in (shapes, theirs))
        message = f"weights of shapes {ours}, in {source.where} {others}"
        raise RecipeError(f"the layer '{name}' has {message}")
