from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import particles

from msml.data.kinematics import wrap_phi
from msml.simulation.detector_card import Detector
from msml.simulation.particles import Particles
from msml.simulation.propagation import propagate

CARD = Detector()
RADIUS, LENGTH, FIELD = 1.29, 3.0, 3.8
# Transverse momentum of a unit charge whose circle from the origin just touches the barrel.
LOOPER_PT = 0.299792458 * FIELD * RADIUS / 2


def exit_of(detector: Detector = CARD, **values: float) -> tuple[bool, float, float]:
    reached, eta, phi = propagate(particles(1, **values), detector)
    return bool(reached[0]), float(eta[0]), float(phi[0])


def random_particles(count: int, seed: int) -> Particles:
    random = np.random.default_rng(seed)
    distance = 1.2 * np.sqrt(random.random(count))
    azimuth = random.uniform(-np.pi, np.pi, count)
    return particles(
        count,
        charge=random.choice([-2.0, -1.0, 0.0, 1.0], count),
        pt=np.exp(random.uniform(np.log(0.05), np.log(50.0), count)),
        sinh_eta=np.sinh(random.uniform(-4, 4, count)),
        phi=random.uniform(-np.pi, np.pi, count),
        x=distance * np.cos(azimuth),
        y=distance * np.sin(azimuth),
        z=random.uniform(-2.9, 2.9, count),
    )


@pytest.mark.parametrize("charge", [0.0, 1.0])
def test_a_straight_line_from_the_origin_keeps_its_direction(charge: float) -> None:
    detector = CARD if charge == 0 else replace(CARD, magnetic_field=0.0)
    for eta in (-4.0, -1.0, 0.0, 0.3, 2.7):
        found = exit_of(detector, sinh_eta=np.sinh(eta), phi=2.5, charge=charge)
        assert found == (True, pytest.approx(eta), pytest.approx(2.5))


def test_a_straight_line_from_a_displaced_vertex_to_the_barrel() -> None:
    # From (0.5, 0.2, 0.1) along x: leaves where x = sqrt(R^2 - 0.04).
    reached, eta, phi = exit_of(x=0.5, y=0.2, z=0.1, sinh_eta=0.4, phi=0.0)
    x = np.sqrt(RADIUS**2 - 0.2**2)
    z = 0.1 + (x - 0.5) * 0.4
    assert reached
    assert eta == pytest.approx(np.arcsinh(z / RADIUS))
    assert phi == pytest.approx(np.arctan2(0.2, x))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_straight_line_from_a_displaced_vertex_to_an_endcap(side: float) -> None:
    # From (0.3, -0.1, +-1) along y with slope 4: 0.5 m of transverse path to the end.
    reached, eta, phi = exit_of(x=0.3, y=-0.1, z=side, sinh_eta=side * 4.0, phi=np.pi / 2)
    assert reached
    assert eta == pytest.approx(side * np.arcsinh(LENGTH / np.hypot(0.3, 0.4)))
    assert phi == pytest.approx(np.arctan2(0.4, 0.3))


@pytest.mark.parametrize("charge", [1.0, -1.0, 2.0])
@pytest.mark.parametrize("pt", [0.9 * 2, 3.0, 20.0, 500.0])
def test_the_bending_angle_at_the_barrel(charge: float, pt: float) -> None:
    radius = pt / (0.299792458 * FIELD * abs(charge))
    reached, eta, phi = exit_of(charge=charge, pt=pt, sinh_eta=0.5, phi=1.0)
    half_angle = np.arcsin(RADIUS / (2 * radius))
    assert reached
    assert phi - 1.0 == pytest.approx(-np.sign(charge) * half_angle, abs=1e-12)
    # z grows with the length of the arc, 2 R asin(rho / 2R).
    assert np.sinh(eta) * RADIUS == pytest.approx(0.5 * 2 * radius * half_angle)


def test_the_bending_angle_of_a_20_gev_particle_is_37_mrad() -> None:
    assert abs(exit_of(charge=1.0, pt=20.0)[2]) == pytest.approx(0.0368, abs=2e-4)


@pytest.mark.parametrize("pt", [0.1, 0.5, LOOPER_PT * 0.999])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_looper_leaves_through_an_endcap(pt: float, side: float) -> None:
    radius = pt / (0.299792458 * FIELD)
    reached, eta, phi = exit_of(charge=-1.0, pt=pt, sinh_eta=side * 0.7, phi=0.0)
    # It turned by an angle s / R after the transverse path s = 3 m / 0.7, anticlockwise.
    angle = LENGTH / 0.7 / radius
    x, y = radius * np.sin(angle), radius * (1 - np.cos(angle))
    assert reached
    assert eta == pytest.approx(side * np.arcsinh(LENGTH / np.hypot(x, y)))
    assert phi == pytest.approx(np.arctan2(y, x))


def test_just_above_the_looper_threshold_a_particle_reaches_the_barrel() -> None:
    reached, eta, phi = exit_of(charge=1.0, pt=LOOPER_PT * 1.000001, sinh_eta=0.1)
    assert pytest.approx(0.7347, abs=1e-3) == LOOPER_PT
    assert reached
    half_angle = np.arcsin(1 / 1.000001)
    assert phi == pytest.approx(-half_angle, abs=1e-7)
    arc = RADIUS * 1.000001 * half_angle
    assert np.sinh(eta) * RADIUS == pytest.approx(0.1 * arc, rel=1e-6)


def test_a_looper_at_right_angles_to_the_beam_never_leaves() -> None:
    assert not exit_of(charge=1.0, pt=0.5, sinh_eta=0.0)[0]
    assert exit_of(charge=1.0, pt=1.5, sinh_eta=0.0)[0]
    assert exit_of(charge=0.0, pt=0.5, sinh_eta=0.0)[0]


@pytest.mark.parametrize("charge", [0.0, 1.0])
@pytest.mark.parametrize("place", [{"x": 1.3}, {"y": -1.0, "x": 1.0}, {"z": 3.01}, {"z": -4.0}])
def test_a_particle_made_outside_is_not_reached(charge: float, place: dict[str, float]) -> None:
    towards = -np.sign(place.get("z", 0.0)) * 5.0
    assert not exit_of(charge=charge, sinh_eta=towards, phi=np.pi, **place)[0]


def test_opposite_charges_are_mirror_images() -> None:
    here = random_particles(500, seed=1)
    mirrored = replace(here, charge=-here.charge, phi=-here.phi, y=-here.y)
    reached, eta, phi = propagate(here, CARD)
    reached_too, eta_too, phi_too = propagate(mirrored, CARD)
    np.testing.assert_array_equal(reached, reached_too)
    np.testing.assert_allclose(eta_too[reached], eta[reached], rtol=1e-6, atol=1e-9)
    assert np.abs(wrap_phi(phi_too + phi)[reached]).max() < 1e-8


@given(st.floats(-np.pi, np.pi))
def test_turning_everything_about_the_beam_turns_the_exit(angle: float) -> None:
    here = random_particles(200, seed=2)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = replace(
        here, phi=here.phi + angle, x=here.x * cos - here.y * sin, y=here.x * sin + here.y * cos
    )
    reached, eta, phi = propagate(here, CARD)
    reached_too, eta_too, phi_too = propagate(turned, CARD)
    np.testing.assert_array_equal(reached, reached_too)
    np.testing.assert_allclose(eta_too[reached], eta[reached], rtol=1e-5, atol=1e-8)
    assert np.abs(wrap_phi(phi_too - phi - angle)[reached]).max() < 1e-6


def test_reflecting_the_beam_axis_reflects_eta() -> None:
    here = random_particles(500, seed=3)
    reached, eta, phi = propagate(here, CARD)
    reached_too, eta_too, phi_too = propagate(
        replace(here, z=-here.z, sinh_eta=-here.sinh_eta), CARD
    )
    np.testing.assert_array_equal(reached, reached_too)
    np.testing.assert_allclose(eta_too[reached], -eta[reached])
    np.testing.assert_allclose(phi_too[reached], phi[reached])


def integrated(one: Particles, steps_per_turn: int = 400) -> tuple[float, float]:
    """Exit of one particle by a fourth-order integration of the Lorentz force."""
    kappa = -0.299792458 * FIELD * float(one.charge[0]) / float(one.pt[0])  # rad per m of path
    slope = float(one.sinh_eta[0])

    def derivative(state: np.ndarray) -> np.ndarray:
        return np.array([state[3], state[4], slope, -kappa * state[4], kappa * state[3]])

    phi = float(one.phi[0])
    state = np.array([one.x[0], one.y[0], one.z[0], np.cos(phi), np.sin(phi)], dtype=float)
    step = min(0.02, 2 * np.pi / max(abs(kappa), 1e-9) / steps_per_turn, 0.05 / max(abs(slope), 1))

    def advance(state: np.ndarray, h: float) -> np.ndarray:
        k1 = derivative(state)
        k2 = derivative(state + 0.5 * h * k1)
        k3 = derivative(state + 0.5 * h * k2)
        k4 = derivative(state + h * k3)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def outside(state: np.ndarray) -> bool:
        return bool(np.hypot(state[0], state[1]) >= RADIUS or abs(state[2]) >= LENGTH)

    for _ in range(200_000):
        following = advance(state, step)
        if outside(following):
            low, high = 0.0, step
            for _ in range(60):
                middle = 0.5 * (low + high)
                low, high = (low, middle) if outside(advance(state, middle)) else (middle, high)
            state = advance(state, high)
            return np.arcsinh(state[2] / np.hypot(state[0], state[1])), np.arctan2(*state[1::-1])
        state = following
    raise AssertionError("never left")


def test_exits_agree_with_a_numerical_integration() -> None:
    here = random_particles(120, seed=4)
    reached, eta, phi = propagate(here, CARD)
    assert reached.all()
    through_barrel = 0
    for i in range(len(here)):
        found_eta, found_phi = integrated(here.take(np.array([i])))
        # A particle that leaves through an endcap close to the beam has a steep eta.
        assert eta[i] == pytest.approx(found_eta, abs=2e-3), i
        assert abs(wrap_phi(phi[i] - found_phi)) < 2e-3, i
        through_barrel += abs(np.sinh(eta[i])) < LENGTH / RADIUS
    assert 20 < through_barrel < 110


def test_a_weak_field_gives_nearly_straight_lines() -> None:
    here = replace(random_particles(500, seed=5), pt=np.full(500, 10.0))
    results = [propagate(here, replace(CARD, magnetic_field=field)) for field in (0.0, 1e-3)]
    (reached, eta, phi), (reached_too, eta_too, phi_too) = results
    assert reached.all()
    assert reached_too.all()
    np.testing.assert_allclose(eta_too, eta, atol=1e-3)
    assert np.abs(wrap_phi(phi_too - phi)).max() < 1e-3
    assert np.abs(wrap_phi(phi_too - phi)).max() > 0
