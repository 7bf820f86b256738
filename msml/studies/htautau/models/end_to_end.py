"""One network in place of a chain: the same layers, but nothing between them has a target.

Inputs: jets `(jets, 4)` log pt, eta, phi, m and images `(jets, rows, columns, layers)`. Output: one
logit, `(1,)` float32.
"""

from typing import TYPE_CHECKING

from msml.registry import models

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]


@models.register("end_to_end", parameters=40_233)
def end_to_end(
    jets: Shape, images: Shape, *, first: str = "tau_cnn", second: str = "higgs_lstm"
) -> "keras.Model":
    """Layers of a momentum model and of a Higgs model, joined before any training.

    Args:
        jets: Shape of the jets.
        images: Shape of the images.
        first: Registered model whose output the second one sees.
        second: Registered model that gives the logit.

    Returns:
        A model of jets and images.
    """
    import keras

    before = models.get(first).function(jets, images)
    after = models.get(second).function(before.output_shape[1:])
    return keras.Model(before.inputs, after(before.output), name="end_to_end")
