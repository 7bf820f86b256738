"""The selection of events with some number of jets."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from msml.data.kinematics import Array
from msml.domains import Domain, NotNegative, Positive
from msml.simulation.generator import PartonVeto
from msml.simulation.selections import Seen, Selected, Selection, event_selections
from msml.simulation.settings import EventRecipe
from msml.simulation.truth import Truth


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
    columns: tuple[str, ...] = ()
    veto: PartonVeto | None = None

    def __init__(self, cuts: JetCuts) -> None:
        self._cuts = cuts

    def worth(self, truth: Truth) -> Array:
        """Every event: jets may come from pile-up."""
        return np.ones(len(truth), bool)

    def select(self, seen: Seen) -> Selected:
        """Count the jets."""
        pt, eta = seen.jets.jets[..., 0], seen.jets.jets[..., 1]
        found = (pt > self._cuts.jet_pt_min) & (np.abs(eta) < self._cuts.jet_eta_max)
        return Selected(np.flatnonzero(found.sum(axis=1) >= self._cuts.least), {})


@event_selections.register("jets", cuts=JetCuts)
def some_jets(cuts: JetCuts, recipe: EventRecipe) -> Selection:
    """A number of jets, whatever they come from."""
    return SomeJets(cuts)
