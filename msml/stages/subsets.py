"""The subsets of the test split that are measured by themselves, and those that stay blind."""

from functools import cached_property
from typing import Any, NamedTuple

from msml.data.dataset import SplitData
from msml.data.kinematics import Array
from msml.data.splits import belongs
from msml.data.subsets import all_hidden, restricted
from msml.errors import DataError
from msml.recipe.schema_evaluation import Subset
from msml.stages.session import Session

BLIND = "blind; evaluate.unblind=true shows it"


def check_visible(session: Session) -> None:
    """Refuse to go on where there is nothing to evaluate.

    Raises:
        DataError: All events of the test split are blind.
    """
    if all_hidden(session.values.data, session.file, session.values.evaluate.hidden):
        raise DataError(
            f"{session.data_file}: all events of the test split are blind; evaluate.unblind=true "
            "shows them, and msml posttrain trains without"
        )


class Part(NamedTuple):
    """Some events of the test split.

    Attributes:
        subset: Name of the subset; empty for all that may be seen.
        split: The events, of a subset only those columns that are measured.
        kept: `(events,) bool`, which of those of the test split they are; or a slice.
    """

    subset: str
    split: SplitData
    kept: Array | slice


class Parts:
    """All that is measured of the test split, which is read when it is first needed.

    Args:
        session: A run.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def measured(self) -> list[Part]:
        """All test events, then each subset that has any."""
        whole = Part("", self._session.split("test"), slice(None))
        return [whole, *(part for part in self._found.values() if isinstance(part, Part))]

    @property
    def about(self) -> dict[str, dict[str, Any]]:
        """The number of events of each subset, or the reason why there is nothing of it."""
        return {
            name: {"events": len(found.split)} if isinstance(found, Part) else {"reason": found}
            for name, found in self._found.items()
        }

    @cached_property
    def _found(self) -> dict[str, Part | str]:
        subsets = self._session.values.evaluate.subsets
        return {name: self._part(name, subset) for name, subset in subsets.items()}

    def _part(self, name: str, subset: Subset) -> Part | str:
        """A subset; or why there is none."""
        session, hidden = self._session, self._session.values.evaluate.hidden
        if subset in hidden:
            return BLIND
        test, source = session.split("test"), session.data_file
        kept = belongs(source, test.event, subset)
        if not kept.any():
            return f"no events with {subset.condition}" + (" that are not blind" if hidden else "")
        specs = session.tasks.values()
        columns = {c for s in specs for c in (s.target, s.mask, s.real) if c}
        try:
            split = restricted(test, kept, columns, session.values.data, source)
        except DataError:
            return f"the weights of events with {subset.condition} have no positive total"
        return Part(name, split, kept)
