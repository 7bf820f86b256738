from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml.data.kinematics import Array
from msml.simulation.calorimeter import (
    Deposits,
    Grid,
    ecal_resolution,
    hcal_resolution,
    measure,
)
from msml.simulation.detector_card import Calorimeter, Detector

CARD = Detector()
ECAL, HCAL = Grid.of(CARD.ecal), Grid.of(CARD.hcal)
GRIDS = pytest.mark.parametrize("grid", [ECAL, HCAL], ids=["ecal", "hcal"])

FORWARD = [2.958, 3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0]
HCAL_EDGES = (
    [0.087 * i for i in range(20)]
    + [1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95]
    + FORWARD[1:]
)
NO_TRACKS = Deposits(np.zeros(0, int), np.zeros(0), np.zeros(0), np.zeros(0))


def exact(energy: Array, eta: Array) -> Array:
    """A resolution of 0."""
    return np.zeros_like(energy * eta)


def cell(grid: Grid, eta: float, phi: float) -> int:
    return int(grid.cell(np.array([eta]), np.array([phi]))[0])


def deposits(*rows: tuple[int, float, float, float]) -> Deposits:
    event, eta, phi, energy = (np.array(column) for column in zip(*rows, strict=True))
    return Deposits(event, eta, phi, energy)


# Grids


def test_number_of_cells() -> None:
    assert ECAL.cells == 2 * (170 * 360 + 11 * 36)
    assert HCAL.cells == 2 * (19 * 72 + (10 + 9) * 36 + 2 * 18)


def test_edges_of_the_rings() -> None:
    ecal = [0.0174 * i for i in range(171)] + FORWARD[1:]
    for grid, positive in ((ECAL, ecal), (HCAL, HCAL_EDGES)):
        expected = np.concatenate([-np.array(positive[:0:-1]), positive])
        np.testing.assert_allclose(grid.edges, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("grid", "eta", "degrees"),
    [
        (ECAL, 1.0, 1),
        (ECAL, 2.95, 1),
        (ECAL, 3.0, 10),
        (ECAL, 4.99, 10),
        (HCAL, 1.6, 5),
        (HCAL, 1.7, 10),
        (HCAL, 4.5, 10),
        (HCAL, 4.6, 20),
        (HCAL, 4.9, 20),
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_width_in_phi(grid: Grid, eta: float, degrees: int, side: int) -> None:
    middles = -np.pi + np.radians(degrees) * (np.arange(360 // degrees) + 0.5)
    cells = grid.cell(np.full(len(middles), side * eta), middles)
    np.testing.assert_array_equal(np.diff(cells), 1)
    edge = np.radians(degrees)
    assert cell(grid, side * eta, edge - 1e-9) == cell(grid, side * eta, 1e-9)
    assert cell(grid, side * eta, edge + 1e-9) == cell(grid, side * eta, 1e-9) + 1


@GRIDS
def test_every_cell_has_one_number(grid: Grid) -> None:
    every = np.arange(grid.cells)
    eta, phi = grid.random_direction(every, np.random.default_rng(1))
    np.testing.assert_array_equal(grid.cell(eta, phi), every)


@GRIDS
def test_cells_are_closed_at_their_upper_edges(grid: Grid) -> None:
    for i, edge in enumerate(grid.edges.tolist()):
        at, above = cell(grid, edge, 0.1), cell(grid, np.nextafter(edge, 9.0), 0.1)
        below = cell(grid, np.nextafter(edge, -9.0), 0.1)
        assert at == below if i else at == below == -1
        assert above == -1 if i == len(grid.edges) - 1 else above > at
    assert cell(grid, 0.01, 0.0) == cell(grid, 0.01, -1e-9)
    assert cell(grid, 0.01, 1e-9) == cell(grid, 0.01, 0.0) + 1


@GRIDS
def test_across_eta_zero(grid: Grid) -> None:
    around = grid.around[len(grid.around) // 2]
    assert cell(grid, 0.001, 0.1) - cell(grid, -0.001, 0.1) == around


@GRIDS
@pytest.mark.parametrize("eta", [0.3, -2.0, 4.8])
def test_at_pi_the_circle_closes(grid: Grid, eta: float) -> None:
    first = cell(grid, eta, -np.pi + 1e-9)
    last = cell(grid, eta, np.pi)
    assert cell(grid, eta, np.pi - 1e-9) == last
    assert cell(grid, eta, -np.pi) == last
    ring = int(np.searchsorted(grid.edges, eta)) - 1
    assert last - first == grid.around[ring] - 1
    assert first == grid.offset[ring]


@GRIDS
@pytest.mark.parametrize("eta", [5.0 + 1e-9, -5.0 - 1e-9, 7.0, -np.inf, np.inf])
def test_outside(grid: Grid, eta: float) -> None:
    assert cell(grid, eta, 0.3) == -1


@given(st.floats(-4.999, 5.0), st.floats(-3.14159, 3.14159), st.integers(0, 2**32 - 1))
def test_centre_and_random_direction_lie_in_their_cell(eta: float, phi: float, seed: int) -> None:
    for grid in (ECAL, HCAL):
        found = grid.cell(np.array([eta]), np.array([phi]))
        assert 0 <= found[0] < grid.cells
        random_eta, random_phi = grid.random_direction(found, np.random.default_rng(seed))
        np.testing.assert_array_equal(grid.cell(random_eta, random_phi), found)
        centre = grid.centre_eta(found)
        np.testing.assert_array_equal(grid.cell(centre, np.array([phi])), found)
        ring = np.searchsorted(grid.edges, eta) - 1
        assert centre[0] == pytest.approx(grid.edges[ring : ring + 2].mean())


def test_random_directions_fill_the_cell_evenly() -> None:
    one = np.full(20_000, cell(HCAL, 4.8, 0.1))
    eta, phi = HCAL.random_direction(one, np.random.default_rng(1))
    for values, low, high in ((eta, 4.7, 5.0), (phi, 0.0, np.radians(20))):
        counts, _ = np.histogram(values, bins=10, range=(low, high))
        assert counts.sum() == len(one)
        assert ((counts - 2000) ** 2 / 2000).sum() < 40


# Resolutions


@pytest.mark.parametrize(
    ("energy", "eta", "expected"),
    [
        (50.0, 0.0, np.sqrt(0.4**2 + 0.11**2 * 50 + 0.4**2)),
        (50.0, 1.5, 2.44 * np.sqrt(0.4**2 + 0.11**2 * 50 + 0.4**2)),
        (50.0, -1.0, 1.64 * np.sqrt(0.4**2 + 0.11**2 * 50 + 0.4**2)),
        (50.0, 1.5000001, 3.56 * np.sqrt(0.4**2 + 0.11**2 * 50 + 0.4**2)),
        (50.0, 2.0, 2.16 * np.sqrt(0.4**2 + 0.11**2 * 50 + 0.4**2)),
        (50.0, -2.5, 3.56 * np.sqrt(0.4**2 + 0.11**2 * 50 + 0.4**2)),
        (50.0, 2.5000001, np.sqrt((0.107 * 50) ** 2 + 2.08**2 * 50)),
        (100.0, 5.0, np.sqrt(10.7**2 + 2.08**2 * 100)),
        (100.0, 5.0000001, 0.0),
    ],
)
def test_ecal_resolution(energy: float, eta: float, expected: float) -> None:
    found = ecal_resolution(np.array([energy]), np.array([eta]))[0]
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("energy", "eta", "expected"),
    [
        (100.0, 0.0, np.sqrt(5**2 + 15**2)),
        (100.0, -3.0, np.sqrt(5**2 + 15**2)),
        (100.0, 3.0000001, np.sqrt(13**2 + 27**2)),
        (100.0, 5.0, np.sqrt(13**2 + 27**2)),
        (100.0, -5.0000001, 0.0),
        (4.0, 1.0, np.sqrt(0.2**2 + 3**2)),
    ],
)
def test_hcal_resolution(energy: float, eta: float, expected: float) -> None:
    found = hcal_resolution(np.array([energy]), np.array([eta]))[0]
    assert found == pytest.approx(expected, rel=1e-6)


# Measuring


@pytest.mark.parametrize(
    ("calorimeter", "grid", "resolution", "energy", "eta"),
    [
        (CARD.ecal, ECAL, ecal_resolution, 40.0, 0.3),
        (CARD.ecal, ECAL, ecal_resolution, 20.0, -1.2),
        (CARD.ecal, ECAL, ecal_resolution, 150.0, 4.0),
        (CARD.hcal, HCAL, hcal_resolution, 200.0, 0.3),
        (CARD.hcal, HCAL, hcal_resolution, 300.0, -2.0),
    ],
)
def test_closure_of_single_particles(
    calorimeter: Calorimeter, grid: Grid, resolution: object, energy: float, eta: float
) -> None:
    count = 20_000
    shot = Deposits(
        np.arange(count), np.full(count, eta), np.full(count, 0.7), np.full(count, energy)
    )
    towers, neutrals, scale = measure(
        shot, NO_TRACKS, np.zeros(0), calorimeter, grid, resolution, np.random.default_rng(1)
    )
    centre = grid.centre_eta(grid.cell(np.array([eta]), np.array([0.7])))
    width = float(resolution(np.array([energy]), centre)[0])
    assert len(scale) == 0
    np.testing.assert_array_equal(towers.event, np.arange(count))
    assert towers.energy.mean() == pytest.approx(energy, abs=5 * width / count**0.5)
    spread = np.sqrt(np.log1p((width / energy) ** 2))
    assert np.log(towers.energy).std() == pytest.approx(spread, rel=0.03)
    # Without tracks everything that is seen is neutral.
    np.testing.assert_array_equal(neutrals.energy, towers.energy)
    np.testing.assert_array_equal(neutrals.eta, towers.eta)
    np.testing.assert_allclose(towers.et, towers.energy / np.cosh(towers.eta))


def test_thresholds_in_energy_and_in_significance() -> None:
    energies = np.array([0.49, 0.51, 1.9, 2.1, 50.0])
    shot = Deposits(np.arange(5), np.full(5, 0.3), np.full(5, 0.7), energies)
    for minimum, significance, seen in ((0.5, 0.0, 4), (2.0, 0.0, 2), (0.0, 2.0, 3)):
        calorimeter = Calorimeter(CARD.ecal.rings, minimum, significance)
        # A width of almost nothing around the deposit, 0.9 GeV in the significance.
        widths = iter([np.full(5, 1e-9), np.full(5, 0.9)])
        towers, _, _ = measure(
            shot,
            NO_TRACKS,
            np.zeros(0),
            calorimeter,
            ECAL,
            lambda energy, eta, widths=widths: next(widths),
            np.random.default_rng(1),
        )
        assert len(towers.energy) == seen, (minimum, significance)


def test_the_card_asks_for_500_mev_and_1_gev_and_two_sigma() -> None:
    assert (CARD.ecal.energy_min, CARD.ecal.significance_min) == (0.5, 2.0)
    assert (CARD.hcal.energy_min, CARD.hcal.significance_min) == (1.0, 2.0)


@GRIDS
def test_energy_is_conserved_when_the_resolution_is_0(grid: Grid) -> None:
    random = np.random.default_rng(3)
    count = 3000
    shot = Deposits(
        random.integers(0, 4, count),
        random.uniform(-5.5, 5.5, count),
        random.uniform(-np.pi, np.pi, count),
        random.exponential(1.0, count),
    )
    calorimeter = Calorimeter([], energy_min=0.8)
    towers, neutrals, _ = measure(
        shot, NO_TRACKS, np.zeros(0), calorimeter, grid, exact, np.random.default_rng(1)
    )
    sums: dict[tuple[int, int], float] = {}
    cells = grid.cell(shot.eta, shot.phi)
    for event, number, energy in zip(shot.event, cells, shot.energy, strict=True):
        if number >= 0:
            sums[event, number] = sums.get((event, number), 0.0) + energy
    expected = {key: energy for key, energy in sums.items() if energy >= 0.8}
    found = dict(
        zip(
            zip(towers.event, grid.cell(towers.eta, towers.phi), strict=True),
            towers.energy,
            strict=True,
        )
    )
    assert found == pytest.approx(expected)
    assert neutrals.energy.sum() == pytest.approx(towers.energy.sum())


def flow(
    deposited: float, tracks: list[float], widths: list[float], cell_width: float
) -> tuple[float, Array]:
    """Neutral excess and factors of the tracks of one cell whose energy is not smeared."""
    count = len(tracks)
    shot = deposits((0, 0.3, 0.7, deposited))
    pointing = Deposits(
        np.zeros(count, int), np.full(count, 0.3), np.full(count, 0.7), np.array(tracks)
    )
    calls = iter([np.zeros(1), np.full(1, cell_width)])
    _, neutrals, scale = measure(
        shot,
        pointing,
        np.array(widths),
        CARD.hcal,
        HCAL,
        lambda energy, eta: next(calls),
        np.random.default_rng(1),
    )
    assert len(neutrals.energy) <= 1
    return float(neutrals.energy.sum()), scale


def test_a_significant_excess_is_neutral_and_leaves_the_tracks_alone() -> None:
    # 30 - (10 + 5) = 15 GeV against 2 sqrt(3^2 + 4^2 + 5^2) = 14.14 GeV.
    excess, scale = flow(30.0, [10.0, 5.0], [3.0, 4.0], 5.0)
    assert excess == pytest.approx(15.0)
    np.testing.assert_array_equal(scale, [1.0, 1.0])


def test_an_insignificant_excess_scales_the_tracks_to_the_weighted_mean() -> None:
    # 29 - 15 = 14 GeV is below 14.14 GeV. Tracks 15 +- 5, cell 29 +- 5: mean 22.
    excess, scale = flow(29.0, [10.0, 5.0], [3.0, 4.0], 5.0)
    assert excess == 0.0
    np.testing.assert_allclose(scale, 22 / 15)
    # Tracks 10 +- 1, cell 12 +- 2: (10 / 1 + 12 / 4) / (1 + 1 / 4) = 10.4.
    np.testing.assert_allclose(flow(12.0, [10.0], [1.0], 2.0)[1], 1.04)


def test_a_deficit_scales_the_tracks_down() -> None:
    # Tracks 10 +- 2, cell 5 +- 1: (10 / 4 + 5) / (1 / 4 + 1) = 6.
    excess, scale = flow(5.0, [10.0], [2.0], 1.0)
    assert excess == 0.0
    np.testing.assert_allclose(scale, 0.6)


def test_an_excess_below_the_energy_threshold_is_no_neutral() -> None:
    assert flow(10.9, [10.0], [0.01], 0.01)[0] == 0.0
    assert flow(11.1, [10.0], [0.01], 0.01)[0] == pytest.approx(1.1)


def test_a_cell_below_threshold_still_pulls_its_tracks() -> None:
    # As in Delphes: the cell counts as 0 GeV with its width. Tracks 10 +- 2, cell 0 +- 1.
    excess, scale = flow(0.9, [10.0], [2.0], 1.0)
    assert excess == 0.0
    np.testing.assert_allclose(scale, 0.2)


@pytest.mark.parametrize(
    ("calorimeter", "grid", "resolution", "degrees"),
    [(CARD.ecal, ECAL, ecal_resolution, 10), (CARD.hcal, HCAL, hcal_resolution, 20)],
    ids=["ecal", "hcal"],
)
def test_turning_by_the_period_of_the_grid_turns_the_result(
    calorimeter: Calorimeter, grid: Grid, resolution: object, degrees: int
) -> None:
    random = np.random.default_rng(5)
    count = 2000
    # Cell numbers set the order of the random numbers: no direction may wrap round.
    phi = random.uniform(-np.pi + 0.01, np.pi - np.radians(degrees) - 0.01, count)
    shot = Deposits(
        random.integers(0, 3, count),
        random.uniform(-4.9, 4.9, count),
        phi,
        random.exponential(10.0, count),
    )
    chosen = slice(0, 300)
    tracks = Deposits(shot.event[chosen], shot.eta[chosen], phi[chosen], shot.energy[chosen])
    turn = np.radians(degrees)
    arguments = (calorimeter, grid, resolution)
    width = 0.1 * tracks.energy
    towers, neutrals, scale = measure(shot, tracks, width, *arguments, np.random.default_rng(1))
    turned = measure(
        replace(shot, phi=phi + turn),
        replace(tracks, phi=tracks.phi + turn),
        width,
        *arguments,
        np.random.default_rng(1),
    )
    assert len(towers.energy) > 500
    assert len(neutrals.energy) > 300
    assert 0 < (scale != 1).sum() < len(scale)
    for before, after in ((towers, turned[0]), (neutrals, turned[1])):
        np.testing.assert_array_equal(after.event, before.event)
        np.testing.assert_allclose(after.energy, before.energy)
        np.testing.assert_allclose(after.eta, before.eta)
        np.testing.assert_allclose(after.phi, before.phi + turn)
    np.testing.assert_allclose(turned[2], scale)


def test_events_do_not_mix() -> None:
    random = np.random.default_rng(6)
    shots = [
        Deposits(
            np.zeros(200, int),
            random.uniform(-3, 3, 200),
            random.uniform(-np.pi, np.pi, 200),
            random.exponential(10.0, 200),
        )
        for _ in range(2)
    ]
    both = Deposits(
        np.repeat([1, 0], 200),
        *(
            np.concatenate([getattr(shot, name) for shot in shots])
            for name in ("eta", "phi", "energy")
        ),
    )
    calorimeter = Calorimeter([], energy_min=1.0)

    def towers(shot: Deposits, tracks: Deposits) -> tuple[dict[tuple[int, int], float], Array]:
        found, _, scale = measure(
            shot, tracks, 0.1 * tracks.energy, calorimeter, HCAL, exact, np.random.default_rng(1)
        )
        keys = zip(found.event, HCAL.cell(found.eta, found.phi), strict=True)
        return dict(zip(keys, found.energy, strict=True)), scale

    together, scale = towers(both, both)
    for number, shot in enumerate(shots):
        alone, scale_alone = towers(shot, shot)
        event = 1 - number
        mine = {key[1]: energy for key, energy in together.items() if key[0] == event}
        assert mine == pytest.approx({key[1]: energy for key, energy in alone.items()})
        np.testing.assert_allclose(scale[both.event == event], scale_alone)


def test_a_track_outside_the_calorimeter_is_left_alone() -> None:
    shot = deposits((0, 0.3, 0.7, 30.0), (0, 6.0, 0.1, 50.0))
    tracks = deposits((0, 6.0, 0.1, 50.0))
    arguments = (np.array([1.0]), CARD.hcal, HCAL, exact)
    towers, neutrals, scale = measure(shot, tracks, *arguments, np.random.default_rng(1))
    np.testing.assert_allclose(towers.energy, [30.0])
    np.testing.assert_allclose(neutrals.energy, [30.0])
    np.testing.assert_array_equal(scale, [1.0])


def test_nothing_deposited() -> None:
    towers, neutrals, scale = measure(
        NO_TRACKS, NO_TRACKS, np.zeros(0), CARD.ecal, ECAL, exact, np.random.default_rng(1)
    )
    assert len(towers.energy) == len(neutrals.energy) == len(scale) == 0
