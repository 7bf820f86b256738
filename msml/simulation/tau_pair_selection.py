"""The selection of events with two hadronic taus, each with a jet of its own."""

from collections.abc import Sequence

import numpy as np

from msml.data.kinematics import Array
from msml.simulation.columns import TAU_PAIRS
from msml.simulation.detector import Measurement
from msml.simulation.generator import PartonVeto
from msml.simulation.images import layer_images
from msml.simulation.matching import TauPairCuts, pair_tau_jets
from msml.simulation.selections import Seen, Selected, Selection, event_selections
from msml.simulation.settings import EventRecipe, Images
from msml.simulation.truth import Truth

_TAU = 15
_TAU_MASS = 1.77693


class TwoHadronicTaus:
    """Exactly two fiducial hadronic taus, each matched to a jet of its own.

    Args:
        cuts: The cuts.
        images: The images around the jets.
    """

    cuts = ("two fiducial taus", "two matched jets")
    columns = tuple(TAU_PAIRS)

    def __init__(self, cuts: TauPairCuts, images: Images) -> None:
        self.veto: PartonVeto | None = PartonVeto(_TAU, self.may_pass)
        self._cuts = cuts
        self._images = images
        self._eta_limit = largest_tau_eta(cuts.visible_pt_min, cuts.visible_eta_max)

    def may_pass(self, pt: Sequence[float], eta: Sequence[float]) -> bool:
        """Ask for two taus whose visible products can be fiducial.

        The largest visible transverse momentum of a tau is (pt + sqrt(pt^2 + m^2)) / 2, reached by
        light products emitted along it; so no event is lost that could be accepted.
        """
        least = self._cuts.visible_pt_min
        possible = 0
        for tau_pt, tau_eta in zip(pt, eta, strict=True):
            reach = 0.5 * (tau_pt + (tau_pt**2 + _TAU_MASS**2) ** 0.5)
            possible += reach > least and abs(tau_eta) < self._eta_limit
        return possible >= 2

    def worth(self, truth: Truth) -> Array:
        """Two fiducial visible taus."""
        return self._cuts.fiducial(truth.taus.visible).sum(axis=1) == 2

    def select(self, seen: Seen) -> Selected:
        """Match jets and taus and fill the columns of the pair."""
        jets, taus = seen.jets, seen.truth.taus
        pairs = pair_tau_jets(jets.jets, taus.visible, self._cuts)
        events = np.flatnonzero(pairs.matched)
        rows = events[:, None]
        jet, tau = pairs.jet[events], pairs.tau[events]
        tau_jets = jets.jets[rows, jet]
        columns = {
            "jets": tau_jets,
            "calo_images": _images(
                tau_jets, events, len(jets.jets), seen.measurement, self._images
            ),
            "taus": taus.full[rows, tau][..., :3],
            "visible_taus": taus.visible[rows, tau],
            "decay_modes": taus.decay_mode[rows, tau],
        }
        return Selected(events, columns)


@event_selections.register("two_hadronic_taus", cuts=TauPairCuts)
def two_hadronic_taus(cuts: TauPairCuts, recipe: EventRecipe) -> Selection:
    """Exactly two fiducial hadronic taus, each matched to a jet of its own."""
    return TwoHadronicTaus(cuts, recipe.images)


def largest_tau_eta(visible_pt_min: float, visible_eta_max: float) -> float:
    """Largest |eta| of a tau whose visible products can be fiducial.

    The products' momentum transverse to the tau is at most m/2, so that they deviate from it by an
    angle of at most asin(m / 2p) with p = pt cosh(eta) at the corner of the fiducial region, where
    the tau's polar angle is smallest.
    """
    polar = 2 * np.arctan(np.exp(-visible_eta_max))
    momentum = visible_pt_min * np.cosh(visible_eta_max)
    if 2 * momentum <= _TAU_MASS:
        return np.inf
    least = polar - np.arcsin(_TAU_MASS / (2 * momentum))
    return float(-np.log(np.tan(least / 2))) if least > 0 else np.inf


def _images(
    tau_jets: Array, events: Array, batch: int, measurement: Measurement, settings: Images
) -> Array:
    """Images of tracker pt, electromagnetic and hadronic ET, `(events, 2, pixels, pixels, 3)`."""
    neutral = settings.source == "energy_flow"
    tracks = measurement.tracks
    layers = [(tracks.event, tracks.eta, tracks.phi, np.where(tracks.kept, tracks.pt, 0.0))]
    for towers in (
        measurement.photons if neutral else measurement.ecal,
        measurement.neutral_hadrons if neutral else measurement.hcal,
    ):
        layers.append((towers.event, towers.eta, towers.phi, towers.et))
    return layer_images(
        tau_jets[..., 1:3],
        events,
        batch,
        layers,
        pixels=settings.pixels,
        half_width=settings.half_width,
    )
