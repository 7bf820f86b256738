"""Which task of a recipe gives momenta that the reference can judge."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msml.data.schema import COLUMNS, PT_ETA_PHI_M
from msml.recipe.expand import TaskSpec
from msml.recipe.schema import Task

LOG_PT = "log_pt"


@dataclass(frozen=True)
class MomentumTask:
    """A task that gives momenta of objects, and where their jets are.

    Attributes:
        name: The task.
        taus: Column of the true momenta.
        jets: Column of the jets.
    """

    name: str
    taus: str
    jets: str


def momentum_tasks(
    tasks: Mapping[str, Task] | Mapping[str, TaskSpec], shapes: Mapping[str, tuple[int, ...] | None]
) -> Iterator[MomentumTask]:
    """Find the tasks that turn jets into as many true momenta.

    Args:
        tasks: The tasks by name.
        shapes: Shapes of the columns, without the event axis; None where unknown.
    """
    for name, task in tasks.items():
        for source in task.inputs:
            columns = (task.target, source)
            vectors = _components(task.target) == PT_ETA_PHI_M[:3]
            vectors = vectors and _components(source) == PT_ETA_PHI_M
            if vectors and all(column in shapes for column in columns):
                target, jets = (shapes[column] for column in columns)
                if target is None or jets is None or target[:-1] == jets[:-1]:
                    yield MomentumTask(name, *columns)
                    break


def _components(column: str) -> tuple[str, ...]:
    """Components of a column of one vector for each of several objects."""
    known = COLUMNS.get(column)
    return known.components if known is not None and len(known.sizes) == 2 else ()


def reference_task(
    tasks: Mapping[str, Task] | Mapping[str, TaskSpec],
    transforms: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...] | None],
) -> MomentumTask | None:
    """Find the first task whose outputs can be compared with a reference."""
    found = momentum_tasks(tasks, shapes)
    return next((task for task in found if transforms.get(task.taus) == LOG_PT), None)
