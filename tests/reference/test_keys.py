"""What is said of a recipe's keys."""

import pytest

from msml.errors import RecipeError
from msml.recipe import load, shipped
from msml.recipe.schema import TrainRecipe
from msml.reference.docstrings import descriptions, summary
from msml.reference.find import find, inside
from msml.reference.keys import schema_keys


def test_every_key_of_the_schema_has_a_text_and_a_type():
    for key in schema_keys():
        assert key.text.endswith("."), key.name
        assert key.kind, key.name
        assert key.required or key.default or ".NAME" in key.name or key.name == "extends"


def test_a_docstring_is_read_to_the_end_of_its_section():
    def documented(units, layers):
        """Dense layers, which
        are joined.

        Args:
            units: Width of the
                hidden layers: all of them.
            layers: How many.

        Source: nowhere.
        """

    found = {"units": "Width of the hidden layers: all of them.", "layers": "How many."}
    assert descriptions(documented) == found
    assert summary(documented) == "Dense layers, which are joined."


def test_inherited_attributes_are_described():
    (key,) = find("posttrain.patience")
    assert key.text == "Epochs without improvement after which training stops."
    assert (key.kind, key.default, key.required) == ("a whole number, 1 or more", "10", False)


@pytest.mark.parametrize("name", ["tasks.NAME.weight", "tasks.higgs_id.weight"])
def test_names_are_free_where_recipes_give_them(name):
    (key,) = find(name)
    assert key.name == "tasks.NAME.weight"
    assert key.required
    assert key.facts == "a number or 'remainder', 0 or more; must be given"


def test_arguments_of_what_is_registered():
    (order,) = find("strategy.order")
    assert order.facts == "of strategy 'darts'; one of first, second; default: second"
    of = {key.of for key in find("tasks.NAME.candidates.NAME.args.units")}
    assert {"model 'mlp'", "model 'lstm'"} <= of
    momentum = find("pretrain.optimizer.momentum")
    assert [key.of for key in momentum] == ["optimizer rmsprop, sgd"]
    (name,) = find("strategy.name")
    assert "darts" in name.values
    assert {key.name for key in inside(find("weighting")[0])} >= {"weighting.alpha"}


def test_what_has_any_keys_answers_for_them():
    (key,) = find("sweep.options.queue")
    assert key.name == "sweep.options.NAME"
    assert {key.name for key in find("strategy.optimizer.momentum")} == {"strategy.optimizer"}


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("posttrain.patince", "; did you mean 'patience'?"),
        ("patience", "; did you mean 'pretrain.patience' or 'posttrain.patience'?"),
        ("tasks.x.wieght", "; did you mean 'weight'?"),
        ("strategy.ordr", "; did you mean 'order'?"),
        ("seed.x", "; there are none"),
    ],
)
def test_an_unknown_key(name, ending):
    with pytest.raises(RecipeError) as error:
        find(name)
    assert str(error.value) == f"{name}: unknown key '{name.split('.')[-1]}'{ending}"


def test_shipped_recipes_have_known_keys_only():
    def dotted(content, prefix=""):
        for name, value in content.items():
            yield f"{prefix}{name}"
            if isinstance(value, dict) and all("." not in key for key in value):
                yield from dotted(value, f"{prefix}{name}.")

    for path in [*shipped().glob("*.yaml")][:5]:
        for name in dotted(load(path, TrainRecipe).plain()):
            assert find(name)
