"""Figures of an evaluation that show momenta of taus."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msml.registry import evaluation_figures
from msml.runs import layout
from msml.stages.measured import Measured, TestEvents, best_chains
from msml.studies.htautau.figures.measured import tau_events
from msml.studies.htautau.figures.momentum import draw_mass, draw_response
from msml.studies.htautau.figures.validity import draw_bands, draw_calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CHAINS = 10


@evaluation_figures.register("tau_momenta")
def tau_momenta(
    events: TestEvents, measured: Sequence[Measured]
) -> "dict[str, Callable[[], Figure]]":
    """Masses, response and validity of each of the best chains, in all its modes."""
    planned: dict[str, Callable[[], Figure]] = {}
    taus = tau_events(events)
    if taus is None:
        return planned
    if taus.judged is not None:
        planned["validity"] = partial(draw_calibration, taus)
    for top in best_chains(measured, _MOST_CHAINS):
        same = [m for m in measured if m.chain == top.chain]
        planned[f"{layout.part(top.chain)}/response"] = partial(draw_response, taus, same)
        if taus.label is not None:
            planned[f"{layout.part(top.chain)}/mass"] = partial(draw_mass, taus, same)
        if taus.judged is not None:
            planned[f"{layout.part(top.chain)}/validity"] = partial(draw_bands, taus, same)
    return planned
