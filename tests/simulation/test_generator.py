from collections.abc import Sequence

import awkward as ak
import numpy as np
import pytest
from simulated import FAST, pythia_settings

from msml.data.kinematics import pair_mass, px_py_pz_e, wrap_phi
from msml.simulation.generator import (
    Generator,
    PartonVeto,
    PythiaError,
    refused_settings,
    setting_lines,
)
from msml.simulation.particles import Kind
from msml.simulation.truth import TrueTaus, true_taus


def test_setting_lines() -> None:
    settings = {
        "Beams:eCM": 13000.0,
        "PartonLevel:MPI": False,
        "HiggsSM:gg2H": True,
        "15:onIfMatch": ["16 211", "16 211 111"],
        "flags": [True, 3],
    }
    assert setting_lines(settings) == [
        "Beams:eCM = 13000.0",
        "PartonLevel:MPI = off",
        "HiggsSM:gg2H = on",
        "15:onIfMatch = 16 211",
        "15:onIfMatch = 16 211 111",
        "flags = on",
        "flags = 3",
    ]


def test_refused_settings() -> None:
    settings = {
        "Beams:eCM": 13000.0,
        "Beams:eMC": 13000.0,
        "PartonLevel:MPI": False,
        "NoSuch:thing": "on",
        "25:m0": 125.0,
        "15:offIfAny": "11 13",
    }
    assert refused_settings(settings) == ["Beams:eMC", "NoSuch:thing"]
    assert refused_settings({}) == []


def test_pythia_that_cannot_start_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PythiaError, match="cannot start"):
        Generator({"Beams:eCM": 13000.0})
    assert capfd.readouterr().out == ""


def test_a_veto_that_never_passes_ends() -> None:
    generator = Generator(pythia_settings("higgs", **FAST), PartonVeto(15, lambda pt, eta: False))
    assert len(generator.batch(30, 1)) == 0
    assert len(generator.batch(30, 2)) == 0
    assert generator.attempts == 60
    assert generator.passed_veto == 0
    section, error = generator.cross_section()
    assert np.isfinite([section, error]).all()


def test_a_veto_that_always_passes_changes_nothing() -> None:
    settings = pythia_settings("higgs", **FAST)
    always = PartonVeto(15, lambda pt, eta: True)
    plain, hooked = Generator(settings), Generator(settings, always)
    events, same = plain.batch(20, 3), hooked.batch(20, 3)
    assert ak.to_list(events.id) == ak.to_list(same.id)
    assert ak.to_list(events.p.px) == ak.to_list(same.p.px)
    assert (plain.passed_veto, hooked.passed_veto) == (20, 20)
    assert hooked.cross_section() == plain.cross_section()


@pytest.mark.parametrize("process", ["higgs", "z"])
def test_seeds_decide(process: str) -> None:
    settings = pythia_settings(process, **FAST)
    first, same, other = (Generator(settings).batch(5, seed) for seed in (7, 7, 8))
    assert ak.to_list(first.p.px) == ak.to_list(same.p.px)
    assert ak.to_list(first.p.px) != ak.to_list(other.p.px)


@pytest.mark.parametrize("process", ["higgs", "z"])
def test_a_batch_does_not_depend_on_those_before(process: str) -> None:
    used = Generator(pythia_settings(process))
    used.batch(7, 1)
    fresh = Generator(pythia_settings(process))
    first, same = used.batch(5, 9), fresh.batch(5, 9)
    assert ak.to_list(first.id) == ak.to_list(same.id)
    assert ak.to_list(first.p.px) == ak.to_list(same.p.px)


@pytest.mark.parametrize("process", ["higgs", "z"])
def test_the_veto_sees_the_momenta_that_the_taus_decay_with(process: str) -> None:
    """With showers, multiple interactions and photon radiation on, as in production."""
    seen: list[tuple[list[float], list[float]]] = []

    def record(pt: Sequence[float], eta: Sequence[float]) -> bool:
        # Asked again with each tau that is found.
        if len(pt) < 2:
            return False
        seen.append((list(pt), list(eta)))
        return len(seen) % 3 > 0

    generator = Generator(pythia_settings(process), PartonVeto(15, record))
    events = generator.batch(90, 11)
    assert generator.passed_veto == len(events) == 60
    taus = true_taus(events)
    passed = [entry for i, entry in enumerate(seen, start=1) if i % 3 > 0]
    for (pt, eta), full in zip(passed, taus.full, strict=True):
        order = np.argsort(full[:2, 0])
        np.testing.assert_allclose(np.sort(pt), full[order, 0], rtol=1e-12)
        np.testing.assert_allclose(np.array(eta)[np.argsort(pt)], full[order, 1], rtol=1e-9)


def sections(process: str, least: float) -> list[tuple[float, float]]:
    settings = pythia_settings(process, **FAST, **{"15:onMode": False, "15:onIfMatch": "16 211"})
    found = []
    two_hard = PartonVeto(15, lambda pt, eta: sum(value > least for value in pt) == 2)
    for veto in (None, two_hard):
        generator = Generator(settings, veto)
        generator.batch(400, 5)
        found.append(generator.cross_section())
    return found


@pytest.mark.parametrize("process", ["higgs", "z"])
def test_a_veto_leaves_the_cross_section_alone(process: str) -> None:
    (plain, error), (vetoed, vetoed_error) = sections(process, 40.0 if process == "z" else 55.0)
    assert 0 < error < 0.2 * plain
    assert vetoed == pytest.approx(plain, abs=4 * np.hypot(error, vetoed_error))
    # The selection of the cut is between 5 and 80 %, or this compares nothing.
    assert vetoed_error < 0.5 * vetoed


@pytest.fixture(scope="module")
def higgs_events() -> tuple[ak.Array, TrueTaus, Generator]:
    generator = Generator(pythia_settings("higgs", **{"PartonLevel:MPI": False}))
    events = generator.batch(300, 21)
    return events, true_taus(events), generator


def test_two_taus_of_the_higgs(higgs_events: tuple[ak.Array, TrueTaus, Generator]) -> None:
    _, taus, _ = higgs_events
    assert taus.full.shape == taus.visible.shape == (300, 2, 4)
    assert (taus.full[..., 0] > 0).all()
    np.testing.assert_allclose(taus.full[..., 3], 1.77693, atol=2e-3)
    mass = pair_mass(taus.full)
    assert np.median(mass) == pytest.approx(125.0, abs=0.1)
    assert (mass < 125.5).all()
    assert (taus.visible[..., 3] < taus.full[..., 3]).all()
    assert (taus.visible[..., 0] > 0).all()


def test_visible_and_neutrinos_make_the_tau(
    higgs_events: tuple[ak.Array, TrueTaus, Generator],
) -> None:
    events, taus, _ = higgs_events
    neutrinos = events[(np.abs(events.id) == 16) & (events.status > 0)]
    # Now and then a hadron decays to taus as well.
    two = ak.to_numpy(ak.num(neutrinos.id) == 2)
    assert two.sum() > 280
    momentum = neutrinos.p[two]
    lost = np.stack([ak.to_numpy(momentum[axis]) for axis in ("px", "py", "pz", "e")], axis=-1)
    taus = taus.take(two)
    # The two neutrinos may stand in either order.
    missing = px_py_pz_e(taus.full) - px_py_pz_e(taus.visible)
    straight = np.abs(missing - lost).max(axis=(1, 2))
    crossed = np.abs(missing - lost[:, ::-1]).max(axis=(1, 2))
    assert np.minimum(straight, crossed).max() < 1e-3


def test_decay_modes_are_hadronic_and_as_frequent_as_they_should_be(
    higgs_events: tuple[ak.Array, TrueTaus, Generator],
) -> None:
    _, taus, _ = higgs_events
    modes = taus.decay_mode.ravel()
    assert set(modes.tolist()) <= {0, 1, 2, 3, 4, 10, 11, 12, 20}
    # Branching fractions among hadronic decays: pi or K or K* 0.20, rho 0.39, three charged 0.22.
    for wanted, fraction in (([0], 0.20), ([1], 0.40), ([10, 11, 12, 13], 0.23)):
        assert np.isin(modes, wanted).mean() == pytest.approx(fraction, abs=0.08), wanted


@pytest.mark.parametrize(
    ("decay", "mode"),
    [
        ("16 211", 0),
        ("16 111 211", 1),
        ("16 111 111 211", 2),
        ("16 211 211 211", 10),
        ("16 111 211 211 211", 11),
        ("16 111 321", 1),
        ("16 211 311", 0),
    ],
)
def test_a_forced_decay_has_its_mode_and_its_products(decay: str, mode: int) -> None:
    settings = pythia_settings("higgs", **FAST)
    settings |= {"15:onMode": False, "15:onIfMatch": decay, "111:mayDecay": False}
    events = Generator(settings).batch(20, 4)
    taus = true_taus(events)
    np.testing.assert_array_equal(taus.decay_mode, mode)
    if mode == 0 and decay == "16 211":
        np.testing.assert_allclose(taus.visible[..., 3], 0.1396, atol=2e-3)


def test_leptonic_decays_and_taus_of_hadrons_are_not_taken() -> None:
    leptonic = pythia_settings("higgs", **FAST)
    leptonic |= {"15:onMode": False, "15:onIfAny": "11 13"}
    events = Generator(leptonic).batch(20, 4)
    taus = true_taus(events)
    assert taus.full.shape == (20, 2, 4)
    assert not taus.full.any()
    assert (taus.decay_mode == -1).all()

    charm = {"HardQCD:hardccbar": True, "PhaseSpace:pTHatMin": 20.0, **FAST}
    charm |= {"431:onMode": False, "431:onIfAny": "15", "15:offIfAny": "11 13"}
    charm |= {"433:onMode": False, "433:onIfAny": "431"}
    events = Generator(charm).batch(200, 4)
    assert ak.sum(np.abs(events.id) == 15) > 5
    assert not true_taus(events).full.any()


def test_stable_particles(higgs_events: tuple[ak.Array, TrueTaus, Generator]) -> None:
    events, _, generator = higgs_events
    chosen = events[:20]
    found = generator.stable_particles(chosen)
    final = chosen[chosen.status > 0]
    assert (found.kind != Kind.INVISIBLE).all()
    assert not found.pileup.any()
    for event in range(20):
        one = found.take(found.event == event)
        px, py, pz = (
            one.pt * np.cos(one.phi),
            one.pt * np.sin(one.phi),
            one.pt * one.sinh_eta,
        )
        # Charge, momentum and energy of the collision are conserved, neutrinos put back.
        invisible = final[event][np.isin(np.abs(ak.to_numpy(final[event].id)), (12, 14, 16))]
        assert one.charge.sum() == pytest.approx(2.0)
        for sums, axis in ((px, "px"), (py, "py"), (pz, "pz")):
            assert sums.sum() + ak.sum(invisible.p[axis]) == pytest.approx(0.0, abs=1e-2)
        assert one.energy.sum() + ak.sum(invisible.p.e) == pytest.approx(13000.0, rel=1e-6)
    # Positions are in m: the pions of the taus, which fly some mm, start there.
    dark = (abs(final.id) == 12) | (abs(final.id) == 14) | (abs(final.id) == 16)
    produced = ak.flatten(final.vProd.px[~dark])
    np.testing.assert_allclose(found.x, 1e-3 * ak.to_numpy(ak.fill_none(produced, 0.0)))
    distance = np.hypot(found.x, found.y)
    assert 1e-4 < np.median(distance[(distance > 1e-6) & (distance < 0.02)]) < 0.01


def test_a_particle_without_momentum_is_left_out(
    higgs_events: tuple[ak.Array, TrueTaus, Generator],
) -> None:
    events, _, generator = higgs_events
    one = ak.to_list(events[:1])
    row = next(i for i, p in enumerate(one[0]) if p["status"] > 0 and p["id"] == 22)
    for axis in ("px", "py", "pz", "e"):
        one[0][row]["p"][axis] = 0.0
    found = generator.stable_particles(ak.Array(one))
    assert len(found) == len(generator.stable_particles(events[:1])) - 1
    assert np.isfinite(found.sinh_eta).all()


def test_taking_events_of_taus(higgs_events: tuple[ak.Array, TrueTaus, Generator]) -> None:
    events, taus, _ = higgs_events
    rows = np.array([5, 2])
    taken, again = taus.take(rows), true_taus(events[rows])
    for name in ("full", "visible", "decay_mode"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(again, name))
    assert np.abs(wrap_phi(taken.full[..., 2] - taken.visible[..., 2])).max() < 0.5


@pytest.mark.parametrize(("process", "sign"), [("higgs", -1), ("z", 1)])
def test_spin_correlation_of_the_taus(process: str, sign: int) -> None:
    """Pions take energy against each other in Higgs decays and together in Z decays.

    The correlation of their energy fractions in the boson's rest frame is about -0.35 and +0.32.
    """
    settings = pythia_settings(process, **FAST)
    settings |= {"15:onMode": False, "15:onIfMatch": "16 211", "ProcessLevel:resonanceDecays": True}
    settings |= {"HadronLevel:Hadronize": False, "TauDecays:mode": 1}
    count = 2000 if sign < 0 else 600
    taus = true_taus(Generator(settings).batch(count, 17))
    full, visible = px_py_pz_e(taus.full), px_py_pz_e(taus.visible)
    boson = full.sum(axis=1, keepdims=True)
    fraction = minkowski(visible, boson) / minkowski(full, boson)
    correlation = np.corrcoef(fraction.T)[0, 1]
    error = 1 / np.sqrt(len(fraction))
    assert sign * correlation > 4 * error
    assert correlation == pytest.approx(-0.35 if sign < 0 else 0.32, abs=4 * error)


def minkowski(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Product of four-vectors: energies in the rest frame of one of them, times its mass."""
    return first[..., 3] * second[..., 3] - (first[..., :3] * second[..., :3]).sum(axis=-1)
