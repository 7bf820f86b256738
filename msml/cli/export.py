"""The command that writes a chain as a Keras model and an ONNX file."""

from pathlib import Path

import click

from msml.cli.command import command
from msml.cli.options import PATH
from msml.errors import DataError, DisagreementError, IncompleteError, RecipeError, StoppedError
from msml.signals import stop_on_signals


@command(DataError, DisagreementError, IncompleteError, StoppedError)
@click.argument(
    "arguments", type=PATH, nargs=-1, required=True, metavar="RUN | --check FOLDER EVENTS..."
)
@click.option("-o", "--output", type=PATH, metavar="FOLDER", help="What is made.")
@click.option("--chain", metavar="NAMES", help="Candidates a+b; those chosen by default.")
@click.option("--mode", metavar="MODE", help="How they were trained; by default the last mode.")
@click.option("--check", is_flag=True, help="Compare the files of FOLDER on EVENTS; write nothing.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1e-3),
    help="Largest difference, of 1 and an output's spread; 1e-6, or that of the export.",
)
@click.option("--columns", metavar="RECIPE", help="Of the check: as of `msml predict`.")
@click.option("--tree", metavar="NAME", help="Of the check: the tree with the events.")
@click.option(
    "--plugin", "plugins", type=PATH, multiple=True, help="Of the check: FILE with layers."
)
def export(
    arguments: tuple[Path, ...],
    output: Path | None,
    chain: str | None,
    mode: str | None,
    check: bool,
    tolerance: float | None,
    columns: str | None,
    tree: str | None,
    plugins: tuple[Path, ...],
) -> None:
    """Write the result of a run, its folder RUN, as one Keras model and one ONNX file.

    Both see the columns of event files, in physical units, and give what `msml predict` writes, by
    the same names, in float32. FOLDER gets chain.keras, chain.onnx and chain.json, which says what
    the inputs and outputs are. It appears only if ONNX Runtime and Keras agree on events of test:
    each number within 1e-6 of 1 and its spread. With --check that is done again, on any events. A
    chain that makes much of the last digits of float32 may need a larger --tolerance.

    \b
    Examples:
      msml export runs/mine/seed=0-1a2b3c4d -o chain
      msml export --check chain new.root
    """
    of_check = columns is not None or tree is not None or plugins
    if check and (len(arguments) < 2 or output is not None or chain or mode):
        raise RecipeError("--check: expected FOLDER EVENTS..., and neither -o, --chain nor --mode")
    if not check and (len(arguments) > 1 or output is None or of_check):
        raise RecipeError("expected RUN -o FOLDER, or --check FOLDER EVENTS...")
    with stop_on_signals("stopped, and nothing written; run the same command again"):
        from msml.stages.export import files as stage

        if output is None:
            folder, *events = arguments
            found = stage.check(folder, events, columns, tree, plugins, tolerance)
        else:
            folder = output
            found = stage.export(arguments[0], output, chain, mode, tolerance)
    click.echo(f"{folder}: {', '.join(found.inputs)} -> {', '.join(found.outputs)}")
    compared = f"Keras and ONNX Runtime agree on {found.events} events"
    click.echo(f"{compared} to {found.worst.difference:.1g} of 1 and the spread")
    if found.seconds:
        one, many = (1e3 * each for each in found.seconds)
        click.echo(f"ONNX Runtime takes {one:.2g} ms for an event, {many:.2g} ms for 1,000")
