"""Inputs of which a part is hidden from a model, as in self-supervised training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msml.models.inputs import Shape, declare

if TYPE_CHECKING:
    import keras


def hiding(
    model: "keras.Model", shapes: Sequence[Shape], shares: Sequence[float], seed: int
) -> "keras.Model":
    """Make a model that sees 0 in the place of some of its inputs, others at each call.

    It does so outside of training as well: what is told from what is left is what is learnt, and
    measured. `msml.training.measure` lets draws be the same each time that it measures.

    Args:
        model: The model; its layers keep their names and weights.
        shapes: Of its inputs, without the event axis.
        shares: Of each input, with which probability a row of its first axis is hidden.
        seed: Of the draws.
    """
    import keras

    from msml.models.layers import Hide

    inputs = declare(shapes)
    places = [place for place, share in enumerate(shares) if share]
    hide = Hide([shares[place] for place in places], seed, dtype="float32", name="hide")
    seen = list(inputs)
    for place, each in zip(places, hide([inputs[place] for place in places]), strict=True):
        seen[place] = each
    outputs = model(seen if len(seen) > 1 else seen[0])
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=model.name)
