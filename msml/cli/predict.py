"""The command that applies a run to other events."""

from pathlib import Path

import click

from msml.cli.command import command
from msml.cli.options import PATH
from msml.errors import DataError, IncompleteError, RecipeError, StoppedError
from msml.signals import stop_on_signals


@command(DataError, IncompleteError, StoppedError)
@click.argument("run", type=PATH)
@click.argument("events", type=PATH, nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, metavar="FILE", help=".h5, .root, .parquet, .csv.")
@click.option("--keep", metavar="NAMES", default="", help="Columns of the events to copy: a,b.")
@click.option("--chain", metavar="NAMES", help="Candidates a+b; those chosen by default.")
@click.option("--mode", metavar="MODE", help="How they were trained; by default the last mode.")
@click.option(
    "--columns", metavar="RECIPE", help="Of `msml import table`: what tables' columns are."
)
@click.option("--tree", metavar="NAME", help="ROOT: the tree with the events.")
@click.option("--format", "kind", metavar="NAME", help="By suffix; see `msml ls formats`.")
@click.option("--in-place", is_flag=True, help="ROOT: add branches to the tree itself.")
def predict(
    run: Path,
    events: tuple[Path, ...],
    output: Path | None,
    keep: str,
    chain: str | None,
    mode: str | None,
    columns: str | None,
    tree: str | None,
    kind: str | None,
    in_place: bool,
) -> None:
    """Apply the result of a run, its folder RUN, to EVENTS: HDF5, ROOT, Parquet, CSV.

    Tables are read as in the import of the training; else branches have the names of columns, or of
    columns and components (jets_pt). Truth and weights need not be there. All events are kept, in
    their order: a ROOT file can be a friend of the events' tree.

    \b
    Examples:
      msml predict runs/mine/seed=0-1a2b3c4d new.h5 -o predictions.h5
      msml predict runs/mine/seed=0-1a2b3c4d data_*.root -o friend.root --keep run,event
      msml predict runs/higgsml/seed=0-1a2b3c4d test.csv -o submission.csv --format higgsml
    """
    if (output is None) != in_place:
        raise RecipeError("expected either -o FILE or --in-place")
    with stop_on_signals("stopped, and nothing written; run the same command again"):
        from msml.stages.prediction.predict import Wish
        from msml.stages.prediction.predict import predict as work

        names = tuple(filter(None, (name.strip() for name in keep.split(","))))
        found = work(run, events, output, Wish(chain, mode, names, columns, tree, kind))
    click.echo(f"{output or events[0]}: {', '.join(found)}")
