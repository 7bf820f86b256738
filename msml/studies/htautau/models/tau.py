"""Candidates for the momenta of tau leptons, from jets and calorimeter images.

Inputs: jets `(jets, 4)` log pt, eta, phi, m and, but for the scale factors, images
`(jets, rows, columns, layers)`; then perhaps more numbers of each jet, `(jets, numbers)`. Output:
`(jets, 3)` log pt, eta, phi, float32. All jets of an event are treated with the same weights.

Source of the layers: paper, section 4.3 and appendix C; the sizes are those of the published code.
"""

from typing import TYPE_CHECKING, Any

from msml.domains import Depth, Depth1, Kernel, Width
from msml.registry import models

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]
Tensor = Any


@models.register("tau_mlp", parameters=14_359)
def tau_mlp(
    jets: Shape,
    images: Shape,
    *more: Shape,
    units: Width = 32,
    layers: Depth1 = 2,
    image_units: Width = 16,
    image_layers: Depth = 3,
    features: Width = 4,
) -> "keras.Model":
    """Dense layers on the pixels, then on their features and the jet.

    Args:
        jets: Shape of the jets.
        images: Shape of the images.
        more: Shapes of further numbers of each jet, which are seen with its own.
        units: Width of the layers that see the jet.
        layers: Number of them.
        image_units: Width of the layers that see the pixels.
        image_layers: Number of them.
        features: Numbers that describe an image.

    Returns:
        A model of jets, images and the rest.
    """
    import keras

    from msml.models.layers import Fold

    inputs = _inputs(jets, images, *more)
    pixels = keras.layers.Flatten(name="pixels")(Fold(name="each_image")(inputs[1]))
    hidden = dense_stack(pixels, image_units, image_layers, "image")
    described = keras.layers.Dense(features, name="features")(hidden)
    return _corrected("tau_mlp", inputs, described, units, layers)


@models.register("tau_cnn", parameters=18_847)
def tau_cnn(
    jets: Shape,
    images: Shape,
    *more: Shape,
    filters: tuple[Width, ...] = (32, 16, 16, 8),
    kernels: tuple[Kernel, ...] = (3, 3, 2, 2),
    pool_after: Depth = 2,
    units: Width = 64,
    layers: Depth1 = 3,
    image_units: Width = 16,
    image_layers: Depth = 3,
    features: Width = 4,
) -> "keras.Model":
    """Convolutions on the images, then dense layers on their features and the jet.

    Args:
        jets: Shape of the jets.
        images: Shape of the images.
        more: Shapes of further numbers of each jet, which are seen with its own.
        filters: Filters of each convolution (stride 1, no padding, ReLU).
        kernels: Width of each convolution's square kernel.
        pool_after: Number of convolutions before the pooling of 2 x 2 pixels.
        units: Width of the layers that see the jet.
        layers: Number of them.
        image_units: Width of the layers between convolutions and features.
        image_layers: Number of them.
        features: Numbers that describe an image.

    Returns:
        A model of jets, images and the rest.
    """
    import keras

    from msml.models.layers import Fold

    if len(filters) != len(kernels):
        raise ValueError(f"{len(filters)} filters and {len(kernels)} kernels; expected as many")
    if pool_after >= len(filters):
        count = len(filters)
        raise ValueError(f"pool_after: expected fewer than the {count} filters, got {pool_after}")
    inputs = _inputs(jets, images, *more)
    x = Fold(name="each_image")(inputs[1])
    for i, (count, width) in enumerate(zip(filters, kernels, strict=True)):
        if i == pool_after:
            x = keras.layers.MaxPooling2D(2, name="pool")(x)
        x = keras.layers.Conv2D(count, width, activation="relu", name=f"convolution_{i}")(x)
    x = keras.layers.Flatten(name="pixels")(x)
    hidden = dense_stack(x, image_units, image_layers, "image")
    described = keras.layers.Dense(features, name="features")(hidden)
    return _corrected("tau_cnn", inputs, described, units, layers)


@models.register("tau_residual")
def tau_residual(jets: Shape, *more: Shape, units: Width = 32, layers: Depth1 = 2) -> "keras.Model":
    """Dense layers on a jet and more numbers of it, which correct its momentum.

    Args:
        jets: Shape of the jets, `(jets, 4)`; `(4,)` where each jet is by itself.
        more: Shapes of more numbers of each jet, such as what an earlier task says of it.
        units: Width of the hidden layers.
        layers: Number of them.

    Returns:
        A model of the jets and the rest.
    """
    import keras

    from msml.studies.htautau.models.layers import Correct

    inputs = [keras.Input(shape, name=f"input_{i}") for i, shape in enumerate((jets, *more))]
    x = keras.layers.Concatenate(name="jet")(inputs) if more else inputs[0]
    x = _correction(x, units, layers)
    output = Correct(dtype="float32", name="taus")([x, inputs[0]])
    return keras.Model(inputs if more else inputs[0], output, name="tau_residual")


@models.register("tau_scale_factor", parameters=6)
def tau_scale_factor(jets: Shape, *others: Shape) -> "keras.Model":
    """Return a x + b for each of log pt, eta and phi of the jet, from a = 1 and b = 0.

    Args:
        jets: Shape of the jets.
        others: Shapes of further inputs, which are not used.

    Returns:
        A model of the jets and all others.
    """
    import keras

    from msml.studies.htautau.models.layers import ScaleFactors

    first = keras.Input(jets, name="jets")
    unused = [keras.Input(shape, name=f"unused_{i}") for i, shape in enumerate(others)]
    output = ScaleFactors(dtype="float32", name="scale_factors")(first)
    return keras.Model([first, *unused] if unused else first, output, name="tau_scale_factor")


def dense_stack(x: Tensor, units: int, layers: int, name: str) -> Tensor:
    """Apply dense ReLU layers, named `name_0`, `name_1`, ..."""
    import keras

    for i in range(layers):
        x = keras.layers.Dense(units, activation="relu", name=f"{name}_{i}")(x)
    return x


def _correction(x: Tensor, units: int, layers: int) -> Tensor:
    """Correct log pt, eta and phi from what is seen of a jet, `(..., numbers)` to `(..., 3)`."""
    import keras

    x = dense_stack(x, units, layers, "correction")
    return keras.layers.Dense(3, dtype="float32", name="correction")(x)


def _inputs(jets: Shape, images: Shape, *more: Shape) -> list[Tensor]:
    import keras

    first = [keras.Input(jets, name="jets"), keras.Input(images, name="images")]
    return first + [keras.Input(shape, name=f"more_{i}") for i, shape in enumerate(more)]


def _corrected(
    name: str, inputs: list[Tensor], features: Tensor, units: int, layers: int
) -> "keras.Model":
    """Return a model that corrects each jet from its numbers and the features of its image.

    Args:
        name: Name of the model.
        inputs: Jets, images and the rest.
        features: `(events x jets, features)`.
        units: Width of the hidden layers.
        layers: Number of them.
    """
    import keras

    from msml.models.layers import Fold, Unfold
    from msml.studies.htautau.models.layers import Correct

    jets = inputs[0]
    own = [Fold(name=f"each_more_{i}")(x) for i, x in enumerate(inputs[2:])]
    seen = [features, Fold(name="each_jet")(jets), *own]
    x = keras.layers.Concatenate(name="features_and_jet")(seen)
    x = _correction(x, units, layers)
    x = Unfold(jets.shape[1], dtype="float32", name="event")(x)
    return keras.Model(inputs, Correct(dtype="float32", name="taus")([x, jets]), name=name)
