"""Events turned and mirrored as nature would: anew each time that they are used, or into one frame.

Collisions have no preferred direction around the beam, nor along it where the beams are alike. So
an event may be rotated in φ, and mirrored in φ and in η, all of its momenta together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.data.transforms import Pipeline
from msml.ensemble import View
from msml.errors import RecipeError
from msml.recipe.schema import Align
from msml.recipe.schema_training import Augment
from msml.tensors import parts
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Tensor

_CARTESIAN = ("px", "py", "pz")
_ANGLES = ("eta", "phi")
_VECTORS = 1024  # events, a multiple of what a processor computes at once


@dataclass(frozen=True)
class Motion:
    """What happens to events, each `(events,)`.

    Attributes:
        angle: Rotation around the beam, rad.
        phi: -1 for events that are mirrored in φ, else 1.
        eta: -1 for events that are mirrored in η, else 1.
    """

    angle: Tensor
    phi: Tensor
    eta: Tensor


@dataclass(frozen=True)
class Momenta:
    """A column of momenta: how its components, as models see them, become numbers and back.

    Attributes:
        places: Place along the last axis of each component that moves.
        scale: Of each of these, by which it was multiplied.
        offset: What was added then.
        missing: What stands for a momentum that is not there, `(components,)`; None where all are.
    """

    places: Mapping[str, int]
    scale: Mapping[str, float]
    offset: Mapping[str, float]
    missing: Array | None

    def components(self, column: Tensor) -> dict[str, Tensor]:
        """What moves of the momenta of events, in physical units, each `(events, ...)`."""
        numbers = parts(column)
        return {
            name: (numbers[place] - self.offset[name]) / self.scale[name]
            for name, place in self.places.items()
        }

    def moved(self, column: Tensor, motion: Motion) -> Tensor:
        """Move the momenta of events, `(events, ..., components)`."""
        from keras import ops

        numbers, before = parts(column), self.components(column)
        motion = _spread(motion, len(numbers[0].shape) - 1)
        for name, value in (_turned(before, motion) | _mirrored(before, motion)).items():
            numbers[self.places[name]] = value * self.scale[name] + self.offset[name]
        found = ops.stack(numbers, axis=-1)
        if self.missing is None:
            return found
        absent = ops.all(ops.equal(column, self.missing), axis=-1, keepdims=True)
        return ops.where(absent, column, found)


def momenta(
    settings: Augment | Align, described: Mapping[str, Column], pipelines: Mapping[str, Pipeline]
) -> dict[str, Momenta]:
    """Find out how the columns of momenta were transformed; errors as of `momenta_of`."""
    return {name: momenta_of(described[name], pipelines.get(name)) for name in settings.columns}


def aligned(
    columns: Mapping[str, Array], settings: Align, known: Mapping[str, Momenta]
) -> dict[str, Array]:
    """Turn events into one orientation; of the columns of momenta those that are there."""
    tf, events = tensorflow(), len(columns[settings.to])
    # Else what is left over after whole vectors of the processor has other last digits.
    rows = np.minimum(np.arange(-(-events // _VECTORS) * _VECTORS), events - 1)
    batch = {n: tf.convert_to_tensor(columns[n][rows]) for n in known if n in columns}
    turned = {name: each.numpy()[:events] for name, each in orient(batch, settings, known).items()}
    return {**columns, **turned}


def orient(
    batch: Mapping[str, Tensor], settings: Align, known: Mapping[str, Momenta]
) -> dict[str, Tensor]:
    """Turn a batch as `aligned` does."""
    from keras import ops

    about = {key: known[name].components(batch[name]) for key, name in settings.references.items()}
    angles = {key: _angle(found) for key, found in about.items()}
    one = ops.ones_like(angles["to"])
    above = ops.sin(angles["above"] - angles["to"]) if "above" in angles else one
    forward = one
    if "forward" in about:
        found = about["forward"]
        forward = found["eta"] if "eta" in found else found["pz"]
    mirror = ops.where(above < 0, -one, one)
    motion = Motion(-mirror * angles["to"], mirror, ops.where(forward < 0, -one, one))
    return move(batch, known, motion)


def augmented(
    step: Step, settings: Augment, known: Mapping[str, Momenta], seeds: Sequence[int]
) -> tuple[Step, dict[str, Any]]:
    """Let a step see moved events, anew at each call.

    Args:
        step: What it does with a batch, whose events are those of replicas, one after the other.
        settings: What may happen.
        known: The columns of momenta.
        seeds: A seed for each replica.

    Returns:
        The step, and its variables: the number of calls, from which the draws follow.
    """
    import keras

    tf = tensorflow()
    calls = keras.Variable(0, dtype="int64", trainable=False, name="draws")

    def moving(batch: Batch, *others: Batch) -> Tensor:
        events = tf.shape(next(iter(batch.values())))[0] // len(seeds)
        count = calls.value
        numbers = [
            tf.random.stateless_uniform([events, 3], tf.stack([tf.cast(seed, tf.int64), count]))
            for seed in seeds
        ]
        calls.assign(count + 1)
        return step(move(batch, known, drawn(settings, tf.concat(numbers, axis=0))), *others)

    return moving, {"draws": calls}


def drawn(settings: Augment, numbers: Tensor) -> Motion:
    """Say what happens to each event, from three numbers between 0 and 1, `(events, 3)`."""
    tf = tensorflow()
    signs = tf.where(numbers < 0.5, -1.0, 1.0)
    one = tf.ones_like(numbers[:, 0])
    return Motion(
        2 * pi * numbers[:, 0] - pi if settings.rotate else 0 * one,
        signs[:, 1] if settings.flip_phi else one,
        signs[:, 2] if settings.flip_eta else one,
    )


def views(settings: Augment, known: Mapping[str, Momenta]) -> list[View]:
    """Make functions from a batch to its moved copies at test, the first of which is itself."""

    def view(motion: tuple[float, float, float]) -> View:
        return lambda batch: move(batch, known, fixed(motion))

    return [dict, *(view(motion) for motion in copies(settings)[1:])]


def copies(settings: Augment) -> list[tuple[float, float, float]]:
    """What happens to the copies at test, the first of which is the event itself."""
    if not settings.rotations:
        return [(0.0, 1.0, 1.0)]
    turns = [2 * pi * k / settings.rotations for k in range(settings.rotations)]
    mirrored = [(1.0, -1.0) if flip else (1.0,) for flip in (settings.flip_phi, settings.flip_eta)]
    angles = turns if settings.rotate else [0.0]
    return [(angle, phi, eta) for angle in angles for phi in mirrored[0] for eta in mirrored[1]]


def fixed(motion: tuple[float, float, float]) -> Motion:
    """Let the same happen to all events."""
    from keras import ops

    return Motion(*(ops.convert_to_tensor([value], "float32") for value in motion))


def move(
    batch: Mapping[str, Tensor], known: Mapping[str, Momenta], motion: Motion
) -> dict[str, Tensor]:
    """Move all momenta of a batch."""
    moved = {name: each.moved(batch[name], motion) for name, each in known.items() if name in batch}
    return {**batch, **moved}


def momenta_of(column: Column, pipeline: Pipeline | None) -> Momenta:
    """Find out how a column of momenta was transformed.

    Raises:
        RecipeError: It has no momenta, or transforms that are not linear in what moves.
    """
    name = column.name
    steps = pipeline.steps if pipeline else ()
    described = [column, *(step.column for step in steps)]
    start = next((n for n, each in enumerate(described) if each.components[:2] == ("px", "py")), 0)
    names = described[start].components
    places = {part: names.index(part) for part in (*_CARTESIAN, *_ANGLES) if part in names}
    if not {"px", "py"} <= set(places) and "phi" not in places:
        raise RecipeError(f"'{name}' has {', '.join(names) or 'no components'}; expected momenta")
    if "phi" in places and "px" in places:
        raise RecipeError(f"'{name}' has both px and phi")

    def later(number: float) -> Array:
        values = np.full((1, *(int(size or 1) for size in described[start].sizes)), number)
        for step in steps[start:]:
            values = step.forward(values)
        return np.asarray(values, np.float64).reshape(-1, values.shape[-1])[0]

    offset, one, two = later(0.0), later(1.0), later(2.0)
    for part, place in places.items():
        if not np.isclose(two[place] - one[place], one[place] - offset[place], rtol=1e-5):
            raise RecipeError(f"'{name}' is transformed in a way that is not linear in {part}")
    scale = {part: float(one[place] - offset[place]) for part, place in places.items()}
    shift = {part: float(offset[place]) for part, place in places.items()}
    missing = later(float("nan")).astype(np.float32) if pipeline and pipeline.fills else None
    return Momenta(places, scale, shift, missing)


def _angle(known: Mapping[str, Tensor]) -> Tensor:
    from keras import ops

    return known["phi"] if "phi" in known else ops.arctan2(known["py"], known["px"])


def _turned(known: Mapping[str, Tensor], motion: Motion) -> dict[str, Tensor]:
    from keras import ops

    if "phi" in known:
        turned = motion.phi * known["phi"] + motion.angle
        return {"phi": ops.mod(turned + pi, 2 * pi) - pi}
    sine, cosine = ops.sin(motion.angle), ops.cos(motion.angle)
    x, y = known["px"], motion.phi * known["py"]
    return {"px": cosine * x - sine * y, "py": sine * x + cosine * y}


def _mirrored(known: Mapping[str, Tensor], motion: Motion) -> dict[str, Tensor]:
    return {name: motion.eta * known[name] for name in ("eta", "pz") if name in known}


def _spread(motion: Motion, axes: int) -> Motion:
    """Give what happens to events as many axes as their objects have."""
    from keras import ops

    shape = [-1, *[1] * axes]
    return Motion(*(ops.reshape(each, shape) for each in (motion.angle, motion.phi, motion.eta)))
