import numpy as np
import pytest
from simulated import particles

from msml.simulation.particles import Kind, Particles, kinds


@pytest.mark.parametrize(
    ("kind", "pdg_ids"),
    [
        (Kind.HADRON, [211, -211, 321, 2212, -2212, 130, 2112, 3222, 3312, 311, 1000010020]),
        (Kind.ELECTRON, [11, -11]),
        (Kind.MUON, [13, -13]),
        (Kind.PHOTON, [22, 111]),
        (Kind.STRANGE_NEUTRAL, [310, 3122, -3122]),
        (Kind.INVISIBLE, [12, -12, 14, -14, 16, -16, 1000022, 1000045]),
    ],
)
def test_kinds_of_pdg_identifiers(kind: Kind, pdg_ids: list[int]) -> None:
    found = kinds(np.array(pdg_ids))
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, kind)


def test_energy() -> None:
    # pt 3, pz 4, mass 12: E = 13.
    assert particles(1, pt=3.0, sinh_eta=4 / 3, mass=12.0).energy[0] == pytest.approx(13.0)


def test_take_and_concatenate_keep_every_field() -> None:
    first = particles(3, pt=np.array([1.0, 2.0, 3.0]), event=np.array([0, 1, 1]), pileup=True)
    second = particles(1, pt=7.0, z=0.5, kind=int(Kind.MUON))
    both = Particles.concatenate(first.take(np.array([2, 0])), second)
    assert len(both) == 3
    assert both.pt.tolist() == [3.0, 1.0, 7.0]
    assert both.event.tolist() == [1, 0, 0]
    assert both.pileup.tolist() == [True, True, False]
    assert both.kind.tolist() == [3, 3, 2]
    assert both.z.tolist() == [0.0, 0.0, 0.5]
    assert both.take(both.pt > 2).pt.tolist() == [3.0, 7.0]
