"""What the models of a run are built from: tasks, shapes, precision. No event is needed for it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from msml.checks.wiring import (
    Columns,
    each_of,
    input_masks,
    input_shapes,
    inputs_of,
    mask_of,
    output_shape,
)
from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.data.transforms import Pipeline
from msml.errors import RecipeError
from msml.models.build import build, output_shapes
from msml.models.each import Each
from msml.recipe.expand import PROBABILITIES, TaskSpec, expand, source_of
from msml.recipe.schema import TrainRecipe
from msml.runs.directory import RunDirectory
from msml.training.augmentation import aligned, momenta
from msml.training.environment import Environment, environment, resolve_precision
from msml.training.start import Source


class Setup:
    """A run, as far as it goes without events.

    Args:
        values: A valid recipe.
        directory: Where the run lives.
        columns: The columns of its events.
        classes: Number of classes of each task's target; 0 where it has none.

    Attributes:
        starts: Weights of other runs that candidates start from, by task and candidate; needed for
            training only.
    """

    def __init__(
        self,
        values: TrainRecipe,
        directory: RunDirectory,
        columns: Columns,
        classes: Mapping[str, int],
    ) -> None:
        self.values = values
        self.directory = directory
        self._columns = columns
        self.tasks: dict[str, TaskSpec] = {
            name: replace(
                spec,
                classes=classes[name],
                mask=mask_of(values.tasks[name].target, columns),
                real=mask_of(values.tasks[name].each, columns),
                inputs=inputs_of(values, name, columns),
            )
            for name, spec in expand(values).items()
        }
        self.starts: Mapping[tuple[str, str], Source] = {}
        self._outputs: dict[str, dict[str, tuple[int, ...]]] = {}

    @cached_property
    def environment(self) -> Environment:
        """How TensorFlow runs here."""
        return environment()

    @cached_property
    def precision(self) -> str:
        """The Keras policy."""
        return resolve_precision(self.values.precision)

    @property
    def columns(self) -> Mapping[str, Column]:
        """Description of the columns, before the transforms."""
        return self._columns.described

    @cached_property
    def pipelines(self) -> Mapping[str, Pipeline]:
        """The transforms by column."""
        return self._columns.pipelines

    def oriented(self, columns: dict[str, Array]) -> dict[str, Array]:
        """Transformed columns of some events, turned as the recipe says.

        Raises:
            RecipeError: There is no memory for them.
        """
        settings = self.values.data.align
        if settings is None:
            return columns
        for name in settings.columns:
            if isinstance(columns.get(name), np.memmap):
                message = f"'{name}' is larger than data.memory_gb, and streamed as it is"
                raise RecipeError(f"data.align.columns: {message}")
        return aligned(columns, settings, momenta(settings, self.columns, self.pipelines))

    def shapes(self, task: str) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
        """Shapes of a task's inputs and of its output, without the event axis."""
        recipe, classes = self.values, {name: spec.classes for name, spec in self.tasks.items()}
        outputs = {name: self.output_shapes(name) for name in self._with_named_outputs(task)}
        inputs = input_shapes(recipe, task, self._columns, classes, outputs)
        output = output_shape(recipe, task, self._columns, classes)
        assert inputs is not None
        assert output is not None
        return inputs, output

    def masks(self, task: str) -> tuple[bool, ...]:
        """Which inputs of a task are boolean columns."""
        return input_masks(self.values, task, self._columns)

    def each(self, task: str) -> Each | None:
        """The objects that a task's models are applied to."""
        return each_of(self.values, task, self._columns)

    def _with_named_outputs(self, task: str) -> list[str]:
        """Earlier tasks of which a task sees an output that only their models know."""
        sources = [source_of(text, self.tasks) for text in self.tasks[task].inputs]
        return [
            source.name
            for source in sources
            if source.output not in ("", PROBABILITIES)
            and source.output != self.tasks[source.name].output
        ]

    def output_shapes(self, task: str) -> dict[str, tuple[int, ...]]:
        """Shapes of a task's outputs by name: those of its first candidate, as of all others."""
        if task not in self._outputs:
            spec = self.tasks[task]
            candidate = next(iter(spec.candidates.values()))
            inputs, output = self.shapes(task)
            named = (spec.output, self.masks(task), self.each(task))
            model = build(candidate.model, inputs, output, candidate.args, 0, "float32", *named)
            self._outputs[task] = output_shapes(model, inputs)
        return self._outputs[task]
