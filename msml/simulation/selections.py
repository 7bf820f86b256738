"""Event selections: what makes an event accepted, and the columns it fills.

A selection judges an event three times: at parton level before hadronisation (to save time), at
truth level before the detector is simulated, and after reconstruction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, get_type_hints

import numpy as np

from msml.data.kinematics import Array
from msml.domains import Domain, NotNegative, Positive
from msml.errors import RecipeError, nearest
from msml.hints import mismatch
from msml.simulation.detector import Measurement
from msml.simulation.generator import TrueTaus
from msml.simulation.images import layer_images
from msml.simulation.jets import EventJets
from msml.simulation.matching import TauPairCuts, pair_tau_jets
from msml.simulation.settings import Images

_TAU_MASS = 1.77693


@dataclass(frozen=True)
class Selected:
    """Accepted events of a batch.

    Attributes:
        events: Rows of the batch.
        columns: Their columns.
    """

    events: Array
    columns: dict[str, Array]


class Selection(Protocol):
    """What `msml generate` asks of a selection.

    Attributes:
        cuts: Names of the truth-level and of the reconstruction-level cut, for the summary.
    """

    cuts: tuple[str, str]

    def may_pass(self, pt: Sequence[float], eta: Sequence[float]) -> bool:
        """Judge an event by its taus before they decay; see `generator.PartonVeto`."""

    def truth(self, taus: TrueTaus) -> Array:
        """Say which events of a batch are worth simulating."""

    def select(
        self, taus: TrueTaus, measurement: Measurement, jets: EventJets, images: Images
    ) -> Selected:
        """Accept events and fill their columns."""


class TwoHadronicTaus:
    """Exactly two fiducial hadronic taus, each matched to a jet of its own.

    Args:
        cuts: The cuts.
    """

    cuts = ("two fiducial taus", "two matched jets")

    def __init__(self, cuts: TauPairCuts) -> None:
        self._cuts = cuts
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

    def truth(self, taus: TrueTaus) -> Array:
        """Two fiducial visible taus."""
        return self._cuts.fiducial(taus.visible).sum(axis=1) == 2

    def select(
        self, taus: TrueTaus, measurement: Measurement, jets: EventJets, images: Images
    ) -> Selected:
        """Match jets and taus and fill the columns of the pair."""
        pairs = pair_tau_jets(jets.jets, taus.visible, self._cuts)
        events = np.flatnonzero(pairs.matched)
        rows = events[:, None]
        jet, tau = pairs.jet[events], pairs.tau[events]
        tau_jets = jets.jets[rows, jet]
        columns = {
            "jets": tau_jets,
            "calo_images": _images(tau_jets, events, len(jets.jets), measurement, images),
            "taus": taus.full[rows, tau][..., :3],
            "visible_taus": taus.visible[rows, tau],
            "decay_modes": taus.decay_mode[rows, tau],
        }
        return Selected(events, columns)


@dataclass(frozen=True)
class JetCuts:
    """Cuts on the jets of an event. Units: GeV.

    Attributes:
        least: Jets that an event has at least.
        jet_pt_min: Least transverse momentum of such a jet, pile-up subtracted.
        jet_eta_max: Largest |eta| of one.
    """

    least: Annotated[int, Domain(0, 100)] = 2
    jet_pt_min: NotNegative = 20.0
    jet_eta_max: Positive = 2.5


class SomeJets:
    """A number of jets, whatever they come from; its columns are those of `collections`.

    Args:
        cuts: The cuts.
    """

    cuts = ("no cut at truth level", "enough jets")

    def __init__(self, cuts: JetCuts) -> None:
        self._cuts = cuts

    def may_pass(self, pt: Sequence[float], eta: Sequence[float]) -> bool:
        """Jets may come from pile-up: no event is hopeless."""
        return True

    def truth(self, taus: TrueTaus) -> Array:
        """Every event."""
        return np.ones(len(taus.full), bool)

    def select(
        self, taus: TrueTaus, measurement: Measurement, jets: EventJets, images: Images
    ) -> Selected:
        """Count the jets."""
        pt, eta = jets.jets[..., 0], jets.jets[..., 1]
        found = (pt > self._cuts.jet_pt_min) & (np.abs(eta) < self._cuts.jet_eta_max)
        return Selected(np.flatnonzero(found.sum(axis=1) >= self._cuts.least), {})


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


# Name, its cuts and the class that applies them.
_SELECTIONS: dict[str, tuple[type[Any], Callable[[Any], Selection]]] = {
    "two_hadronic_taus": (TauPairCuts, TwoHadronicTaus),
    "jets": (JetCuts, SomeJets),
}


def build_selection(settings: Mapping[str, Any]) -> Selection:
    """Make the selection that a recipe names.

    Raises:
        RecipeError: With a line `key: problem` for each problem.
    """
    name = settings.get("name")
    if name not in _SELECTIONS:
        known = nearest(str(name), list(_SELECTIONS))
        raise RecipeError(f"selection.name: unknown event selection '{name}'{known}")
    cuts, build = _SELECTIONS[name]
    hints = get_type_hints(cuts, include_extras=True)
    given = {key: value for key, value in settings.items() if key != "name"}
    problems = [
        f"selection.{key}: unknown cut{nearest(key, [*hints])}" for key in given if key not in hints
    ]
    problems += [
        f"selection.{key}: {problem}"
        for key, value in given.items()
        if key in hints and (problem := mismatch(value, hints[key]))
    ]
    if problems:
        raise RecipeError(problems)
    return build(cuts(**given))
