import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.data.kinematics import Array, pt_eta_phi_m, px_py_pz_e
from msml.errors import RecipeError
from msml.simulation.calorimeter import Towers
from msml.simulation.detector import Measurement, Tracks
from msml.simulation.jets import EventJets
from msml.simulation.matching import TauPairCuts
from msml.simulation.particles import Kind
from msml.simulation.selections import Seen, Selected, Selection, build_selection
from msml.simulation.settings import EventRecipe, Images
from msml.simulation.tau_pair_selection import TwoHadronicTaus, largest_tau_eta
from msml.simulation.truth import HeavyQuarks, TrueTaus, Truth

MASS = 1.77693
RANDOM = np.random.default_rng(1)
# A tau that passes wherever it is asked for a second one.
GOOD = (100.0, 0.0)


def built(images: Images | None = None, **settings_: object) -> Selection:
    """The selection of a recipe that has nothing else."""
    return build_selection(EventRecipe("x.h5", {}, selection=settings_, images=images or Images()))


def truth_of(taus: TrueTaus) -> Truth:
    events = len(taus.full)
    return Truth(taus, HeavyQuarks(np.zeros((events, 0, 3)), np.zeros((events, 0), np.int8)))


def select(
    selection: Selection, taus: TrueTaus, measurement: Measurement, jets: EventJets
) -> Selected:
    return selection.select(Seen(truth_of(taus), measurement, jets, RANDOM))


def directions(random: np.random.Generator, count: int) -> Array:
    cosine = random.uniform(-1, 1, count)
    phi = random.uniform(-np.pi, np.pi, count)
    sine = np.sqrt(1 - cosine**2)
    return np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], axis=1)


def boosted(at_rest: Array, tau: Array) -> Array:
    """Boost px, py, pz, E from the rest frame of each tau (pt, eta, phi)."""
    full = px_py_pz_e(np.concatenate([tau, np.full((len(tau), 1), MASS)], axis=1))
    momentum, energy = full[:, :3], full[:, 3:]
    along = (at_rest[:, :3] * momentum).sum(axis=1, keepdims=True)
    new_energy = (energy * at_rest[:, 3:] + along) / MASS
    new = at_rest[:, :3] + momentum * (along / (energy + MASS) + at_rest[:, 3:]) / MASS
    return np.concatenate([new, new_energy], axis=1)


def decays(random: np.random.Generator, tau: Array, *, bodies: int) -> Array:
    """Visible pt, eta, phi, m of isotropic decays to 1 visible and 1 or 2 invisible particles.

    Three bodies decay through a massive invisible or a massive visible pair in turn; the second
    has the mass of hadrons that come along.
    """
    count = len(tau)
    visible_mass, lost_mass = np.zeros((2, count))
    if bodies == 2:
        visible_mass = random.choice([0.0, 0.1396, 0.77, 1.2, 1.7], count)
    else:
        visible_mass = random.uniform(0.0, 0.9, count)
        lost_mass = random.uniform(0.0, 1.0, count) * (MASS - visible_mass)
    energy = (MASS**2 + visible_mass**2 - lost_mass**2) / (2 * MASS)
    momentum = np.sqrt(np.maximum(energy**2 - visible_mass**2, 0.0))
    at_rest = np.concatenate(
        [directions(random, count) * momentum[:, None], energy[:, None]], axis=1
    )
    return pt_eta_phi_m(boosted(at_rest, tau))


def test_the_decays_of_this_test_conserve_what_they_should() -> None:
    random = np.random.default_rng(1)
    tau = np.tile([30.0, 1.0, 2.0], (4000, 1))
    visible = decays(random, tau, bodies=2)
    full = px_py_pz_e(np.concatenate([tau, np.full((4000, 1), MASS)], axis=1))
    missing = pt_eta_phi_m(full - px_py_pz_e(visible))
    assert np.abs(missing[:, 3]).max() < 1e-3
    # Isotropic: the mean visible momentum is that of its mean energy share.
    mean = px_py_pz_e(visible)[visible[:, 3] < 1e-3].mean(axis=0)
    np.testing.assert_allclose(mean, full[0] / 2, rtol=0.06)


@settings(max_examples=150, deadline=None)
@given(
    pt_min=st.floats(0.3, 40.0),
    eta_max=st.floats(0.3, 3.0),
    seed=st.integers(0, 2**32 - 1),
    bodies=st.sampled_from([2, 3]),
)
def test_no_tau_fails_whose_visible_products_are_fiducial(
    pt_min: float, eta_max: float, seed: int, bodies: int
) -> None:
    """Taus around both edges of the fiducial region, where decays cross them."""
    random = np.random.default_rng(seed)
    count = 3000
    pt = pt_min * np.exp(random.exponential(0.3, count) - 0.2)
    reach = np.arcsinh(np.sinh(eta_max))
    eta = random.choice([-1.0, 1.0], count) * (reach + random.normal(0, 0.3, count))
    tau = np.stack([pt, eta, random.uniform(-np.pi, np.pi, count)], axis=1)
    visible = decays(random, tau, bodies=bodies)
    cuts = TauPairCuts(visible_pt_min=pt_min, visible_eta_max=eta_max)
    selection = TwoHadronicTaus(cuts, Images())
    limit = largest_tau_eta(pt_min, eta_max)
    # The second tau of each event is certainly good.
    for row in np.flatnonzero(cuts.fiducial(visible)):
        assert selection.may_pass([tau[row, 0], 1e4], [tau[row, 1], 0.0]), tau[row]
        assert abs(tau[row, 1]) < limit


def test_the_bound_on_the_transverse_momentum_is_tight() -> None:
    """A massless product emitted along the tau has (pt + sqrt(pt^2 + m^2)) / 2."""
    pt = 15.0
    tau = np.array([[pt, 0.0, 0.0]])
    forward = np.array([[MASS / 2, 0.0, 0.0, MASS / 2]])
    reached = pt_eta_phi_m(boosted(forward, tau))[0, 0]
    assert reached == pytest.approx(0.5 * (pt + np.hypot(pt, MASS)))
    for least, passes in ((reached * 0.999, True), (reached * 1.001, False)):
        selection = TwoHadronicTaus(TauPairCuts(visible_pt_min=least), Images())
        assert selection.may_pass([pt, GOOD[0]], [0.0, GOOD[1]]) == passes
    random = np.random.default_rng(2)
    many = decays(random, np.tile(tau, (200_000, 1)), bodies=2)
    assert 0.998 * reached < many[:, 0].max() <= reached * (1 + 1e-9)


@pytest.mark.parametrize(("pt_min", "eta_max"), [(15.0, 2.3), (5.0, 1.0), (30.0, 2.5)])
def test_the_bound_on_eta_is_tight(pt_min: float, eta_max: float) -> None:
    """Decays of taus just inside the limit can be fiducial, just outside they cannot."""
    limit = largest_tau_eta(pt_min, eta_max)
    assert eta_max < limit < eta_max + 0.2
    random = np.random.default_rng(3)
    count = 300_000
    # Massless products at right angles to the tau in its rest frame carry half its momentum.
    momentum = 2 * pt_min * np.cosh(eta_max) * random.uniform(0.99, 1.01, count)
    eta = eta_max + (limit - eta_max) * random.uniform(0.95, 1.1, count)
    tau = np.stack([momentum / np.cosh(eta), eta, np.zeros(count)], axis=1)
    visible = decays(random, tau, bodies=2)
    fiducial = TauPairCuts(visible_pt_min=pt_min, visible_eta_max=eta_max).fiducial(visible)
    assert 0.97 < (tau[fiducial, 1] - eta_max).max() / (limit - eta_max) <= 1.0


def test_largest_tau_eta_without_a_limit() -> None:
    assert largest_tau_eta(0.1, 0.5) == np.inf
    assert largest_tau_eta(0.0, 2.3) == np.inf
    assert largest_tau_eta(0.7, 1.0) == np.inf
    assert largest_tau_eta(15.0, 2.3) == pytest.approx(2.36, abs=0.01)


def test_may_pass_asks_for_two() -> None:
    selection = TwoHadronicTaus(TauPairCuts(), Images())
    assert selection.may_pass([20.0, 30.0], [2.0, -2.0])
    assert not selection.may_pass([20.0], [2.0])
    assert not selection.may_pass([], [])
    assert not selection.may_pass([20.0, 10.0], [2.0, 0.0])
    assert not selection.may_pass([20.0, 30.0], [2.0, -2.4])
    assert selection.may_pass([20.0, 10.0, 30.0], [2.0, 0.0, 1.0])


# Jets


def test_some_jets_counts_those_within_the_cuts() -> None:
    selection = built(name="jets", least=2, jet_pt_min=25, jet_eta_max=2.0)
    jets = np.zeros((4, 3, 4))
    jets[0, :2] = [[50, 1.9, 0, 1], [26, -1.9, 1, 1]]
    jets[1, :2] = [[50, 1.9, 0, 1], [24, -1.9, 1, 1]]
    jets[2] = [[50, 1.9, 0, 1], [40, 2.1, 1, 1], [30, 0, 1, 1]]
    taus = TrueTaus(*np.zeros((2, 4, 2, 4)), np.zeros((4, 2), np.int8))
    found = select(selection, taus, None, EventJets(jets, None, np.zeros(4)))
    assert found.events.tolist() == [0, 2]
    assert found.columns == {}
    assert selection.worth(truth_of(taus)).all()
    assert selection.veto is None


# Building


def problems(settings_: dict[str, object]) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        built(**settings_)
    return caught.value.problems


def test_unknown_selections_and_cuts() -> None:
    assert problems({"name": "two_hadronic_tau"}) == [
        "selection.name: unknown event selection 'two_hadronic_tau'; "
        "did you mean 'two_hadronic_taus'?"
    ]
    assert "unknown event selection 'None'" in problems({})[0]
    found = problems(
        {
            "name": "two_hadronic_taus",
            "jet_pt_mim": 20,
            "jet_eta_max": "2.5",
            "delta_r_max": True,
            "visible_pt_min": None,
        }
    )
    assert len(found) == 4
    assert "unknown cut; did you mean 'jet_pt_min'" in found[0]
    for key, line in zip(("jet_eta_max", "delta_r_max", "visible_pt_min"), found[1:], strict=True):
        assert line.startswith(f"selection.{key}: ")
        assert "expected a number, got " in line


def test_the_cuts_of_a_recipe_arrive() -> None:
    veto = built(name="two_hadronic_taus", visible_pt_min=50).veto
    assert veto.particle == 15
    assert not veto.may_pass([40.0, 60.0], [0.0, 0.0])
    assert veto.may_pass([60.0, 60.0], [0.0, 0.0])


# Columns


def hand_made() -> tuple[TrueTaus, Measurement, EventJets]:
    """Three events; the first has no second tau jet, the other two are accepted."""
    full = np.array(
        [
            [[50.0, 0.0, 0.0, MASS], [40.0, 1.0, 2.0, MASS]],
            [[60.0, 0.5, 3.1, MASS], [70.0, -1.0, 1.0, MASS]],
            [[80.0, 0.1, 0.2, MASS], [45.0, 2.0, -2.0, MASS]],
        ]
    )
    visible = full.copy()
    visible[..., 0] *= 0.5
    visible[..., 3] = 0.14
    taus = TrueTaus(full, visible, np.array([[0, 1], [10, 2], [1, 0]], dtype=np.int8))
    jets = np.array(
        [
            [[90.0, -2.0, 2.0, 5.0], [24.0, 0.0, 0.0, 3.0], [0.0] * 4],
            [[31.0, 0.52, -3.13, 4.0], [26.0, -1.0, 1.1, 2.0], [0.0] * 4],
            [[99.0, -1.0, 0.0, 9.0], [41.0, 0.1, 0.2, 1.0], [22.0, 2.1, -2.0, -1.0]],
        ]
    )
    tracks = Tracks(
        event=np.array([1, 1, 1, 2, 0]),
        kind=np.full(5, Kind.HADRON),
        pt=np.array([10.0, 3.0, 5.0, 7.0, 8.0]),
        eta=np.array([0.53, 0.53, -1.0, 0.1, 0.0]),
        phi=np.array([3.15 - 2 * np.pi, -3.13, 1.1, 0.2, 0.0]),
        mass=np.zeros(5),
        charge=np.ones(5),
        kept=np.array([True, False, True, True, True]),
        flow_pt=np.full(5, 100.0),
    )

    def towers(*rows: tuple[int, float, float, float]) -> Towers:
        return Towers(*(np.array(column) for column in zip(*rows, strict=True)))

    measurement = Measurement(
        tracks,
        ecal=towers((1, 0.52, 3.12, 20.0), (2, 2.1, -2.0, 30.0), (0, 0.0, 0.0, 40.0)),
        hcal=towers((1, 0.52, -3.13, 12.0)),
        photons=towers((1, 0.52, -3.13, 4.0)),
        neutral_hadrons=towers((2, 0.1, 0.2, 6.0), (2, 0.6, 0.2, 6.0)),
    )
    return taus, measurement, EventJets(jets, None, np.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("source", ["towers", "energy_flow"])
def test_columns_of_a_hand_made_batch(source: str) -> None:
    taus, measurement, jets = hand_made()
    selection = built(Images(source=source), name="two_hadronic_taus")
    np.testing.assert_array_equal(selection.worth(truth_of(taus)), [True, True, True])
    selected = select(selection, taus, measurement, jets)
    np.testing.assert_array_equal(selected.events, [1, 2])
    columns = selected.columns
    np.testing.assert_array_equal(columns["jets"], [jets.jets[1, :2], jets.jets[2, 1:]])
    np.testing.assert_array_equal(columns["taus"], taus.full[1:, :, :3])
    np.testing.assert_array_equal(columns["visible_taus"], taus.visible[1:])
    np.testing.assert_array_equal(columns["decay_modes"], [[10, 2], [1, 0]])

    images = columns["calo_images"]
    assert images.shape == (2, 2, 16, 16, 3)
    sums = images.sum(axis=(2, 3))
    # Tracks with their own pt, not the scaled one, and only those that are kept.
    np.testing.assert_allclose(sums[..., 0], [[10.0, 5.0], [7.0, 0.0]])
    if source == "towers":
        ecal = [[20 / np.cosh(0.52), 0.0], [0.0, 30 / np.cosh(2.1)]]
        hcal = [[12 / np.cosh(0.52), 0.0], [0.0, 0.0]]
    else:
        ecal = [[4 / np.cosh(0.52), 0.0], [0.0, 0.0]]
        hcal = [[0.0, 0.0], [6 / np.cosh(0.1), 0.0]]
    np.testing.assert_allclose(sums[..., 1], ecal, rtol=1e-6)
    np.testing.assert_allclose(sums[..., 2], hcal, rtol=1e-6)
    # The track at 3.15 rad is 0.003 below the axis at -3.13 and 0.01 above it in eta.
    assert images[0, 0, 8, 7, 0] == 10.0
    if source == "towers":
        # The tower is 0.033 rad below the axis: the pixel below the middle.
        assert images[0, 0, 8, 7, 1] == pytest.approx(20 / np.cosh(0.52))


def test_taus_that_stand_in_the_other_order_follow_their_jets() -> None:
    taus, measurement, jets = hand_made()
    flipped = TrueTaus(taus.full[:, ::-1], taus.visible[:, ::-1], taus.decay_mode[:, ::-1])
    selection = built(name="two_hadronic_taus")
    for name in ("jets", "taus", "visible_taus", "decay_modes", "calo_images"):
        np.testing.assert_array_equal(
            select(selection, flipped, measurement, jets).columns[name],
            select(selection, taus, measurement, jets).columns[name],
        )


@pytest.mark.parametrize("jets", [np.zeros((3, 0, 4)), np.zeros((3, 2, 4))])
def test_a_batch_without_jets_is_accepted_nowhere(jets: Array) -> None:
    taus, measurement, _ = hand_made()
    selection = built(name="two_hadronic_taus")
    selected = select(selection, taus, measurement, EventJets(jets, None, np.zeros(3)))
    assert len(selected.events) == 0
    assert selected.columns["jets"].shape == (0, 2, 4)
    assert selected.columns["calo_images"].shape == (0, 2, 16, 16, 3)


def test_three_fiducial_taus_are_not_two() -> None:
    taus, _, _ = hand_made()
    third = np.array([[[30.0, 0.0, 1.0, MASS]], [[30.0, 2.4, 1.0, MASS]], [[0.0] * 4]])
    three = TrueTaus(
        np.concatenate([taus.full, third], axis=1),
        np.concatenate([taus.visible, third], axis=1),
        np.concatenate([taus.decay_mode, [[0]] * 3], axis=1),
    )
    selection = built(name="two_hadronic_taus")
    np.testing.assert_array_equal(selection.worth(truth_of(three)), [False, True, True])
