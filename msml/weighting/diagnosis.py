"""How the tasks of a chain pull at the weights they share."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from msml.chain import Chain
from msml.data.kinematics import Array
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Stream, Tensor
from msml.weighting.gradients import shared_gram, task_gradients
from msml.weighting.rule import Weighting

Diagnosis = Callable[[Batch], dict[str, Any]]
Notes = Callable[[], dict[str, Any]]


def weighting_notes(
    weighting: Weighting, names: Sequence[str], stream: Stream, make: Callable[[], Diagnosis]
) -> Notes:
    """What to note of a weighting after an epoch, on the first train batch.

    Args:
        weighting: The rule.
        names: The tasks; of a single one there is nothing to note.
        stream: The train events.
        make: Compiles the look.
    """
    if not weighting.logged or len(names) < 2:
        return dict
    look = make()
    batch = {name: column[: stream.batch_size] for name, column in stream.columns.items()}
    return lambda: {"weighting": look(batch)}


def chain_diagnosis(chain: Chain, weighting: Weighting) -> Diagnosis:
    """Look at a chain as it predicts; see `make_diagnosis`. Random numbers are not used up."""
    kept = [v for model in chain.models.values() for v in model.variables if not v.trainable]

    def measure(batch: Batch) -> list[Tensor]:
        return chain.task_losses(batch, chain.outputs(batch, training=False))

    look = make_diagnosis(tuple(chain.models), measure, chain.variables(), weighting)

    def diagnose(batch: Batch) -> dict[str, Any]:
        before = [variable.numpy() for variable in kept]
        found = look(batch)
        for variable, value in zip(kept, before, strict=True):
            variable.assign(value)
        return found

    return diagnose


def make_diagnosis(
    names: Sequence[str],
    measure: Callable[[Batch], list[Tensor]],
    variables: Sequence[Any],
    weighting: Weighting,
) -> Diagnosis:
    """Compile a look at one batch that changes no variable of network or weighting.

    Args:
        names: The tasks.
        measure: From a batch to a loss for each task; to change no variable.
        variables: Keras variables.
        weighting: The rule.

    Returns:
        A function of a batch. It gives `losses` and `coefficients` by task and, by pairs of tasks
        such as `first,second`, `cosine` and `norm_ratio` (first over second) of the gradients on
        the shared weights, None where there is no direction.
    """
    tf = tensorflow()

    def look(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            sources = [variable.value for variable in variables]
            tape.watch(sources)
            values = measure(batch)
        gram = shared_gram(task_gradients(tape, values, sources))
        losses = tf.stack(values)
        return losses, weighting.coefficients(losses, gram), gram

    compiled = tf.function(look, autograph=False)

    def diagnose(batch: Batch) -> dict[str, Any]:
        losses, coefficients, gram = (tensor.numpy() for tensor in compiled(batch))
        return {
            "losses": dict(zip(names, map(float, losses), strict=True)),
            "coefficients": dict(zip(names, map(float, coefficients), strict=True)),
            **_angles(names, gram),
        }

    return diagnose


def _angles(names: Sequence[str], gram: Array) -> dict[str, dict[str, float | None]]:
    """Cosines and ratios of norms by pair of tasks."""
    norms = np.sqrt(np.diag(gram))
    cosine: dict[str, float | None] = {}
    ratio: dict[str, float | None] = {}
    for first, second in combinations(range(len(names)), 2):
        pair, known = f"{names[first]},{names[second]}", norms[first] > 0 and norms[second] > 0
        product = norms[first] * norms[second]
        cosine[pair] = float(gram[first, second] / product) if known else None
        ratio[pair] = float(norms[first] / norms[second]) if known else None
    return {"cosine": cosine, "norm_ratio": ratio}
