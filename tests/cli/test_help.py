"""The help of each command: an example that can be run, and the exit codes."""

import shlex

import pytest
from click.testing import CliRunner

from msml.catalogue import items
from msml.cli import cli
from msml.errors import MsmlError
from msml.recipe import load
from msml.recipe.schema import TrainRecipe

COMMANDS = sorted(cli.commands)
ONE_RUN = ("pretrain", "search", "grid", "posttrain", "evaluate", "run", "validate", "show")


def help_of(name):
    return CliRunner().invoke(cli, [name, "--help"], prog_name="msml").stdout


def examples(name):
    """The arguments of each example, after the command's name."""
    lines = (line.strip() for line in help_of(name).splitlines())
    found = [shlex.split(line) for line in lines if line.startswith("msml ")]
    return [words[2:] for words in found if words[1] == name]


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_parse(name):
    command = cli.commands[name]
    assert examples(name)
    for words in examples(name):
        with command.make_context(name, list(words), cli.make_context("msml", [name])):
            pass
        shipped = {f"recipes/{item.name}" for item in items("recipes")}
        named = [word for word in words if word.startswith("recipes/")]
        assert set(named) <= shipped


@pytest.mark.parametrize("name", ONE_RUN)
def test_examples_override_what_there_is(name):
    for words in examples(name):
        if words[0].startswith("recipes/"):
            load(words[0], TrainRecipe, [word for word in words[1:] if "=" in word])


@pytest.mark.parametrize("name", COMMANDS)
def test_exit_codes_are_listed(name):
    _, _, listed = help_of(name).partition("\nExit codes:\n")
    codes = [int(line.split()[0]) for line in listed.splitlines() if line.strip()[:1].isdigit()]
    assert codes == sorted(codes)
    known = {error.exit_code for error in MsmlError.__subclasses__()}
    assert {0, 1, 2} <= set(codes) <= {0, 1, *known, 130}


def test_an_exit_code_says_what_its_error_does():
    text = " ".join(help_of("run").split())
    assert "4 A loss is not finite any more." in text
    assert "85 Stopped on request after saving; the same command continues." in text
    assert "  4 " not in help_of("collect")
