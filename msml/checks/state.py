"""Whether all that changes in a plugin's model is in its variables, and follows from its seed.

Strategies hand these variables about, and resuming sets them: what is elsewhere would be lost
without a word.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.data.kinematics import Array
from msml.models.build import Shape
from msml.models.outputs import named
from msml.models.stateless import call
from msml.training.environment import tensorflow

if TYPE_CHECKING:
    import keras

_EVENTS = 8


def state_problem(
    make: Callable[[], "keras.Model"], shapes: Sequence[Shape], masks: Sequence[bool]
) -> str | None:
    """Say why a model cannot be trained and resumed by every strategy; None where it can.

    Args:
        make: Builds the model, every time from the same seed.
        shapes: Of its inputs, without the event axis.
        masks: Which of them are boolean.
    """
    model, twin = make(), make()
    inputs = _inputs(shapes, masks)
    own = {id(variable.value) for variable in model.variables}
    if own & {id(variable.value) for variable in twin.variables}:
        return "shares variables with another model of this name; make layers when it is called"
    if not _same(_values(model), _values(twin)):
        return "begins with other weights each time; draw them by a keras.initializers"
    seen = sorted(v.name for v in _seen(model, inputs) if id(v) not in own)
    draws = [name for name in seen if "seed_generator" in name]  # Keras has one for all models
    if hidden := [name for name in seen if name not in draws]:
        name = hidden[0].removesuffix(":0")
        return f"uses '{name}', which is none of its variables; make its layers its attributes"
    first, second = (_called(each, inputs, training=True) for each in (model, twin))
    if draws or not _same(first, second):
        return (
            "draws random numbers that do not follow from its seed; draw by a "
            "keras.random.SeedGenerator that is one of its attributes"
        )
    changed = _changed(model, inputs, training=False)
    return f"changes '{changed[0]}' outside of training, too" if changed else None


def moving_statistics(
    model: "keras.Model", shapes: Sequence[Shape], masks: Sequence[bool]
) -> list[str]:
    """Name what a call in training changes besides random numbers, as batch normalisation does.

    Args:
        model: The model.
        shapes: Of its inputs, without the event axis.
        masks: Which of them are boolean.
    """
    return _changed(model, _inputs(shapes, masks), training=True)


def _inputs(shapes: Sequence[Shape], masks: Sequence[bool]) -> Any:
    """Random events, `(events, ...) float32`, of which all is real."""
    rng = np.random.default_rng(0)
    marked = [*masks, *[False] * (len(shapes) - len(masks))]
    arrays = [
        np.ones((_EVENTS, *shape)) if mask else rng.random((_EVENTS, *shape))
        for shape, mask in zip(shapes, marked, strict=True)
    ]
    tensors = [tensorflow().constant(array, "float32") for array in arrays]
    return tensors if len(tensors) > 1 else tensors[0]


def _seen(model: "keras.Model", inputs: Any) -> Sequence[Any]:
    """All variables that a call in training reads."""
    tf = tensorflow()
    traced = tf.function(lambda: model(inputs, training=True), autograph=False)
    found: Sequence[Any] = traced.get_concrete_function().graph.variables
    return found


def _values(model: "keras.Model") -> list[Array]:
    return [variable.numpy() for variable in model.variables]


def _called(model: "keras.Model", inputs: Any, *, training: bool) -> list[Array]:
    """The values of the non-trainable variables after a call, then the outputs."""
    weights, state = model.trainable_variables, model.non_trainable_variables
    found = call(model, weights, state, inputs, training=training)
    return [np.asarray(each) for each in (*found.state, *named(found.outputs).values())]


def _changed(model: "keras.Model", inputs: Any, *, training: bool) -> list[str]:
    """Name the variables that a call changes, but for the states of random numbers."""
    after = _called(model, inputs, training=training)
    weights = {id(variable) for variable in model.weights}
    return [
        variable.path
        for variable, value in zip(model.non_trainable_variables, after, strict=False)
        if id(variable) in weights and not np.array_equal(variable.numpy(), value)
    ]


def _same(first: Sequence[Array], second: Sequence[Array]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True))
