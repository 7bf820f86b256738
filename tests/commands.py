"""Commands of `msml` in the process of a test."""

from click.testing import CliRunner, Result

from msml.cli import cli


def run(*arguments: str) -> Result:
    """Carry out a command; what it raises is raised here."""
    result = CliRunner().invoke(cli, arguments)
    if result.exception:
        raise result.exception
    return result
