from collections.abc import Sequence

import awkward as ak
import numpy as np
import pytest
from simulated import FAST

from msml.simulation.generator import Generator, PartonVeto, PythiaError
from msml.simulation.truth import find_truth, heavy_quarks

BOTTOM = {
    "Beams:eCM": 13000.0,
    "HardQCD:hardbbbar": True,
    "PhaseSpace:pTHatMin": 30.0,
    "PartonLevel:MPI": False,
}
GLUINOS = {
    "Beams:eCM": 13000.0,
    "SUSY:gg2gluinogluino": True,
    "HadronLevel:all": False,
    **FAST,
}
SPECTRUM = """\
BLOCK MODSEL
  1 0
BLOCK SMINPUTS
  3 0.118
BLOCK MASS
  1000021 700.
  1000022 100.
DECAY 1000021 1.
  1.0 3 1000022 2 -2
"""


def test_the_veto_sees_the_b_quarks_that_truth_finds() -> None:
    """Momenta after all showers, before close gluons are merged into the quarks."""
    seen: list[list[float]] = []

    def record(pt: Sequence[float], eta: Sequence[float]) -> bool:
        if len(pt) == 2:
            seen.append(list(pt))
        return len(pt) == 2

    quarks = heavy_quarks(Generator(BOTTOM, PartonVeto(5, record)).batch(200, 5))
    assert len(seen) == len(quarks.flavour) == 200
    for pt, momentum, flavour in zip(seen, quarks.momentum, quarks.flavour, strict=True):
        found = momentum[flavour == 5, 0]
        assert all(np.isclose(found, one, rtol=1e-12).sum() == 1 for one in pt)
    # Charm of gluons that split is there too.
    assert set(np.unique(quarks.flavour).tolist()) == {0, 4, 5}
    assert (quarks.flavour == 5).sum(axis=1).min() >= 2


def test_quarks_of_a_hand_made_record() -> None:
    rows = [
        # id, status, daughter1, pt
        (5, -21, 1, 0.0),  # comes in
        (5, -23, 2, 50.0),  # radiates
        (5, -51, 3, 40.0),  # hadronises
        (5, -73, 4, 42.0),  # with a gluon merged into it
        (5, -71, 5, 42.0),
        (521, -83, 0, 35.0),
        (-4, -62, 7, 9.0),
        (-4, -71, 8, 9.0),
        (-411, -84, 0, 8.0),
        (-4, -91, 0, 3.0),  # of a hadron's decay
        (3, -51, 4, 99.0),
    ]
    numbers = list(zip(*rows, strict=True))
    zero = [0.0] * len(rows)
    pt = list(map(float, numbers[3]))
    record = {
        "id": [list(numbers[0]), []],
        "status": [list(numbers[1]), []],
        "daughter1": [list(numbers[2]), []],
    }
    momentum = ak.zip({"px": [pt, []], "py": [zero, []], "pz": [zero, []], "e": [pt, []]})
    events = ak.zip({**{name: ak.Array(value) for name, value in record.items()}, "p": momentum})
    quarks = heavy_quarks(events)
    assert quarks.flavour.tolist() == [[5, 4], [0, 0]]
    assert quarks.momentum[0].tolist() == [[40.0, 0.0, 0.0], [9.0, 0.0, 0.0]]


def test_taking_events() -> None:
    events = Generator(BOTTOM).batch(20, 4)
    rows = np.array([7, 3])
    taken, again = find_truth(events).take(rows), find_truth(events[rows])
    assert len(taken) == len(again) == 2
    for name in ("momentum", "flavour"):
        kept = getattr(again.quarks, name)
        np.testing.assert_array_equal(getattr(taken.quarks, name)[:, : kept.shape[1]], kept)


def test_a_spectrum_gives_masses_and_decays() -> None:
    with pytest.raises(PythiaError):
        Generator(GLUINOS)
    events = Generator(GLUINOS, slha=SPECTRUM).batch(10, 1)
    gluinos = events[(events.id == 1000021) & (events.status == -22)]
    mass = ak.to_numpy(ak.flatten(gluinos.m))
    assert len(mass) == 20
    np.testing.assert_allclose(mass, 700.0, atol=5.0)
    final = events[events.status > 0]
    assert ak.all(ak.sum(final.id == 1000022, axis=1) == 2)
    assert ak.all(ak.sum(np.abs(final.id) == 2, axis=1) >= 4)
