"""How far two computations are apart, and which number is furthest off."""

import numpy as np
import pytest

from msml.data.schema import Column
from msml.stages.export.agreement import Agreement


def column(name, sizes=(), components=(), units=()):
    return Column(name, "float32", ("axis",) * len(sizes), sizes, components, units, "")


OUTPUTS = {
    "score": column("score"),
    "tau": column("tau", (2, 2), ("pt", "phi"), ("GeV", "rad")),
}


def values(events=10):
    rng = np.random.default_rng(1)
    tau = np.stack([rng.uniform(0, 500, (events, 2)), rng.uniform(-3, 3, (events, 2))], axis=-1)
    return {"score": np.linspace(0, 3, events), "tau": tau}


def compared(change, parts=1):
    one, other = values(), {name: each.copy() for name, each in values().items()}
    change(one, other)
    found = Agreement(OUTPUTS)
    for rows in np.array_split(np.arange(10), parts):
        found.add(*({name: each[rows] for name, each in side.items()} for side in (one, other)))
    assert found.events == 10
    return found.worst()


@pytest.mark.parametrize("parts", [1, 3])
def test_the_worst_number(parts):
    def change(one, other):
        other["score"][7] += 4e-3
        other["score"][2] += 1e-3
        other["tau"][3, 1, 0] += 0.1  # GeV, of hundreds

    worst = compared(change, parts)
    assert (worst.output, worst.number, worst.event) == ("score", "", 7)
    assert worst.difference == pytest.approx(4e-3 / (1 + 3))
    assert (
        str(worst)
        == "event 7: 'score' is 2.33333333 and 2.33733333, apart by 0.004 where the spread is 3"
    )


def test_each_unit_has_its_spread():
    def change(one, other):
        other["tau"][3, 1, 1] += 1e-3

    worst = compared(change)
    assert (worst.output, worst.number, worst.event) == ("tau", "phi", 3)
    assert worst.difference == pytest.approx(1e-3 / (1 + np.ptp(values()["tau"][..., 1])))


def test_what_is_equal():
    def change(one, other):
        one["tau"][1, 0, 1], other["tau"][1, 0, 1] = np.pi, -np.pi
        one["score"][[4, 5]] = other["score"][[4, 5]] = np.nan, np.inf

    assert compared(change).difference < 1e-15


def test_a_number_in_one_only():
    def change(one, other):
        other["score"][4] = np.nan

    worst = compared(change)
    assert (worst.event, worst.difference) == (4, np.inf)
    assert Agreement(OUTPUTS).worst() is None
