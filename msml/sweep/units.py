"""The units of work of a sweep, each done by one process, and what they need."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msml.sweep.groups import REPLICAS, Group
from msml.sweep.points import Origin, Point


@dataclass(frozen=True)
class Unit:
    """One piece of work, done by one process.

    Attributes:
        number: Its number in the plan, after all that it needs.
        stage: The command that does it: `replicas`, `pretrain`, or the sweep's stage.
        values: The point's value on each axis.
        overrides: What makes the point.
        directory: The run directory, below the folder of all runs.
        results: Files in the run directory that are there when it is done; `*` is any name.
        needs: Numbers of the units that come before.
        level: The longest way to a unit that needs nothing.
        seeds: The seeds that it trains at once, where it is for runs of several seeds; its
            directory is that of the first.
        recipe: The recipe, where it is another one: a run that others start from.
    """

    number: int
    stage: str
    values: Mapping[str, Any]
    overrides: tuple[str, ...]
    directory: str
    results: tuple[str, ...]
    needs: tuple[int, ...]
    level: int
    seeds: tuple[int, ...] = ()
    recipe: str = ""

    @property
    def prepares(self) -> bool:
        """Whether it is of use for those that need it only."""
        return bool(self.recipe) or self.stage in ("pretrain", REPLICAS)

    @property
    def can_be_spared(self) -> bool:
        """Whether those that need it can do its work themselves."""
        return self.stage == REPLICAS


def units(found: Sequence[Point], stage: str, groups: Sequence[Group] = ()) -> list[Unit]:
    """Divide points into units, numbered so that what others need comes first.

    What runs of several seeds train at once is a unit of its own, and so is pre-training that
    several runs share, in the directory of the first of them; what only one run needs is left to
    that run. Runs of other recipes that candidates start from come first of all.

    Args:
        found: The points; those of one directory are one unit.
        stage: What is done at each.
        groups: Points that are trained at once.
    """
    distinct = list({point.directory: point for point in found}.values())
    making = _Making()
    for origin in {each.directory: each for point in distinct for each in point.origins}.values():
        making.origin(origin)
    for group in groups:
        making.group(group)
    uses = Counter(mark for point in distinct for mark in point.pretraining)
    for point in distinct:
        making.point(point, stage, {mark for mark in point.pretraining if uses[mark] > 1})
    return _in_order(making.units)


class _Making:
    """Units made so far, and which of them makes what others need.

    Attributes:
        units: The units.
    """

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self._pretrains: dict[str, int] = {}  # each candidate, by its mark
        self._begins: dict[str, int] = {}  # what points start from, by its directory
        self._trains: dict[str, int] = {}  # points of groups, by their directories

    def origin(self, origin: Origin) -> None:
        """Train a run of another recipe."""
        self._begins[origin.directory] = self._add(
            "posttrain",
            {},
            origin.overrides,
            origin.directory,
            origin.results,
            recipe=origin.recipe,
        )

    def group(self, group: Group) -> None:
        """Train several seeds at once."""
        first, marks = group.points[0], {m for point in group.points for m in point.pretraining}
        number = self._add(
            REPLICAS,
            first.values,
            group.overrides,
            first.directory,
            group.results,
            needs=self._makers(marks) | self._origins(first),
            seeds=tuple(point.seed for point in group.points),
        )
        self._pretrains = dict.fromkeys(marks, number) | self._pretrains
        self._trains |= {point.directory: number for point in group.points}

    def point(self, point: Point, stage: str, shared: set[str]) -> None:
        """Do the stage at a point, and before it what it shares, unless that is done already."""
        facts = (point.values, point.overrides, point.directory)
        if new := shared - self._pretrains.keys():
            needs = self._makers(shared) | self._origins(point)
            number = self._add("pretrain", *facts, point.results["pretrain"], needs=needs)
            self._pretrains |= dict.fromkeys(new, number)
        needs = self._makers(shared) | self._origins(point)
        if point.directory in self._trains:
            needs.add(self._trains[point.directory])
        self._add(stage, *facts, point.results[stage], needs=needs)

    def _makers(self, marks: Iterable[str]) -> set[int]:
        return {self._pretrains[mark] for mark in marks if mark in self._pretrains}

    def _origins(self, point: Point) -> set[int]:
        return {self._begins[origin.directory] for origin in point.origins}

    def _add(
        self,
        stage: str,
        values: Mapping[str, Any],
        overrides: tuple[str, ...],
        directory: str,
        results: tuple[str, ...],
        *,
        needs: Iterable[int] = (),
        seeds: tuple[int, ...] = (),
        recipe: str = "",
    ) -> int:
        number, before = len(self.units), tuple(sorted(needs))
        level = 1 + max((self.units[n].level for n in before), default=-1)
        facts = (stage, values, overrides, directory, results, before, level, seeds, recipe)
        self.units.append(Unit(number, *facts))
        return number


def _in_order(made: Sequence[Unit]) -> list[Unit]:
    """Number units anew, those that need nothing first."""
    order = sorted(made, key=lambda unit: (unit.level, unit.number))
    number = {unit.number: new for new, unit in enumerate(order)}
    return [
        replace(unit, number=new, needs=tuple(sorted(number[n] for n in unit.needs)))
        for new, unit in enumerate(order)
    ]
