"""The `msml` command: reads a recipe, calls one library function, prints.

TensorFlow, Pythia and matplotlib are imported by the commands that need them, when they run.
"""

import sys

import click

from msml import __version__
from msml.cli.completion import VARIABLE, completion
from msml.cli.doctor import doctor
from msml.cli.events import generate, inspect
from msml.cli.export import export
from msml.cli.imports import import_
from msml.cli.output import lasting
from msml.cli.predict import predict
from msml.cli.recipes import cp, init, ls, show, validate
from msml.cli.report import check, report
from msml.cli.stages import evaluate, grid, lr_range, posttrain, pretrain, replicas, run, search
from msml.cli.status import status
from msml.cli.sweep import collect, compare, plan, run_unit, sweep
from msml.errors import MsmlError, shortened


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="msml")
def cli() -> None:
    """Multi-step machine learning with model selection for high-energy physics.

    Each command's --help has an example and the exit codes it can end with.

    \b
    Example:
      msml run recipes/quick.yaml
    """


for command in (
    *(generate, import_, inspect),
    *(init, validate, show, cp, ls),
    *(pretrain, search, grid, posttrain, evaluate, run, replicas, lr_range, predict, export),
    *(sweep, plan, run_unit, collect, compare),
    *(report, check),
    *(status, doctor, completion),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; a user's mistake becomes one line and an exit code."""
    sys.stdout, sys.stderr = map(lasting, (sys.stdout, sys.stderr))
    try:
        # It returns the code of an `Exit`.
        sys.exit(cli(standalone_mode=False, complete_var=VARIABLE))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except MsmlError as error:
        for problem in str(error).splitlines():
            click.echo(f"msml: {shortened(problem)}", err=True)
        sys.exit(error.exit_code)
