"""By which losses on valid the candidates of a search are judged.

A candidate by the weighted losses of its task and of all that its output reaches: what it gives up
for those is no overfitting. In a supernet it stands by itself in its task's place, and of others
the best counts, as in the combination that would be chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from msml.chain import Named
from msml.data.kinematics import Array
from msml.models.outputs import named
from msml.recipe.expand import TaskSpec, all_upstream
from msml.strategies.supernet import Given, Supernet, Tensor
from msml.training.environment import tensorflow


def reached(tasks: Mapping[str, TaskSpec]) -> dict[str, list[str]]:
    """The later tasks that see the output of each task, also by way of others."""
    needed = {task: all_upstream(task, tasks) for task in tasks}
    return {task: [later for later in tasks if task in needed[later]] for task in tasks}


def losses_alone(
    supernet: Supernet,
    weights: Sequence[Tensor],
    alphas: Sequence[Tensor],
    given: Given,
    outputs: Mapping[str, Sequence[Named]],
    mixed: Mapping[str, Named],
) -> list[Tensor]:
    """Losses of the candidates that another one reaches, while that stands by itself.

    For each candidate of each task, for each task that it reaches, the own loss of each candidate
    there; tasks in between pass on mixtures. Scalars, as `judged` reads them.

    Args:
        supernet: Of which they are.
        weights: As in `Supernet.outputs`, as are `alphas` and `given`.
        alphas: See there.
        given: See there.
        outputs: Of all candidates, as it returned them.
        mixed: What each task passes on, likewise.
    """
    tf = tensorflow()
    batch, loss, found = given.batch, supernet.inputs.task_loss, []
    for task, later in reached(supernet.tasks).items():
        # All that stand by themselves one behind the other, so that the others are called once.
        count = len(outputs[task])
        events = replace(given, batch=_repeated(dict(batch), count))
        passed = _repeated(dict(mixed), count)
        passed[task] = tf.nest.map_structure(lambda *each: tf.concat(each, 0), *outputs[task])
        columns = []
        for name in later:
            called = supernet.called(name, weights, events, passed)
            each = [named(one.outputs, supernet.used(name)) for one in called]
            passed[name] = supernet.mixed(name, alphas, given, each)
            for one in each:
                parts = {key: tf.split(value, count) for key, value in one.items()}
                alone = [{key: parts[key][i] for key in parts} for i in range(count)]
                columns.append([loss(name, batch, part) for part in alone])
        found += [row for rows in zip(*columns, strict=True) for row in rows]
    return found


def count_alone(supernet: Supernet) -> int:
    """How many losses `losses_alone` gives."""
    sizes = {task: len(models) for task, models in supernet.models.items()}
    later = reached(supernet.tasks)
    return sum(n * sum(sizes[name] for name in later[t]) for t, n in sizes.items())


def judged(
    supernet: Supernet, task_weights: Mapping[str, float], own: Array, alone: Array
) -> Array:
    """By what each candidate is judged.

    Args:
        supernet: Of which they are.
        task_weights: v_t of each task.
        own: Mean loss of each candidate over the events, as the supernet is, `(candidates,)`.
        alone: Means of `losses_alone`, `(count_alone,)`.

    Returns:
        `(candidates,)`: v_t of its task times its loss with the best of those before it, and for
        each task that it reaches v_s times the least loss there, where it stands by itself.
    """
    sizes = {task: len(models) for task, models in supernet.models.items()}
    each = dict(zip(sizes, np.split(own, np.cumsum(list(sizes.values()))[:-1]), strict=True))
    best: dict[str, Array] = {}
    beyond = {task: np.zeros(size, own.dtype) for task, size in sizes.items()}
    for task, later in reached(supernet.tasks).items():
        width = sum(sizes[name] for name in later)
        rows = alone[: sizes[task] * width].reshape(sizes[task], width)
        alone = alone[sizes[task] * width :]
        for name in later:
            block, rows = rows[:, : sizes[name]], rows[:, sizes[name] :]
            beyond[task] += task_weights[name] * block.min(axis=1)
            least = block.min(axis=0)
            best[name] = np.minimum(best[name], least) if name in best else least
    return np.concatenate(
        [task_weights[task] * best.get(task, each[task]) + beyond[task] for task in sizes]
    )


def _repeated(tensors: Any, count: int) -> Any:
    tf = tensorflow()
    return tf.nest.map_structure(lambda tensor: tf.concat([tensor] * count, 0), tensors)
