import fastjet
import fastjet._swig as swig
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.data.kinematics import Array, pt_eta_phi_m, px_py_pz_e, wrap_phi
from msml.simulation.jets import (
    RHO_BANDS,
    FlowObjects,
    area_vector,
    find_jets,
    flow_objects,
    pileup_density,
)
from msml.simulation.settings import Jets


def flow_of(rows: list[tuple[int, float, float, float]] | Array) -> FlowObjects:
    """Massless objects by event, pt, eta and phi."""
    table = np.array(rows, dtype=float).reshape(-1, 4)
    table = table[np.argsort(table[:, 0], kind="stable")]
    vectors = np.concatenate([table[:, 1:], np.zeros((len(table), 1))], axis=1)
    charge = np.zeros(len(table), dtype=np.int8)
    return FlowObjects(table[:, 0].astype(int), px_py_pz_e(vectors), charge)


def soft_objects(events: int, per_event: int, seed: int, eta_max: float = 5.2) -> FlowObjects:
    random = np.random.default_rng(seed)
    count = events * per_event
    return flow_of(
        np.stack(
            [
                random.integers(0, events, count),
                random.exponential(0.8, count) + 0.05,
                random.uniform(-eta_max, eta_max, count),
                random.uniform(-np.pi, np.pi, count),
            ],
            axis=1,
        )
    )


def pseudojets(momentum: Array) -> list[swig.PseudoJet]:
    return [swig.PseudoJet(*row) for row in momentum.tolist()]


# Pile-up density


@pytest.mark.parametrize("per_event", [10, 60, 800])
def test_the_density_is_that_of_fastjet(per_event: int) -> None:
    flow = soft_objects(8, per_event, seed=per_event)
    density = pileup_density(flow, 8)
    assert density.shape == (8, 3)
    for event in range(8):
        objects = pseudojets(flow.momentum[flow.event == event])
        for band in range(3):
            estimator = swig.GridMedianBackgroundEstimator(
                RHO_BANDS[band], RHO_BANDS[band + 1], 1.0, 1.0
            )
            estimator.set_particles(objects)
            assert density[event, band] == pytest.approx(estimator.rho(), rel=1e-12, abs=1e-15)
    if per_event == 800:
        assert density.min() > 0


def test_the_density_of_objects_with_mass_is_that_of_fastjet() -> None:
    flow = soft_objects(1, 500, seed=9)
    vectors = pt_eta_phi_m(flow.momentum)
    vectors[:, 3] = np.random.default_rng(1).choice([0.14, 0.94], 500)
    flow = FlowObjects(flow.event, px_py_pz_e(vectors), flow.charge)
    estimator = swig.GridMedianBackgroundEstimator(-2.5, 2.5, 1.0, 1.0)
    estimator.set_particles(pseudojets(flow.momentum))
    assert pileup_density(flow, 1)[0, 1] == pytest.approx(estimator.rho(), rel=1e-12)


def test_one_object_leaves_the_median_at_zero_and_an_even_field_gives_its_density() -> None:
    assert pileup_density(flow_of([(0, 100.0, 0.0, 0.0)]), 2).tolist() == [[0.0] * 3] * 2
    eta, phi = np.meshgrid(np.arange(-4.95, 5, 0.1), np.arange(0.05, 2 * np.pi, np.pi / 30))
    count = eta.size
    even = np.stack([np.zeros(count), np.full(count, 2.0), eta.ravel(), phi.ravel()], axis=1)
    expected = 2.0 / (0.1 * np.pi / 30)
    np.testing.assert_allclose(pileup_density(flow_of(even), 1), expected, rtol=0.13)
    assert pileup_density(flow_of(even), 1)[0, 1] == pytest.approx(expected)


# Area


@pytest.mark.parametrize("radius", [0.2, 0.4, 0.5, 0.8])
@pytest.mark.parametrize("rapidity", [0.0, -1.3, 2.4])
def test_the_area_vector_is_the_integral_over_the_disc(radius: float, rapidity: float) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(40)
    distance = 0.5 * radius * (nodes + 1)
    angle = np.linspace(-np.pi, np.pi, 200, endpoint=False)
    y = rapidity + distance[:, None] * np.cos(angle)
    phi = 0.7 + distance[:, None] * np.sin(angle)
    vector = np.stack([np.cos(phi), np.sin(phi), np.sinh(y), np.cosh(y)])
    ring = vector.mean(axis=2) * 2 * np.pi
    expected = (ring * distance * weights * 0.5 * radius).sum(axis=1)
    found = area_vector(np.array([rapidity, 0.7]), radius)
    np.testing.assert_allclose(found, expected, rtol=1e-4 * radius, atol=1e-6)


def test_the_area_vector_is_like_fastjets_active_areas() -> None:
    """A hard jet in soft objects: the active area is a disc to a few per cent."""
    ratios = []
    for seed in range(12):
        flow = soft_objects(1, 400, seed, eta_max=4.0)
        hard = flow_of([(0, 100.0, 0.3, 1.0)])
        objects = pseudojets(np.concatenate([flow.momentum * 0.1, hard.momentum]))
        area = swig.AreaDefinition(swig.active_area, swig.GhostedAreaSpec(5.0, 1, 0.01))
        definition = swig.JetDefinition(fastjet.antikt_algorithm, 0.5)
        sequence = swig.ClusterSequenceArea(objects, definition, area)
        jet = next(j for j in sequence.inclusive_jets(50.0))
        four = sequence.area_4vector(jet)
        ours = area_vector(np.array([jet.rap(), jet.phi()]), 0.5)
        theirs = np.array([four.px(), four.py(), four.pz(), four.E()])
        ratios.append([four.perp() / np.hypot(*ours[:2]), theirs[3] / ours[3]])
        assert abs(wrap_phi(np.arctan2(four.py(), four.px()) - jet.phi())) < 0.05
    np.testing.assert_allclose(np.mean(ratios, axis=0), 1.0, atol=0.02)
    np.testing.assert_allclose(ratios, 1.0, atol=0.12)


# Jets


def reference_jets(flow: FlowObjects, event: int, pt_min: float) -> Array:
    """Unsubtracted anti-kT jets of one event by FastJet's own classes, leading first."""
    objects = pseudojets(flow.momentum[flow.event == event])
    definition = swig.JetDefinition(fastjet.antikt_algorithm, 0.5)
    sequence = swig.ClusterSequence(objects, definition)
    jets = swig.sorted_by_pt(sequence.inclusive_jets(pt_min))
    return np.array([[j.px(), j.py(), j.pz(), j.E()] for j in jets]).reshape(-1, 4)


def subtracted(momentum: Array, rho: Array) -> Array:
    """Pt, eta, phi, m of a jet minus density times area; the density is 0 beyond 5."""
    pt, eta, _, _ = pt_eta_phi_m(momentum)
    density = 0.0 if abs(eta) > 5 else rho[0 if eta < -2.5 else 1 if eta < 2.5 else 2]
    rapidity = np.arctanh(momentum[2] / momentum[3])
    pileup = density * area_vector(np.array([rapidity, np.arctan2(momentum[1], momentum[0])]), 0.5)
    return pt_eta_phi_m(momentum - pileup) if pt > np.hypot(*pileup[:2]) else np.zeros(4)


def noisy_events(seed: int) -> FlowObjects:
    """Four events with jets over a soft background; the third one is empty."""
    random = np.random.default_rng(seed)
    soft = soft_objects(4, 700, seed)
    vectors = pt_eta_phi_m(soft.momentum)[:, :3]
    rows = [np.concatenate([soft.event[:, None], vectors], axis=1)]
    for event in (0, 1, 3):
        for _ in range(6):
            eta, phi = random.uniform(-2.2, 2.2), random.uniform(-np.pi, np.pi)
            for _ in range(8):
                spread = random.normal(0, 0.1, 2)
                rows.append(
                    np.array([[event, random.exponential(6.0), eta + spread[0], phi + spread[1]]])
                )
    table = np.concatenate(rows)
    return flow_of(table[table[:, 0] != 2])


def test_jets_are_fastjets_minus_density_times_area_in_order_and_padded() -> None:
    flow = noisy_events(1)
    found = find_jets(flow, 4, Jets(), constituents=True)
    rho = pileup_density(flow, 4)
    np.testing.assert_array_equal(found.rho, rho[:, 1])
    counts = []
    for event in range(4):
        every = [subtracted(m, rho[event]) for m in reference_jets(flow, event, 20.0)]
        expected = [jet for jet in every if jet[0] > 20]
        expected.sort(key=lambda jet: -jet[0])
        counts.append(len(expected))
        jets = found.jets[event]
        np.testing.assert_allclose(jets[: len(expected)], np.reshape(expected, (-1, 4)), rtol=1e-7)
        assert not jets[len(expected) :].any()
        assert (np.diff(jets[: len(expected), 0]) <= 0).all()
    assert counts[2] == 0
    assert max(counts) == found.jets.shape[1] >= 3
    assert len(set(counts)) > 2


def test_constituents_sum_to_the_unsubtracted_jet() -> None:
    flow = noisy_events(2)
    found = find_jets(flow, 4, Jets(), constituents=True)
    assert found.constituents is not None
    assert found.constituents.shape[:2] == found.jets.shape[:2]
    rho = pileup_density(flow, 4)
    for event, slot in np.argwhere(found.jets[..., 0] > 0).tolist():
        members = found.constituents[event, slot]
        real = members[members >= 0]
        np.testing.assert_array_equal(members[len(real) :], -1)
        assert len(np.unique(real)) == len(real) > 1
        assert (flow.event[real] == event).all()
        pt = np.hypot(*flow.momentum[real, :2].T)
        assert (np.diff(pt) <= 0).all()
        total = flow.momentum[real].sum(axis=0)
        near = np.abs(reference_jets(flow, event, 20.0) - total).sum(axis=1)
        assert near.min() < 1e-6
        expected = subtracted(total, rho[event])
        np.testing.assert_allclose(found.jets[event, slot], expected, rtol=1e-6, atol=1e-6)
    used = found.constituents[found.constituents >= 0]
    assert len(np.unique(used)) == len(used)
    assert not (found.constituents[found.jets[..., 0] == 0] >= 0).any()


def test_without_pileup_a_jet_is_the_sum_of_its_objects() -> None:
    flow = flow_of([(0, 30.0, 0.4, 3.1), (0, 15.0, 0.5, -3.1), (0, 1.0, 2.0, 0.0)])
    found = find_jets(flow, 1, Jets())
    assert found.constituents is None
    assert found.rho[0] == 0
    expected = pt_eta_phi_m(flow.momentum[:2].sum(axis=0))
    np.testing.assert_allclose(found.jets, [[expected]])


def even_field(pt: float) -> list[tuple[int, float, float, float]]:
    """Objects on a fine lattice within |eta| < 2.5."""
    return [
        (0, pt, eta, phi)
        for eta in np.arange(-2.45, 2.5, 0.1)
        for phi in np.arange(0.05, 2 * np.pi, np.pi / 30)
    ]


def test_a_jet_below_threshold_after_subtraction_goes_away() -> None:
    # 10 GeV per unit area: a jet loses about 10 pi 0.25 (1 - 0.25 / 8) = 7.6 GeV.
    field = even_field(10.0 * 0.1 * np.pi / 30)
    for hard, survives in ((16.0, False), (30.0, True)):
        flow = flow_of([*field, (0, hard, 0.3, 1.0)])
        assert reference_jets(flow, 0, 20.0)[:, 0].size >= 1
        found = find_jets(flow, 1, Jets())
        assert found.rho[0] == pytest.approx(10.0, rel=1e-6)
        assert found.jets.shape[1] == survives
        if survives:
            assert found.jets[0, 0, 0] == pytest.approx(hard, abs=1.5)
            assert found.jets[0, 0, 1] == pytest.approx(0.3, abs=0.02)
            assert found.jets[0, 0, 2] == pytest.approx(1.0, abs=0.02)


def test_the_radius_and_the_threshold_are_those_of_the_settings() -> None:
    flow = flow_of([(0, 30.0, 0.0, 0.0), (0, 25.0, 0.45, 0.0)])
    assert find_jets(flow, 1, Jets(radius=0.5)).jets.shape[1] == 1
    assert find_jets(flow, 1, Jets(radius=0.4)).jets.shape[1] == 2
    assert find_jets(flow, 1, Jets(radius=0.4, pt_min=27.0)).jets.shape[1] == 1


@pytest.mark.parametrize("constituents", [False, True])
def test_batches_without_jets_and_without_objects(constituents: bool) -> None:
    for flow in (flow_of([]), flow_of([(1, 5.0, 0.0, 0.0)])):
        found = find_jets(flow, 3, Jets(), constituents=constituents)
        assert found.jets.shape == (3, 0, 4)
        assert found.rho.tolist() == [0.0, 0.0, 0.0]


@settings(max_examples=25, deadline=None)
@given(st.floats(-np.pi, np.pi), st.integers(0, 1000))
def test_turning_an_event_by_tiles_turns_its_jets(angle: float, seed: int) -> None:
    """By a multiple of the tiles the density is the same; the axes turn along."""
    flow = noisy_events(seed)
    turn = np.round(angle / (np.pi / 3)) * np.pi / 3
    vectors = pt_eta_phi_m(flow.momentum)
    vectors[:, 2] += turn
    turned = find_jets(FlowObjects(flow.event, px_py_pz_e(vectors), flow.charge), 4, Jets())
    found = find_jets(flow, 4, Jets())
    np.testing.assert_allclose(turned.rho, found.rho)
    np.testing.assert_allclose(turned.jets[..., :2], found.jets[..., :2], rtol=1e-6, atol=1e-9)
    difference = wrap_phi(turned.jets[..., 2] - found.jets[..., 2] - turn)
    assert np.abs(difference[found.jets[..., 0] > 0]).max() < 1e-6


def test_flow_objects_drop_subtracted_tracks_and_keep_the_measured_direction() -> None:
    from msml.simulation.calorimeter import Towers
    from msml.simulation.detector import Measurement, Tracks

    tracks = Tracks(
        event=np.array([1, 0, 1]),
        kind=np.zeros(3, np.int8),
        pt=np.array([10.0, 20.0, 30.0]),
        eta=np.array([0.5, -1.0, 2.0]),
        phi=np.array([3.0, -3.0, 0.0]),
        mass=np.array([0.14, 0.0, 0.94]),
        charge=np.array([1.0, -1.0, 1.0]),
        kept=np.array([True, True, False]),
        flow_pt=np.array([11.0, 19.0, 30.0]),
    )
    photons = Towers(np.array([0]), np.array([1.0]), np.array([0.2]), np.array([8.0]))
    neutral = Towers(np.array([1]), np.array([-2.0]), np.array([0.4]), np.array([9.0]))
    none = Towers(*np.zeros((4, 0)))
    flow = flow_objects(Measurement(tracks, none, none, photons, neutral))
    np.testing.assert_array_equal(flow.event, [0, 0, 1, 1])
    np.testing.assert_array_equal(flow.charge, [-1, 0, 1, 0])
    expected = [
        [19.0, -1.0, -3.0, 0.0],
        [8.0 / np.cosh(1.0), 1.0, 0.2, 0.0],
        [11.0, 0.5, 3.0, 0.14],
        [9.0 / np.cosh(2.0), -2.0, 0.4, 0.0],
    ]
    np.testing.assert_allclose(pt_eta_phi_m(flow.momentum), expected, atol=1e-7)
