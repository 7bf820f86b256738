"""Building a candidate: its weights depend on its name, arguments and seed, on nothing else."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msml.arguments import bind, wants
from msml.errors import RecipeError, nearest
from msml.models.each import Each
from msml.models.outputs import named
from msml.recipe.expand import BESIDE_OUTPUTS, CALIBRATED, OUTPUT, PREDICTION, PROBABILITIES
from msml.registry import models

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]
RESERVED = (PROBABILITIES, CALIBRATED, PREDICTION, *BESIDE_OUTPUTS)
"""What an output cannot be called: it is kept beside these, or read as one of them."""


def build(
    name: str,
    input_shapes: Sequence[Shape],
    output_shape: Shape,
    arguments: Mapping[str, Any],
    seed: int,
    precision: str = "float32",
    output: str = OUTPUT,
    masks: Sequence[bool] = (),
    each: Each | None = None,
) -> "keras.Model":
    """Build a model with weights that follow from the seed.

    The same name, shapes, arguments and seed give the same weights, whatever was built or drawn
    before; another name or seed gives independent ones. Global settings of Keras and the state of
    Python's random numbers are as before afterwards.

    Args:
        name: Registered name of the model.
        input_shapes: Shape of each input of the task, without the event axis, in its order.
        output_shape: Shape of the task's target, without the event axis.
        arguments: The candidate's arguments from the recipe.
        seed: Seed of the weights and of random layers.
        precision: A Keras policy: float32, mixed_bfloat16, mixed_float16. The outputs are
            float32 under each.
        output: Name of the output that the loss sees, of a model that returns a dictionary.
        masks: Which inputs are boolean columns.
        each: The objects that the model is applied to, where it is one of objects. Its builder is
            given their shapes.

    Returns:
        A model of the list of inputs, or of the one there is, whose output has `output_shape`
        for each event. A task with a target of one number, shape `()`, may have a model with an
        output of shape `(1,)`.

    Raises:
        RecipeError: The name is unknown, the arguments do not fit, or the model is of another
            output shape or type, or no model; one line each.
    """
    import keras

    if each is not None:
        masks = each.given(masks)
        event_shapes, input_shapes = input_shapes, each.of_one(input_shapes)
        output_shape = output_shape[1:]
    entry = models.get(name)
    problems = bind(entry, len(input_shapes), arguments)
    if problems:
        raise RecipeError([": ".join(filter(None, problem)) for problem in problems])
    known = {"output": tuple(output_shape) or (1,), "masks": tuple(masks)}
    filled = {key: value for key, value in known.items() if wants(entry, key)}
    with _seeded(f"{seed}/{name}"), _policy(precision):
        try:
            model = entry.function(*input_shapes, **arguments, **filled)
        except (TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise RecipeError(f"model '{name}' cannot be built: {reason}") from error
        if not isinstance(model, keras.Model):
            message = f"is of type {type(model).__name__}, not a keras.Model"
            raise RecipeError(f"model '{name}' {message}")
        outputs = _outputs(model, input_shapes)
    shapes = {key: tuple(found.shape[1:]) for key, found in outputs.items()}
    if taken := sorted({*shapes} & set(RESERVED)):
        message = f"an output '{taken[0]}', a name that msml uses; expected another"
        raise RecipeError(f"model '{name}' has {message}")
    if output not in shapes:
        message = f"no output '{output}'{nearest(output, list(shapes))}"
        raise RecipeError(f"model '{name}' has {message}")
    if shapes[output] != (tuple(output_shape) or (1,)):
        message = f"outputs of shape {shapes[output]}, the task's loss wants {tuple(output_shape)}"
        raise RecipeError(f"model '{name}' has {message}")
    for key, found in outputs.items():
        if keras.backend.standardize_dtype(found.dtype) != "float32":
            message = f"the output '{key}' of {found.dtype}; expected a last layer of dtype float32"
            raise RecipeError(f"model '{name}' has {message}")
    return model if each is None else each.apply(model, event_shapes)


def output_shapes(model: "keras.Model", input_shapes: Sequence[Shape]) -> dict[str, Shape]:
    """Return the shapes of a model's outputs by name, without the event axis."""
    outputs = _outputs(model, input_shapes)
    return {name: tuple(each.shape[1:]) for name, each in outputs.items()}


def _outputs(model: "keras.Model", input_shapes: Sequence[Shape]) -> Mapping[str, Any]:
    """Outputs by name; a subclassed model makes its layers when it is called."""
    from keras import ops

    try:
        result = model.output
    except AttributeError:
        zeros = [ops.zeros((1, *shape)) for shape in input_shapes]
        result = model(zeros if len(zeros) > 1 else zeros[0], training=False)
    return named(result)


@contextmanager
def _seeded(seed: str) -> Iterator[None]:
    """Seed Python's random numbers for a while: Keras takes the seeds of initialisers from them.

    Each initialiser and each random layer without a seed of its own draws one integer when it is
    made, and all it does follows from that.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    """Set Keras's precision for a while."""
    import keras

    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(precision)
    except ValueError as error:
        raise RecipeError(f"unknown precision '{precision}'") from error
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
