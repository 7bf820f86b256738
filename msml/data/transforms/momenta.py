"""Transforms of momenta and angles."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from msml.data.kinematics import pt_eta_phi_m, px_py_pz_e
from msml.data.schema import PT_ETA_PHI_M, Column
from msml.data.transforms.step import Learn, Step, floating, positions, renamed
from msml.domains import Natural
from msml.errors import RecipeError
from msml.registry import transforms
from msml.tensors import Values, as_type, functions, parts

Item = TypeVar("Item")

PT_OFFSET = 0.1  # GeV, keeps the logarithm of a vanishing pt finite
LOG_PT_LIMIT = 7.0  # 1096.5 GeV, and -0.099 GeV at the other end


def log_pt(column: Values) -> Values:
    """Replace pt, the first component of the last axis, by log(0.1 + pt/GeV).

    Args:
        column: `(events, ..., components)`, pt in GeV; left as it is.

    Returns:
        A float32 copy, the other components unchanged.

    Source:
        Paper, section 4.2.
    """
    values = as_type(column, "float32")
    pt = values[..., :1]
    xp = functions(pt)
    return xp.concatenate([xp.log(pt + np.float32(PT_OFFSET)), values[..., 1:]], axis=-1)


def _exp_pt(values: Values) -> Values:
    """Undo `log_pt`, in float64."""
    exact = as_type(values, "float64")
    log = exact[..., :1]
    xp = functions(log)
    return xp.concatenate([xp.exp(log) - PT_OFFSET, exact[..., 1:]], axis=-1)


@transforms.register("log_pt")
def log_of_pt(column: Column, learn: Learn) -> Step:
    """Replace pt, the first component, by log(0.1 + pt/GeV)."""
    if not column.sizes or (column.told and column.components[:1] != ("pt",)):
        raise RecipeError(f"'log_pt' wants pt first; '{column.name}' has {_listed(column)}")
    return Step(log_pt, renamed(column, [0], "log", "1"), _exp_pt, by_place=True)


@transforms.register("sin_cos")
def sin_cos(
    column: Column, learn: Learn, *, components: Sequence[str | Natural] | None = None
) -> Step:
    """Replace angles, in rad, by their sine and cosine, which have no jump.

    Args:
        column: What comes in.
        learn: Nothing.
        components: Names or numbers of the angles along the last axis: each cosine follows its sine
            in the angle's place. All numbers of the column where None, with a last axis more.
    """
    if components is None:
        after = replace(
            column,
            axes=(*column.axes, "sine and cosine") if column.axes or not column.sizes else (),
            sizes=(*column.sizes, 2),
            components=(f"sin {column.name}", f"cos {column.name}"),
            units=("1",),
            dtype="float32",
        )
        return Step(
            lambda values: _stacked(_sine_cosine(floating(values))),
            after,
            lambda values: functions(values).arctan2(values[..., 0], values[..., 1]),
        )
    if not column.sizes:
        raise RecipeError(f"'{column.name}' has no components")
    angles = positions(column, components)
    names = column.components or tuple(map(str, range(int(column.sizes[-1] or 0))))
    units = column.units if len(column.units) == len(names) else ("1",) * len(names)
    after = replace(
        column,
        sizes=(*column.sizes[:-1], len(names) + len(angles)),
        components=tuple(_each(names, angles, lambda name: (f"sin {name}", f"cos {name}"))),
        units=tuple(_each(units, angles, lambda _: ("1", "1"))),
        dtype="float32",
    )

    def forward(values: Values) -> Values:
        return _stacked(_each(parts(floating(values)), angles, _sine_cosine))

    def inverse(values: Values) -> Values:
        xp, back, place = functions(values), [], 0
        for number in range(len(names)):
            if number in angles:
                back.append(xp.arctan2(values[..., place], values[..., place + 1]))
                place += 1
            else:
                back.append(values[..., place])
            place += 1
        return _stacked(back)

    return Step(forward, after, inverse)


@transforms.register("cartesian")
def cartesian(column: Column, learn: Learn) -> Step:
    """Turn pt, eta, phi (, m) into px, py, pz (, E), or pt, phi into px, py, in the unit of pt."""
    width = column.sizes[-1] if column.sizes else 0
    if width == 2 and column.components == ("pt", "phi"):
        return _in_the_plane(column)
    if width not in (3, 4) or (column.components and column.components != PT_ETA_PHI_M[:width]):
        wanted = "pt, eta, phi and perhaps m, or pt, phi"
        raise RecipeError(f"'cartesian' wants {wanted}; '{column.name}' has {_listed(column)}")
    after = _as_cartesian(column, width)

    def massive(values: Values) -> Values:
        xp = functions(values)
        return xp.concatenate([values, xp.zeros_like(values[..., :1])], axis=-1)

    if width == 4:
        return Step(px_py_pz_e, after, pt_eta_phi_m)

    def inverse(values: Values) -> Values:
        xp, exact = functions(values), as_type(values, "float64")
        energy = xp.sqrt(xp.sum(exact**2, axis=-1, keepdims=True))
        return pt_eta_phi_m(xp.concatenate([exact, energy], axis=-1))[..., :3]

    return Step(lambda values: px_py_pz_e(massive(values))[..., :3], after, inverse)


def _in_the_plane(column: Column) -> Step:
    def forward(values: Values) -> Values:
        pt, phi = parts(as_type(values, "float64"))
        xp = functions(pt)
        return _stacked([pt * xp.cos(phi), pt * xp.sin(phi)])

    def inverse(values: Values) -> Values:
        px, py = parts(as_type(values, "float64"))
        xp = functions(px)
        return _stacked([xp.hypot(px, py), xp.arctan2(py, px)])

    return Step(forward, _as_cartesian(column, 2), inverse)


def _as_cartesian(column: Column, width: int) -> Column:
    components = ("px", "py", "pz", "E")[:width]
    return replace(column, components=components, units=column.units[:1] * width, dtype="float32")


def _sine_cosine(angle: Values) -> tuple[Values, Values]:
    xp = functions(angle)
    return xp.sin(angle), xp.cos(angle)


def _stacked(numbers: Sequence[Values]) -> Values:
    return functions(numbers[0]).stack(numbers, axis=-1)


def _each(
    items: Sequence[Item], places: Sequence[int], double: Callable[[Item], tuple[Item, Item]]
) -> list[Item]:
    """Put two items in the place of each of some."""
    found: list[Item] = []
    for place, item in enumerate(items):
        found += double(item) if place in places else [item]
    return found


def _listed(column: Column) -> str:
    return ", ".join(column.components) or "no components"
