import pytest
from training import RECIPE, values

from msml.errors import RecipeError
from msml.recipe.expand import chains, expand, task_weights


def candidates(line):
    """The candidates of the first task when one of them is declared as given."""
    recipe = values(RECIPE.replace("      sf: {model: tau_scale_factor}", f"      {line}"))
    return dict(expand(recipe)["momentum"].candidates)


def test_tasks_in_full():
    tasks = expand(values())
    assert list(tasks) == ["momentum", "label_of"]
    momentum, label = tasks.values()
    assert momentum.name == "momentum"
    assert momentum.inputs == ("jets", "calo_images")
    assert momentum.target == "taus"
    assert (momentum.loss, momentum.loss_args) == ("momentum_mse", {"scale": 50})
    assert momentum.metrics == ("momentum_mse",)
    assert list(momentum.candidates) == ["mlp", "sf", "zeros"]
    assert momentum.candidates["sf"].model == "tau_scale_factor"
    assert (momentum.weight, label.weight) == (0.3, 0.7)
    assert (label.inputs, label.loss, label.loss_args) == (("momentum",), "bce_logits", {})


def test_grid_gives_one_candidate_for_each_point():
    found = candidates(
        "m: {model: tau_mlp, args: {features: 4}, grid: {units: [16, 32], layers: [2, 3]}}"
    )
    assert list(found) == [
        "mlp",
        "m[layers=2,units=16]",
        "m[layers=3,units=16]",
        "m[layers=2,units=32]",
        "m[layers=3,units=32]",
        "zeros",
    ]
    point = found["m[layers=3,units=16]"]
    assert (point.model, point.source) == ("tau_mlp", "m")
    assert point.args == {"features": 4, "units": 16, "layers": 3}


def test_copies_are_numbered():
    assert list(candidates("sf: {model: tau_scale_factor, copies: 3}"))[1:4] == [
        "sf",
        "sf_2",
        "sf_3",
    ]
    found = candidates("m: {model: tau_mlp, grid: {units: [8]}, copies: 2}")
    assert list(found)[1:3] == ["m[units=8]", "m[units=8]_2"]
    assert found["m[units=8]"] == found["m[units=8]_2"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1e-3", "0.001"),
        ("0.12345678", "0.12345678"),
        ("true", "true"),
        ("null", "null"),
        ("[32, 16]", "32-16"),
        ("[]", "none"),
        ("'a/b c'", "a_b_c"),
    ],
)
def test_values_in_names_are_short_and_fit_for_paths(value, shown):
    assert f"m[x={shown}]" in candidates(f"m: {{model: tau_mlp, grid: {{x: [{value}]}}}}")


@pytest.mark.parametrize(
    ("declared", "rest"),
    [([0.9], 0.1), ([1], 0.0), ([0.7, 0.2, 0.1], 0.0), ([0.001], 0.999), ([], 1.0)],
)
def test_remainder_is_exact(declared, rest):
    named = {str(i): weight for i, weight in enumerate(declared)}
    found = task_weights({"r": "remainder", **named})
    assert found["r"] == rest
    assert list(found) == ["r", *named]


def test_chains_are_all_combinations_in_the_order_of_the_tasks():
    recipe = values(RECIPE + "chain: {label_of: [noise, mlp], momentum: sf}\n")
    assert chains(recipe) == [
        {"momentum": "sf", "label_of": "noise"},
        {"momentum": "sf", "label_of": "mlp"},
    ]
    assert list(chains(recipe)[0]) == ["momentum", "label_of"]


def test_no_choice_is_needed_where_there_is_none():
    alone = ["tasks.momentum.candidates.sf=null", "tasks.momentum.candidates.zeros=null"]
    recipe = values(RECIPE, [*alone, "tasks.label_of.candidates.noise=null"])
    assert chains(recipe) == [{"momentum": "mlp", "label_of": "mlp"}]
    recipe = values(RECIPE, [*alone, "chain.label_of=noise"])
    assert chains(recipe) == [{"momentum": "mlp", "label_of": "noise"}]
    with pytest.raises(RecipeError, match="chain: choose a candidate of each task, or run a sea"):
        chains(values())
