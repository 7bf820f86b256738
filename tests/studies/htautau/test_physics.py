import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from msml.data import kinematics
from msml.data.transforms import PT_OFFSET
from msml.studies.htautau import physics

vectors = st.tuples(st.floats(1, 500), st.floats(-2.4, 2.4), st.floats(-3.14, 3.14))
pairs = st.tuples(vectors, vectors)

near_pi = st.integers(-40, 40).map(lambda i: np.float32(-np.pi) + i * np.spacing(np.float32(np.pi)))


def as_input(pair):
    """Bring (pt, eta, phi) of two taus into what a network sees."""
    pair = np.array(pair, dtype=np.float64)
    pair[..., 0] = np.log(pair[..., 0] + 0.1)
    return pair.astype("float32")


def mass(pair):
    return float(physics.invariant_mass(as_input(pair)))


def exact_mass(pair):
    """Compute the regularised mass in float64."""
    pt, eta, phi = np.moveaxis(as_input(pair).astype(np.float64), -1, 0)
    pt = np.exp(pt) - 0.1
    p = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=-1)
    energy = np.sqrt(0.1 + (p**2).sum(-1) + 1.777**2)
    return np.sqrt(0.1 + energy.sum(-1) ** 2 - (p.sum(-2) ** 2).sum(-1)), energy.sum(-1)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ([(45.5, 0, 0), (45.5, 0, np.pi)], 91.07211931),
        ([(62.5, 0, 0), (62.5, 0, np.pi)], 125.05251263),
        ([(50, 0.5, 1.0), (30, -1.0, -2.0)], 100.20211643),
        ([(0, 0, 0), (0, 0, 0)], 3.62366058),
    ],
)
def test_mass_golden_values(pair, expected):
    assert mass(pair) == pytest.approx(expected, rel=3e-6)


def test_mass_of_the_zeros_candidate():
    pt = np.exp(0.0) - 0.1
    # Two vectors of pt 0.9 in the same direction: the momentum drops out but for the regularisers.
    expected = np.sqrt(0.1 + 4 * (0.1 + pt**2 + 1.777**2) - 4 * pt**2)
    assert expected == pytest.approx(3.62366058)
    assert float(physics.invariant_mass(np.zeros((2, 3)))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("phi", "expected"),
    [
        (0.0, 0.0),
        (3.5, -2.78318531),
        (-3.5, 2.78318531),
        (np.pi, -np.pi),
        (-np.pi, -np.pi),
        (10.0, -2.56637061),
        (-10.0, 2.56637061),
        (7 * np.pi, -np.pi),
    ],
)
def test_wrap_golden_values(phi, expected):
    wrapped = float(physics.wrap_phi(np.array([phi]))[0])
    assert -np.pi - 1e-6 < wrapped < np.pi
    # In float32 7 pi is a little less, and lands at the other end.
    assert np.exp(1j * wrapped) == pytest.approx(np.exp(1j * expected), abs=3e-6)
    if phi < 20:
        assert wrapped == pytest.approx(expected, abs=2e-6)


@settings(deadline=None)
@given(st.one_of(st.floats(-50, 50, width=32), near_pi))
def test_wrap_stays_in_its_range_and_keeps_the_direction(phi):
    wrapped = np.asarray(physics.wrap_phi(np.array([phi], dtype="float32")))[0]
    assert -np.float32(np.pi) <= wrapped < np.float32(np.pi)
    assert np.cos(np.float64(wrapped) - phi) == pytest.approx(1, abs=1e-9)
    if -np.float32(np.pi) <= phi < np.float32(np.pi):
        assert wrapped == phi


def test_wrap_has_gradient_one():
    phi = tf.constant([-7.0, -3.1, 0.0, 3.0, 3.5, 10.0])
    with tf.GradientTape() as tape:
        tape.watch(phi)
        wrapped = physics.wrap_phi(phi)
    assert tape.gradient(wrapped, phi).numpy().tolist() == [1.0] * 6


@settings(deadline=None)
@given(st.floats(0, 1000))
def test_log_pt_there_and_back(pt):
    assert float(physics.pt_of(np.log(PT_OFFSET + pt))) == pytest.approx(pt, rel=2e-6, abs=1e-6)


def test_clips():
    assert float(physics.pt_of(20.0)) == pytest.approx(1096.533, rel=1e-6)
    assert float(physics.pt_of(-20.0)) == pytest.approx(-0.0990881, rel=1e-4)
    far, limit = (np.asarray(physics.momenta([x, eta, 0.0])) for x, eta in ((20, 9), (7, 5)))
    assert far.tolist() == limit.tolist()


@settings(deadline=None)
@given(pairs)
def test_momenta_as_in_the_data(pair):
    inputs = as_input(pair)
    vector = np.concatenate([np.array(pair), np.zeros((2, 1))], axis=-1)
    expected = kinematics.px_py_pz_e(vector)[..., :3]
    assert np.asarray(physics.momenta(inputs)) == pytest.approx(expected, rel=1e-4, abs=1e-3)


@settings(deadline=None)
@given(pairs, st.floats(-10, 10))
def test_mass_does_not_change_in_a_rotation(pair, angle):
    turned = [(pt, eta, phi + angle) for pt, eta, phi in pair]
    check_equal_masses(pair, turned)


@settings(deadline=None)
@given(pairs, st.floats(-2, 2))
def test_mass_does_not_change_in_a_boost(pair, rapidity):
    # With the regulariser in E, each tau is an exact four-vector of mass^2 0.1 + 1.777^2.
    boosted = []
    for pt, eta, phi in pair:
        transverse = np.sqrt(pt**2 + 0.1 + 1.777**2)
        y = np.arcsinh(pt * np.sinh(eta) / transverse) + rapidity
        boosted.append((pt, np.arcsinh(transverse * np.sinh(y) / pt), phi))
    assume(all(abs(eta) < 5 for _, eta, _ in boosted))
    check_equal_masses(pair, boosted)


def check_equal_masses(one, other):
    """Compare squared masses up to the rounding of float32 in the difference of squares."""
    energy = max(exact_mass(one)[1], exact_mass(other)[1])
    assert mass(one) ** 2 == pytest.approx(mass(other) ** 2, abs=3e-6 * energy**2)


@settings(deadline=None)
@given(pairs)
def test_mass_as_in_float64(pair):
    expected, energy = exact_mass(pair)
    assert mass(pair) ** 2 == pytest.approx(expected**2, abs=2e-6 * energy**2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-30, 30, width=32), min_size=6, max_size=6))
def test_mass_and_its_gradient_are_finite_anywhere(numbers):
    x = tf.constant(np.array(numbers, dtype="float32").reshape(1, 2, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = physics.invariant_mass(x)
    assert np.isfinite(value).all()
    assert np.isfinite(tape.gradient(value, x)).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64", "int32"])
def test_always_float32(dtype):
    x = keras.ops.cast(np.ones((4, 2, 3)), dtype)
    for function in (physics.pt_of, physics.momenta, physics.wrap_phi):
        assert function(x).dtype == "float32"
    assert physics.invariant_mass(x).dtype == "float32"
    assert physics.invariant_mass(x).shape == (4,)
