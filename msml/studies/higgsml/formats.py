"""Kaggle's submission: which events are signal, and how sure that is.

Source: Adam-Bourdarios et al., Learning to discover: the Higgs boson machine learning challenge,
v1.8.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from msml.data.events import Columns
from msml.data.kinematics import Array
from msml.errors import RecipeError
from msml.files import atomic
from msml.metrics.named import label_of, parse
from msml.metrics.significance import probability_of
from msml.registry import formats
from msml.stages.prediction.finished import Finished
from msml.stages.prediction.formats import Predictions, Write

_EVENT = "event_id"
_METRIC = "ams"


@formats.register("higgsml", keep=(_EVENT,))
@contextmanager
def higgsml(path: Path, predictions: Predictions) -> Iterator[Write]:
    """Kaggle's submission for HiggsML, CSV: EventId, RankOrder, Class by the cut of `ams`.

    The cut is the one that evaluation has chosen on valid, or that the recipe gives.

    Args:
        path: The file.
        predictions: What there will be; one task must have the metric `ams`.

    Raises:
        RecipeError: No task has.
        IncompleteError: The chain was not evaluated.
    """
    import pandas

    task, cut = cut_of(predictions.found)
    blocks: list[Columns] = []
    yield blocks.append
    event, logit = (np.concatenate([block[n] for block in blocks]) for n in (_EVENT, task))
    rank, signal = ranked(event, logit, cut)
    table = pandas.DataFrame(
        {"EventId": event, "RankOrder": rank, "Class": np.where(signal, "s", "b")}
    )
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)


def cut_of(found: Finished) -> tuple[str, float]:
    """Find the task with `ams`, and the probability from which on an event is signal.

    Raises:
        RecipeError: There is none, or several metrics have different cuts.
        IncompleteError: The chain was not evaluated.
    """
    metrics = [
        (task, text)
        for task, spec in found.setup.tasks.items()
        for text in spec.metrics
        if parse(text)[0] == _METRIC
    ]
    cuts = set()
    for task, text in metrics:
        given = parse(text)[1].get("cut")
        chosen = given if given is not None else found.tuned()[f"{task}/{label_of(text)}"]["cut"]
        cuts.add((task, float(chosen)))
    if len(cuts) != 1:
        shown = ", ".join(f"{task} at {cut:.4g}" for task, cut in sorted(cuts)) or "none"
        run = found.setup.directory.path
        raise RecipeError(
            f"--format higgsml: {run}: expected one cut of the metric `{_METRIC}`, got {shown}"
        )
    return cuts.pop()


def ranked(event: Array, logit: Array, cut: float) -> tuple[Array, Array]:
    """Rank events, the most signal-like last.

    Args:
        event: `(events,)` numbers; of equal events the one with the larger number ranks higher.
        logit: `(events,)`.
        cut: Probability from which on an event is signal.

    Returns:
        `(events,) int64` ranks from 1, of which those of signal are the highest; and `(events,)
        bool` which are signal.
    """
    signal = probability_of(np.asarray(logit, np.float64)) >= cut
    rank = np.empty(len(event), np.int64)
    rank[np.lexsort((event, logit, signal))] = 1 + np.arange(len(event))
    return rank, signal
