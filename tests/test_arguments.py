from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import pytest

from msml.arguments import bind, wants
from msml.hints import fits, words
from msml.registry import Registry, losses, models

if TYPE_CHECKING:
    from somewhere import Model

things = Registry("thing", "things")


@things.register("thing")
def thing(
    first: tuple[int, ...],
    *,
    units: int,
    rate: float = 0.1,
    name: "str | None" = None,
    wide: bool = False,
    sizes: tuple[int, ...] = (1, 2),
    unknown: "Model | None" = None,
    free=None,
    output: tuple[int, ...],
) -> "Model":
    """Make a thing."""


@things.register("free")
def free(*inputs: Any, **others: Any) -> None:
    """Take anything."""


def problems(arguments, count=1, name="thing"):
    return dict(bind(things.get(name), count, arguments))


def test_good_arguments():
    good = {"units": 3, "rate": 1, "name": None, "wide": True, "sizes": [4], "unknown": 1}
    assert problems({**good, "free": {"x": 1}}) == {}
    assert problems({"anything": 1}, count=5, name="free") == {}


def test_bad_arguments_are_all_found():
    assert problems({"unit": 3, "rate": "fast", "sizes": [1, 2.5], "wide": 1, "output": [1]}) == {
        "unit": "unknown argument of thing 'thing'; did you mean 'units'?",
        "rate": "expected a number, got the text 'fast'",
        "sizes": "expected a list of whole numbers, got [1, 2.5]",
        "wide": "expected true or false, got the number 1",
        "output": "is set by msml, not by a recipe",
        "units": "missing; thing 'thing' needs a whole number",
    }


def test_the_number_of_inputs():
    assert problems({"units": 1}, count=2) == {"": "thing 'thing' takes 1 input (first), got 2"}
    assert bind(models.get("tau_mlp"), 1, {}) == [
        ("", "model 'tau_mlp' takes 2 or more inputs (jets, images), got 1")
    ]
    assert bind(models.get("tau_scale_factor"), 0, {}) == [
        ("", "model 'tau_scale_factor' takes 1 or more inputs (jets), got 0")
    ]
    assert bind(models.get("tau_scale_factor"), 3, {}) == []
    assert bind(models.get("noise"), 0, {}) != []


def test_functions_without_arguments_say_so():
    found = bind(losses.get("bce_logits"), 2, {"scale": 1.0})
    assert found == [("scale", "unknown argument of loss 'bce_logits'; it has none")]


def test_positional_parameters_are_not_for_recipes():
    assert "unknown argument" in problems({"units": 1, "first": [2, 3]})["first"]


def test_what_msml_fills():
    assert wants(models.get("zeros"), "output")
    assert not wants(models.get("tau_mlp"), "output")
    assert not wants(models.get("tau_mlp"), "jets")


@pytest.mark.parametrize(
    ("value", "hint", "fit"),
    [
        (1, int, True),
        (True, int, False),
        (True, float, False),
        (1.0, int, False),
        (1, float, True),
        (None, int, False),
        (None, int | None, True),
        ("x", Literal["x", "y"], True),
        (1, Literal["x", True], False),
        ([1, 2], tuple[int, int], True),
        ([1], tuple[int, int], False),
        ([[1], [2]], list[list[int]], True),
        ("ab", Sequence[str], False),
        ([1, "a"], tuple[int | str, ...], True),
        ({"a": 1}, dict[str, int], True),
    ],
)
def test_fits(value, hint, fit):
    assert fits(value, hint) is fit


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (tuple[int, ...], "a list of whole numbers"),
        (tuple[int, str], "a list of 2: a whole number, a text"),
        (list[list[float]], "a list of lists of numbers"),
        (float | None, "a number or null"),
        (Literal["a", "b"], "one of a, b"),
        (Any, "any value"),
    ],
)
def test_words(hint, text):
    assert words(hint) == text
