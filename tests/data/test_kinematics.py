import numpy as np
import pytest
import vector
from hypothesis import example, given
from hypothesis import strategies as st

from msml.data.kinematics import delta_r, pair_mass, pt_eta_phi_m, px_py_pz_e, wrap_phi

angles = st.floats(-50, 50)
vectors = st.tuples(
    st.floats(0.1, 1000), st.floats(-4, 4), st.floats(-3.14, 3.14), st.floats(0, 50)
)


@pytest.mark.parametrize(
    ("phi", "wrapped"),
    [(0.0, 0.0), (3.5, -2.78318531), (np.pi, -np.pi), (-np.pi, -np.pi), (10.0, -2.56637061)],
)
def test_wrap_golden_values(phi, wrapped):
    assert wrap_phi(np.array(phi)) == pytest.approx(wrapped, abs=1e-8)


@given(st.one_of(angles, st.floats(-np.pi - 1e-14, -np.pi + 1e-14)))
def test_wrap_stays_in_its_range_and_keeps_the_direction(phi):
    wrapped = wrap_phi(np.array(phi))
    assert -np.pi <= wrapped < np.pi
    assert np.cos(wrapped - phi) == pytest.approx(1)


def test_just_below_minus_pi_does_not_become_pi():
    assert wrap_phi(np.array([np.nextafter(-np.pi, -4)])).tolist() == [-np.pi]


@given(vectors)
def test_momenta_as_in_vector(values):
    expected = vector.obj(pt=values[0], eta=values[1], phi=values[2], mass=values[3])
    found = px_py_pz_e(np.array(values))
    assert found == pytest.approx(
        [expected.px, expected.py, expected.pz, expected.E], rel=1e-9, abs=1e-9
    )


@given(vectors)
@example((144.0, 4.0, 0.0, 0.00390625))
def test_there_and_back(values):
    found = pt_eta_phi_m(px_py_pz_e(np.array([values])))[0]
    assert found[:3] == pytest.approx(values[:3], rel=1e-9, abs=1e-9)
    # The mass is what is left of large numbers; below 1e-12 of their squares it is 0.
    energy = values[0] * np.cosh(values[1])
    assert found[3] ** 2 == pytest.approx(values[3] ** 2, abs=1.1e-12 * (energy + 50) ** 2)


def test_vectors_along_the_beam_and_massless_ones():
    found = pt_eta_phi_m(np.array([[0.0, 0.0, 5.0, 5.0], [30.0, 40.0, 0.0, 50.0 - 1e-13]]))
    assert np.isfinite(found).all()
    assert found[0].tolist() == [0, 0, 0, 0]
    assert found[1, [0, 3]].tolist() == [50, 0]


def test_the_mass_has_the_sign_of_its_square_and_survives_the_way_back():
    spacelike = np.array([[30.0, 40.0, 10.0, 50.0]])
    found = pt_eta_phi_m(spacelike)
    assert found[0, 3] == pytest.approx(-10.0)
    assert found[0, 3] == pytest.approx(vector.obj(px=30, py=40, pz=10, E=50).mass)
    assert px_py_pz_e(found) == pytest.approx(spacelike)


@given(vectors, vectors)
def test_pair_mass_and_distance_as_in_vector(first, second):
    one, two = (vector.obj(pt=v[0], eta=v[1], phi=v[2], mass=v[3]) for v in (first, second))
    mass = pair_mass(np.array([[first, second]]))[0]
    assert mass**2 == pytest.approx((one + two).mass2, abs=1e-12 * (one.E + two.E) ** 2)
    distance = delta_r(*(np.array(v) for v in (first[1], first[2], second[1], second[2])))
    assert distance == pytest.approx(one.deltaR(two), abs=1e-9)
