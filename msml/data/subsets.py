"""Parts of a split by themselves."""

from collections.abc import Iterable, Sequence

from msml.data.dataset import SplitData
from msml.data.described import EventFile, Source
from msml.data.kinematics import Array
from msml.data.splits import divide, outside, single_column
from msml.data.weights import normalised
from msml.recipe.schema import Data
from msml.recipe.schema_evaluation import Subset


def all_hidden(data: Data, file: EventFile, hidden: Sequence[Subset]) -> bool:
    """Whether all events of test are of subsets that are hidden."""
    return bool(hidden) and not len(outside(file.path, divide(data, file)["test"], hidden))


def restricted(
    split: SplitData, kept: Array, columns: Iterable[str], data: Data, path: Source
) -> SplitData:
    """Take some events of a split, weighted as if there were no others.

    Args:
        split: The split.
        kept: `(events,) bool`.
        columns: Columns to keep.
        data: The recipe's block.
        path: Where the events are from.

    Raises:
        DataError: Their weights, or those of one of their classes, have no positive total.
    """
    event, yields = split.event[kept], split.yields[kept]
    labels = None if data.balance is None else single_column(path, data.balance)[event]
    weight = normalised(path, split.name, yields, labels, data)
    return SplitData(
        split.name, {c: split.columns[c][kept] for c in columns}, weight, yields, event
    )
