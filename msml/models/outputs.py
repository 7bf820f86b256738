"""What a model returns."""

from collections.abc import Collection, Mapping
from typing import Any

from msml.recipe.expand import OUTPUT


def named(result: Any, used: Collection[str] | None = None) -> Mapping[str, Any]:
    """Name what a model returns: a dictionary has names, anything else is `output`.

    Keras's masks end here: a later model must not see more than is in the outputs.

    Args:
        result: What it returns.
        used: Names of the outputs that are kept; all where None.
    """
    outputs = result if isinstance(result, Mapping) else {OUTPUT: result}
    for each in outputs.values():
        if getattr(each, "_keras_mask", None) is not None:
            each._keras_mask = None
    return {name: each for name, each in outputs.items() if used is None or name in used}
