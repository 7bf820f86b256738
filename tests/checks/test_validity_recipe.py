import h5py
import numpy as np
import pytest
from recipe_schema import write
from training import RECIPE, mistakes, values, write_events

from msml.checks.validate import validate
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.recipe.schema_evaluation import Validity
from msml.validity.task import MomentumTask, momentum_tasks, reference_task

ASKED = RECIPE + "evaluate: {validity: {sigma: 2}}\n"
TURNED = ASKED.replace("inputs: [momentum]", "inputs: [momentum, higgs]")
TURNED = TURNED.replace("{model: higgs_mlp}", "{model: mlp}")
SHAPES = {"jets": (2, 4), "taus": (2, 3), "all_jets": (5, 4), "label": ()}


@pytest.fixture(autouse=True)
def events():
    write_events()


def test_off_unless_asked_for():
    assert values().evaluate.validity is None
    assert values(ASKED).evaluate.validity == Validity()
    assert values(overrides=["evaluate.validity.epochs=3"]).evaluate.validity == Validity(epochs=3)
    assert values(ASKED, ["evaluate.validity=null"]).evaluate.validity is None


def test_numbers_that_cannot_be():
    numbers = "sigma: 0, latents: 0, inducing: 0, epochs: 0, batch_size: 0, learning_rate: -1"
    found = mistakes(RECIPE + f"evaluate: {{validity: {{{numbers}, seed: -1}}}}\n")
    line = f"r.yaml:{RECIPE.count(chr(10)) + 1}: evaluate.validity"
    assert found == [
        f"{line}.sigma: expected a number above 0, got 0",
        f"{line}.latents: expected a number from 1 to 1000, got 0",
        f"{line}.inducing: expected a number from 1 to 10000, got 0",
        *(f"{line}.{n}: expected 1 or more, got 0" for n in ("epochs", "batch_size")),
        f"{line}.learning_rate: expected a number above 0, got -1",
        f"{line}.seed: expected 0 or more, got -1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        ASKED.replace(", taus: log_pt", ""),
        ASKED.replace("[jets, calo_images]", "[calo_images]")
        .replace("tau_mlp", "zeros")
        .replace("tau_scale_factor", "zeros"),
    ],
)
def test_a_recipe_without_a_momentum_task(text):
    *_, found = mistakes(text)
    assert found.startswith(
        "r.yaml:25: evaluate.validity: expected a task with an input of pt, eta, phi, m, such as "
    )
    assert found.endswith("with data.transform 'log_pt'; there is none")


def test_any_number_of_objects_and_any_names():
    tasks = values().tasks
    assert list(momentum_tasks(tasks, SHAPES)) == [MomentumTask("momentum", "taus", "jets")]
    three = SHAPES | {"taus": (3, 3), "jets": (3, 4)}
    assert reference_task(tasks, {"taus": "log_pt"}, three) is not None
    assert reference_task(tasks, {"taus": "log_pt"}, SHAPES | {"taus": (3, 3)}) is None
    assert reference_task(tasks, {}, SHAPES) is None


@pytest.mark.parametrize(("columns", "good"), [("jets, higgs", False), ("higgs", True)])
def test_jets_that_are_turned(columns, good):
    """Their truth is not; what else is turned does not matter."""
    with h5py.File("events.h5", "r+") as file:
        file["higgs"] = np.ones((20, 3), np.float32)
        file["higgs"].attrs["components"] = ["pt", "eta", "phi"]
        file["higgs"].attrs["axes"], file["higgs"].attrs["units"] = ["component"], ["1"] * 3
    asked = f"data.align={{columns: [{columns}], to: higgs}}"
    if good:
        validate(load(write(TURNED), TrainRecipe, [asked]), fast=True)
        return
    (found,) = mistakes(TURNED, asked)
    assert found == (
        "r.yaml:25: evaluate.validity: data.align turns 'jets', but not the true 'taus' that they "
        "are compared with; expected data.align without 'jets', or no validity"
    )
