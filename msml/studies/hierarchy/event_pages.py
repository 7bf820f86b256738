"""What `msml inspect` shows of events with jets and their constituents."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from msml.data.events import describe, read
from msml.data.kinematics import Array
from msml.plotting import check_suffix, save, style
from msml.registry import event_pages
from msml.report.event_pages import print_summary
from msml.report.inspection import FileSummary, summarise
from msml.report.inspection_page import MOST_EVENTS, Kinds, Panel, compose

_CLASSES = Kinds(("class 0", "class 1"))
_JETS = Kinds(("other jets", "taus"), first=2)
_COLUMNS = ("all_jets", "all_jets_real", "all_jets_tau", "constituents", "constituents_real")
_LABEL = "label"


def draw_page(path: Path, output: Path) -> None:
    """Draw multiplicities, jets and constituents, by the event's class or the jet's label.

    Raises:
        DataError: As `msml.data.events.read`; also if the page cannot be written.
        RecipeError: On an unknown suffix.
    """
    check_suffix(output)
    file = describe(path)
    wanted = [*_COLUMNS, *({_LABEL} & set(file.columns))]
    total = file.events
    shown = slice(None, None, max(1, -(-total // MOST_EVENTS)))
    columns = read(path, wanted, shown)
    drawn = len(columns["all_jets"])
    title = f"{path.name}: {total:,} events" + (f", {drawn:,} drawn" if drawn < total else "")
    with style():
        save(compose(title, list(_panels(columns))), output)


def _panels(columns: dict[str, Array]) -> Iterator[Panel]:
    real, present = columns["all_jets_real"], columns["constituents_real"]
    tau = columns["all_jets_tau"] == 1
    classes = (columns[_LABEL].astype(int), _CLASSES) if _LABEL in columns else ()
    yield Panel("jets of an event", real.sum(axis=1), *classes)
    yield Panel("taus among them", (tau & real).sum(axis=1), *classes)
    of_jet = tau[real].astype(int)
    yield Panel("constituents of a jet", present[real].sum(axis=1), of_jet, _JETS)
    pt, eta, _, mass = np.moveaxis(columns["all_jets"][real], -1, 0)
    shown = ("log10 of jet pt [GeV]", np.log10(pt)), ("jet eta", eta), ("jet m [GeV]", mass)
    for title, values in shown:
        yield Panel(title, values, of_jet, _JETS)
    owner = np.broadcast_to(tau[..., None], present.shape)[present].astype(int)
    member_pt, delta_eta, delta_phi = np.moveaxis(columns["constituents"][present], -1, 0)
    yield Panel("log10 of constituent pt [GeV]", np.log10(member_pt), owner, _JETS)
    yield Panel("distance of constituent and jet", np.hypot(delta_eta, delta_phi), owner, _JETS)
    leading = columns["constituents"][..., 0][..., 0][real] / pt
    yield Panel("pt of the leading one over the jet's", leading, of_jet, _JETS)


@event_pages.register("jets", columns=_COLUMNS, show=print_summary, draw=draw_page)
def jets(path: Path) -> FileSummary:
    """Jets with constituents, and which of them are taus."""
    return summarise(path)
