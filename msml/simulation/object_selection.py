"""The selection of events by their leptons, b-jets, jets and missing transverse momentum.

Source: the objects of Kishimoto, "Application of transfer learning to event classification in
collider physics", PoS ISGC2022 016; the study does not say its cuts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array, delta_r
from msml.domains import Natural, NotNegative, Positive
from msml.simulation.b_tagging import jet_flavours, tag_probability
from msml.simulation.columns import OBJECTS, ObjectType
from msml.simulation.detector_card import Detector
from msml.simulation.generator import PartonVeto
from msml.simulation.leptons import Isolation, find_leptons, missing_momentum
from msml.simulation.selections import Seen, Selected, Selection, event_selections
from msml.simulation.settings import EventRecipe
from msml.simulation.truth import Truth

_B = 5


@dataclass(frozen=True)
class ObjectCuts:
    """Cuts on the objects of an event, and how many of them are kept. Units: GeV, rad.

    Attributes:
        leptons: `[least, kept]`: isolated electrons and muons that an event has at least, and how
            many of the leading ones are kept.
        b_jets: The same of tagged jets. Where none are kept, no jet is tagged.
        jets: The same of jets without a tag.
        met_min: Least missing transverse momentum.
        lepton_pt_min: Least transverse momentum of a lepton.
        lepton_eta_max: Largest |eta| of one.
        electron_isolation: Largest sum of transverse momenta around an electron, over its own.
        muon_isolation: The same of muons.
        isolation_delta_r: Radius of the cone in which they are summed.
        isolation_pt_min: Least transverse momentum of what is summed.
        jet_pt_min: Least transverse momentum of a jet, pile-up subtracted.
        jet_eta_max: Largest |eta| of one.
        overlap_delta_r: A jet this near to one of the leptons is that lepton.
        b_quarks: True b quarks that an event has at least, after the showers; 0 to ask for none.
        b_quark_pt_min: Least transverse momentum of such a quark.
        b_quark_eta_max: Largest |eta| of one.
    """

    leptons: tuple[Natural, Natural] = (1, 1)
    b_jets: tuple[Natural, Natural] = (2, 2)
    jets: tuple[Natural, Natural] = (2, 2)
    met_min: NotNegative = 0.0
    lepton_pt_min: NotNegative = 20.0
    lepton_eta_max: Positive = 2.5
    electron_isolation: NotNegative = 0.12
    muon_isolation: NotNegative = 0.25
    isolation_delta_r: Positive = 0.5
    isolation_pt_min: NotNegative = 0.5
    jet_pt_min: NotNegative = 20.0
    jet_eta_max: Positive = 2.5
    overlap_delta_r: NotNegative = 0.5
    b_quarks: Natural = 0
    b_quark_pt_min: NotNegative = 15.0
    b_quark_eta_max: Positive = 2.5


class Objects:
    """Enough leptons, b-jets and jets, and enough missing transverse momentum.

    Args:
        cuts: The cuts.
        detector: Efficiencies of identification and of b-tagging.
    """

    cuts = ("enough true b quarks", "enough objects")
    columns = tuple(OBJECTS)

    def __init__(self, cuts: ObjectCuts, detector: Detector) -> None:
        self.veto = PartonVeto(_B, self.may_pass) if cuts.b_quarks else None
        self._cuts = cuts
        self._detector = detector
        self._isolation = Isolation(
            cuts.isolation_delta_r,
            cuts.isolation_pt_min,
            cuts.electron_isolation,
            cuts.muon_isolation,
        )

    def may_pass(self, pt: Sequence[float], eta: Sequence[float]) -> bool:
        """Ask for enough b quarks."""
        return bool(self._counted(np.array(pt), np.array(eta)).sum() >= self._cuts.b_quarks)

    def worth(self, truth: Truth) -> Array:
        """Ask for enough b quarks again."""
        pt, eta, _ = np.moveaxis(truth.quarks.momentum, -1, 0)
        counted = self._counted(pt, eta) & (truth.quarks.flavour == _B)
        return counted.sum(axis=1) >= self._cuts.b_quarks

    def select(self, seen: Seen) -> Selected:
        """Find the objects, count them and fill their columns."""
        cuts = self._cuts
        events = len(seen.truth)
        leptons = self._leptons(seen)
        jets = self._jets(seen, leptons)
        tagged = self._tagged(seen, jets)
        met = np.zeros((events, 1, 4))
        met[:, 0, [0, 2]] = missing_momentum(seen.measurement, events)
        groups = (
            (ObjectType.LEPTON, leptons, *cuts.leptons),
            (ObjectType.MET, met, 0, 1),
            (ObjectType.B_JET, np.where(tagged[..., None], jets, 0.0), *cuts.b_jets),
            (ObjectType.JET, np.where(tagged[..., None], 0.0, jets), *cuts.jets),
        )
        counts = {kind: _real(found).sum(axis=1) for kind, found, *_ in groups}
        enough = (met[:, 0, 0] >= cuts.met_min) & np.all(
            [counts[kind] >= least for kind, _, least, _ in groups], axis=0
        )
        chosen = np.flatnonzero(enough)
        objects = np.concatenate(
            [leading(found[chosen], kept) for _, found, _, kept in groups], axis=1
        )
        kinds = np.repeat([kind for kind, *_ in groups], [kept for *_, kept in groups])
        real = _real(objects) | (kinds == ObjectType.MET)
        counted = (ObjectType.LEPTON, ObjectType.B_JET, ObjectType.JET)
        return Selected(
            chosen,
            {
                "event_objects": objects,
                "event_object_types": np.where(real, kinds, ObjectType.NONE).astype(np.int8),
                "event_objects_real": real,
                "event_object_counts": np.stack([counts[kind][chosen] for kind in counted], axis=1),
            },
        )

    def _counted(self, pt: Array, eta: Array) -> Array:
        """Say which b quarks count."""
        hard: Array = pt > self._cuts.b_quark_pt_min
        return hard & (np.abs(eta) < self._cuts.b_quark_eta_max)

    def _leptons(self, seen: Seen) -> Array:
        found = find_leptons(
            seen.measurement, seen.jets.rho, self._detector, self._isolation, seen.random
        )
        return _within(found, self._cuts.lepton_pt_min, self._cuts.lepton_eta_max)

    def _jets(self, seen: Seen, leptons: Array) -> Array:
        """Jets within the acceptance that are no leptons."""
        jets = _within(seen.jets.jets, self._cuts.jet_pt_min, self._cuts.jet_eta_max)
        distance = delta_r(
            jets[:, :, None, 1], jets[:, :, None, 2], leptons[:, None, :, 1], leptons[:, None, :, 2]
        )
        near = (distance < self._cuts.overlap_delta_r) & _real(leptons)[:, None]
        return np.where(near.any(axis=2)[..., None], 0.0, jets)

    def _tagged(self, seen: Seen, jets: Array) -> Array:
        """Say which jets have a tag."""
        real = _real(jets)
        if self._cuts.b_jets[1] == 0:
            return np.zeros_like(real)
        card = self._detector.b_tagging
        flavour = jet_flavours(jets, seen.truth.quarks, card)[real]
        tagged = np.zeros_like(real)
        tagged[real] = seen.random.random(len(flavour)) < tag_probability(
            jets[..., 0][real], flavour, card
        )
        return tagged


@event_selections.register("objects", cuts=ObjectCuts)
def objects(cuts: ObjectCuts, recipe: EventRecipe) -> Selection:
    """Numbers of leptons, b-jets and jets, and missing transverse momentum."""
    return Objects(cuts, recipe.detector)


def leading(objects: Array, kept: int) -> Array:
    """Keep the leading objects of each event, padded with zeros.

    Args:
        objects: `(events, objects, 4)` pt, eta, phi, m, the leading first; pt 0 where none.
        kept: How many.
    """
    order = np.argsort(~_real(objects), axis=1, kind="stable")[:, :kept, None]
    found = np.take_along_axis(objects, order, axis=1)
    return np.pad(found, ((0, 0), (0, kept - found.shape[1]), (0, 0)))


def _within(objects: Array, pt_min: float, eta_max: float) -> Array:
    """Leave out objects outside the acceptance, which become zeros."""
    kept = (objects[..., 0] > pt_min) & (np.abs(objects[..., 1]) < eta_max)
    return np.where(kept[..., None], objects, 0.0)


def _real(objects: Array) -> Array:
    """Say which rows are objects."""
    real: Array = objects[..., 0] > 0
    return real
