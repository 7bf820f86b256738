"""Augmentation: events turned and mirrored as nature would, anew each time that they are used.

Collisions have no preferred direction around the beam, nor along it where the beams are alike. So
an event may be rotated in φ, and mirrored in φ and in η, all of its momenta together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np

from msml.data.described import EventFile
from msml.data.kinematics import Array
from msml.data.transforms import Pipeline
from msml.errors import RecipeError
from msml.recipe.schema import Augment
from msml.training.environment import tensorflow

Tensor = Any
Batch = Mapping[str, Tensor]

_CARTESIAN = ("px", "py", "pz")
_ANGLES = ("eta", "phi")


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

    def moved(self, column: Tensor, motion: Motion) -> Tensor:
        """Move the momenta of events, `(events, ..., components)`."""
        tf = tensorflow()
        parts = tf.unstack(column, axis=-1)
        before = {
            name: (parts[place] - self.offset[name]) / self.scale[name]
            for name, place in self.places.items()
        }
        motion = _spread(motion, len(parts[0].shape) - 1)
        for name, value in (_turned(before, motion) | _mirrored(before, motion)).items():
            parts[self.places[name]] = value * self.scale[name] + self.offset[name]
        found = tf.stack(parts, axis=-1)
        if self.missing is None:
            return found
        absent = tf.reduce_all(column == self.missing, axis=-1, keepdims=True)
        return tf.where(absent, column, found)


def momenta(
    settings: Augment, file: EventFile, pipelines: Mapping[str, Pipeline]
) -> dict[str, Momenta]:
    """Find out how the columns of momenta were transformed.

    Raises:
        RecipeError: A column has no momenta, or transforms that are not linear in what moves.
    """
    found, problems = {}, []
    for number, name in enumerate(settings.columns):
        try:
            found[name] = _momenta(name, file, pipelines.get(name))
        except RecipeError as error:
            problems.append(f"augment.columns.{number}: {error}")
    if problems:
        raise RecipeError(problems)
    return found


def drawn(settings: Augment, events: int, seed: Tensor) -> Motion:
    """Draw what happens to each event, from a seed of two numbers."""
    tf = tensorflow()
    numbers = tf.random.stateless_uniform([3, events], seed)
    signs = tf.where(numbers < 0.5, -1.0, 1.0)
    one = tf.ones([events])
    return Motion(
        2 * pi * numbers[0] - pi if settings.rotate else 0 * one,
        signs[1] if settings.flip_phi else one,
        signs[2] if settings.flip_eta else one,
    )


def copies(settings: Augment) -> list[tuple[float, float, float]]:
    """What happens to the copies at test, the first of which is the event itself."""
    turns = [2 * pi * k / settings.rotations for k in range(settings.rotations)]
    mirrored = [(1.0, -1.0) if flip else (1.0,) for flip in (settings.flip_phi, settings.flip_eta)]
    angles = turns if settings.rotate else [0.0]
    return [(angle, phi, eta) for angle in angles for phi in mirrored[0] for eta in mirrored[1]]


def fixed(motion: tuple[float, float, float], events: Tensor) -> Motion:
    """Let the same happen to all events."""
    tf = tensorflow()
    return Motion(*(tf.fill([events], value) for value in motion))


def move(batch: Batch, known: Mapping[str, Momenta], motion: Motion) -> dict[str, Tensor]:
    """Move all momenta of a batch."""
    moved = {name: each.moved(batch[name], motion) for name, each in known.items() if name in batch}
    return {**batch, **moved}


def _momenta(name: str, file: EventFile, pipeline: Pipeline | None) -> Momenta:
    column = file.columns[name]
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


def _turned(parts: Mapping[str, Tensor], motion: Motion) -> dict[str, Tensor]:
    tf = tensorflow()
    if "phi" in parts:
        turned = motion.phi * parts["phi"] + motion.angle
        return {"phi": tf.math.floormod(turned + pi, 2 * pi) - pi}
    sine, cosine = tf.sin(motion.angle), tf.cos(motion.angle)
    x, y = parts["px"], motion.phi * parts["py"]
    return {"px": cosine * x - sine * y, "py": sine * x + cosine * y}


def _mirrored(parts: Mapping[str, Tensor], motion: Motion) -> dict[str, Tensor]:
    return {name: motion.eta * parts[name] for name in ("eta", "pz") if name in parts}


def _spread(motion: Motion, axes: int) -> Motion:
    """Give what happens to events as many axes as their objects have."""
    tf = tensorflow()
    shape = [-1, *[1] * axes]
    return Motion(*(tf.reshape(each, shape) for each in (motion.angle, motion.phi, motion.eta)))
