"""By which losses on valid the candidates of a search are judged.

A candidate by the weighted losses of its task and of all that its output reaches: what it gives up
for those is no overfitting. In a supernet it stands by itself in its task's place, and of others
the best counts, as in the combination that would be chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from msml.data.kinematics import Array
from msml.models.outputs import named
from msml.recipe.expand import TaskSpec, upstream
from msml.strategies.supernet import Given, Supernet, Tensor
from msml.training.environment import tensorflow


def reached(tasks: Mapping[str, TaskSpec]) -> dict[str, list[str]]:
    """The later tasks that see the output of each task, also by way of others."""
    found = {}
    for task in tasks:
        known = {task}
        for later, spec in tasks.items():
            if known.intersection(upstream(spec.inputs, tasks)):
                known.add(later)
        found[task] = [later for later in tasks if later in known - {task}]
    return found


def losses_alone(
    supernet: Supernet, weights: Sequence[Tensor], alphas: Sequence[Tensor], given: Given
) -> list[Tensor]:
    """Losses of all candidates, and of those that a candidate reaches while it stands by itself.

    First each candidate's own, as the supernet is. Then, for each candidate of each task, for each
    task that it reaches, the own loss of each candidate there; tasks in between pass on mixtures.
    Scalars; `judged` reads them.
    """
    tf = tensorflow()
    outputs, mixed, _ = supernet.outputs(weights, alphas, given)
    batch, loss = given.batch, supernet.inputs.task_loss
    found = [loss(task, batch, one) for task, each in outputs.items() for one in each]
    for task, later in reached(supernet.tasks).items():
        # All that stand by themselves one behind the other, so that the others are called once.
        count = len(outputs[task])
        passed, events = _repeated(mixed, count), _repeated(batch, count)
        passed[task] = {
            name: tf.concat([one[name] for one in outputs[task]], axis=0) for name in mixed[task]
        }
        columns = []
        for name in later:
            called = supernet.called(name, weights, replace(given, batch=events), passed)
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
    return sum(n * (1 + sum(sizes[name] for name in later[t])) for t, n in sizes.items())


def judged(supernet: Supernet, task_weights: Mapping[str, float], losses: Array) -> Array:
    """Read from `losses_alone` by what each candidate is judged.

    Args:
        supernet: Of which they are.
        task_weights: v_t of each task.
        losses: Means over the events, `(count_alone,)`.

    Returns:
        `(candidates,)`: v_t of its task times its loss with the best of those before it, and for
        each task that it reaches v_s times the least loss there, where it stands by itself.
    """
    sizes = {task: len(models) for task, models in supernet.models.items()}
    total = sum(sizes.values())
    given = np.split(losses[:total], np.cumsum(list(sizes.values()))[:-1])
    own, rest = dict(zip(sizes, given, strict=True)), losses[total:]
    best: dict[str, Array] = {}
    beyond = {task: np.zeros(size, losses.dtype) for task, size in sizes.items()}
    for task, later in reached(supernet.tasks).items():
        width = sum(sizes[name] for name in later)
        rows = rest[: sizes[task] * width].reshape(sizes[task], width)
        rest = rest[sizes[task] * width :]
        for name in later:
            block, rows = rows[:, : sizes[name]], rows[:, sizes[name] :]
            beyond[task] += task_weights[name] * block.min(axis=1)
            least = block.min(axis=0)
            best[name] = np.minimum(best[name], least) if name in best else least
    return np.concatenate(
        [task_weights[task] * best.get(task, own[task]) + beyond[task] for task in sizes]
    )


def _repeated(columns: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    tf = tensorflow()
    return {
        name: _repeated(column, count)
        if isinstance(column, Mapping)
        else tf.concat([column] * count, axis=0)
        for name, column in columns.items()
    }
