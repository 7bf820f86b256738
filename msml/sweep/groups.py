"""Points of a sweep that differ in their seeds only, to be trained at once."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msml.errors import RecipeError
from msml.recipe import load
from msml.recipe.expand import expand
from msml.recipe.schema import TrainRecipe
from msml.runs import layout
from msml.stages.sharing import joint_folders, pretrained_tasks
from msml.sweep.points import Point

REPLICAS = "replicas"
"""The command that trains several seeds at once."""
_SEED = "seed="


@dataclass(frozen=True)
class Group:
    """Points whose networks are trained at once, before each goes on by itself.

    Attributes:
        points: The points.
        overrides: What makes all of them, but for the seed.
        results: Files that are there when that is done, as seen from the directory of the first.
    """

    points: tuple[Point, ...]
    overrides: tuple[str, ...]
    results: tuple[str, ...]


def groups(recipe: str, found: Sequence[Point], stage: str, most: int) -> list[Group]:
    """Divide the points that can be trained at once into groups of as equal sizes as can be.

    Args:
        recipe: The recipe.
        found: The points.
        stage: What is done at each of them.
        most: Most points of a group.
    """
    made = []
    for points in alike(found) if most > 1 else ():
        files = _files(load(recipe, TrainRecipe, list(points[0].overrides)).values, stage)
        parts = np.array_split(np.arange(len(points)), -(-len(points) // most))
        made += [_group([points[number] for number in part], files) for part in parts if files]
    return [group for group in made if len(group.points) > 1]


def alike(found: Sequence[Point]) -> list[list[Point]]:
    """Gather the points that differ in their seeds only, where there are several."""
    gathered: dict[str, dict[str, Point]] = {}
    for point in found:
        if any(text.startswith(_SEED) for text in point.overrides):
            gathered.setdefault(point.alike, {}).setdefault(point.directory, point)
    return [list(each.values()) for each in gathered.values() if len(each) > 1]


def _group(points: Sequence[Point], files: Sequence[Path]) -> Group:
    folders = [Path("..", Path(point.directory).name) for point in points]
    return Group(
        points=tuple(points),
        overrides=tuple(o for o in points[0].overrides if not o.startswith(_SEED)),
        results=tuple((folder / file).as_posix() for folder in folders for file in files),
    )


def _files(recipe: TrainRecipe, stage: str) -> list[Path]:
    """Files, below the directory of a run, of all that is trained at once."""
    tasks = expand(recipe)
    alone = [
        layout.pretrained(Path(), task, name)
        for task in pretrained_tasks(recipe)
        for name in tasks[task].candidates
    ]
    joint: list[Path] = []
    with suppress(RecipeError):  # no chain is chosen: the runs say so
        joint = [folder / layout.WEIGHTS for _, folder in joint_folders(recipe, stage)]
    return [*alone, *joint]
