"""Event selections: what makes an event accepted, and the columns it fills.

A selection judges an event three times: at parton level before hadronisation (to save time), at
truth level before the detector is simulated, and after reconstruction.
"""

from dataclasses import dataclass
from typing import Protocol, get_type_hints

import numpy as np

from msml.data.kinematics import Array
from msml.errors import RecipeError, nearest
from msml.hints import mismatch
from msml.registry import Registry
from msml.simulation.detector import Measurement
from msml.simulation.generator import PartonVeto
from msml.simulation.jets import EventJets
from msml.simulation.settings import EventRecipe
from msml.simulation.truth import Truth

event_selections = Registry(
    "event selection",
    "event_selections",
    tuple(f"msml.simulation.{name}_selection" for name in ("tau_pair", "jet", "object")),
)
"""Functions of cuts and a recipe that make a selection, each with the class of its `cuts`."""


@dataclass(frozen=True)
class Seen:
    """A batch of events after reconstruction.

    Attributes:
        truth: What really happened.
        measurement: What the detector saw.
        jets: The jets found in it.
        random: Source of random numbers.
    """

    truth: Truth
    measurement: Measurement
    jets: EventJets
    random: np.random.Generator


@dataclass(frozen=True)
class Selected:
    """Accepted events of a batch.

    Attributes:
        events: Rows of the batch.
        columns: Their columns.
    """

    events: Array
    columns: dict[str, Array]


class Selection(Protocol):
    """What `msml generate` asks of a selection.

    Attributes:
        cuts: Names of the truth-level and of the reconstruction-level cut, for the summary.
        columns: Names of the columns that it fills.
        veto: The cut at parton level; None without.
    """

    cuts: tuple[str, str]
    columns: tuple[str, ...]
    veto: PartonVeto | None

    def worth(self, truth: Truth) -> Array:
        """Say which events of a batch are worth simulating."""

    def select(self, seen: Seen) -> Selected:
        """Accept events and fill their columns."""


def build_selection(recipe: EventRecipe) -> Selection:
    """Make the selection that a recipe names.

    Raises:
        RecipeError: With a line `key: problem` for each problem.
    """
    try:
        entry = event_selections.get(str(recipe.selection.get("name")))
    except RecipeError as error:
        raise RecipeError(f"selection.name: {error}") from error
    hints = get_type_hints(entry.facts["cuts"], include_extras=True)
    given = {key: value for key, value in recipe.selection.items() if key != "name"}
    problems = [
        f"selection.{key}: unknown cut{nearest(key, [*hints])}" for key in given if key not in hints
    ]
    problems += [
        f"selection.{key}: {problem}"
        for key, value in given.items()
        if key in hints and (problem := mismatch(value, hints[key]))
    ]
    if problems:
        raise RecipeError(problems)
    return entry.function(entry.facts["cuts"](**given), recipe)
