"""Candidates that tell Higgs from Z bosons, from two tau leptons.

Input: taus `(taus, 3)` log pt, eta, phi, leading jet first. Output: one logit, `(1,)` float32.

Source of the layers: paper, section 4.3 and appendix C; the sizes are those of the published code.
"""

from typing import TYPE_CHECKING

from msml.domains import Depth1, Positive, Width
from msml.registry import models
from msml.studies.htautau.models.tau import dense_stack

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]


@models.register("higgs_mlp", parameters=2_369)
def higgs_mlp(taus: Shape, *, units: Width = 32, layers: Depth1 = 3) -> "keras.Model":
    """Dense layers on all numbers of the tau leptons.

    Args:
        taus: Shape of the tau leptons.
        units: Width of the hidden layers.
        layers: Number of them.

    Returns:
        A model of the tau leptons.
    """
    import keras

    inputs = keras.Input(taus, name="taus")
    x = dense_stack(keras.layers.Flatten(name="numbers")(inputs), units, layers, "hidden")
    return keras.Model(inputs, _logit()(x), name="higgs_mlp")


@models.register("higgs_lstm", parameters=21_386)
def higgs_lstm(
    taus: Shape, *, units: Width = 32, layers: Depth1 = 3, bottleneck: bool = True
) -> "keras.Model":
    """LSTM layers that see one tau lepton after the other.

    Args:
        taus: Shape of the tau leptons.
        units: Width of the layers.
        layers: Number of them.
        bottleneck: Whether one more LSTM layer, of width 1, precedes the logit. The published
            code has it, the paper's text has not.

    Returns:
        A model of the tau leptons. The steps are unrolled: for two of them that is about twice
        as fast as a loop, and compiles in half the time.
    """
    import keras

    inputs = keras.Input(taus, name="taus")
    widths = [units] * layers + [1] * bottleneck
    x = inputs
    for i, width in enumerate(widths):
        sequences = i + 1 < len(widths)
        lstm = keras.layers.LSTM(width, return_sequences=sequences, unroll=True, name=f"lstm_{i}")
        x = lstm(x)
    return keras.Model(inputs, _logit()(x), name="higgs_lstm")


@models.register("higgs_mass", parameters=4_353)
def higgs_mass(
    taus: Shape, *, units: Width = 64, layers: Depth1 = 2, unit: Positive = 125.0
) -> "keras.Model":
    """Dense layers on the invariant mass of the tau leptons alone.

    Args:
        taus: Shape of the tau leptons.
        units: Width of the hidden layers.
        layers: Number of them.
        unit: Unit of the mass, in GeV.

    Returns:
        A model of the tau leptons.
    """
    import keras

    from msml.studies.htautau.models.layers import InvariantMass

    inputs = keras.Input(taus, name="taus")
    mass = InvariantMass(unit, dtype="float32", name="mass")(inputs)
    x = dense_stack(mass, units, layers, "hidden")
    return keras.Model(inputs, _logit()(x), name="higgs_mass")


def _logit() -> "keras.Layer":
    """Return the last layer of a classifier."""
    import keras

    return keras.layers.Dense(1, dtype="float32", name="logit")
