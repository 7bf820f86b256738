"""Every block of code of the documentation runs, page by page, as a reader would copy it."""

import re
import shlex
import shutil

import click
import pytest
from fenced import LANGUAGES, PAGES, ROOT, blocks, carry_out, prose

from msml.cli import cli
from msml.recipe.files import find

STUDIES = tuple(f"scripts/studies/{name}/README.md" for name in ("darts_errors", "darts_robust"))
OTHERS = ("README.md", "CONTRIBUTING.md", *STUDIES)
ALL = [*PAGES, *(ROOT / name for name in OTHERS)]
BLOCKS = [block for page in ALL for block in blocks(page)]


@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_say_what_they_are(page):
    for block in blocks(page):
        assert block.language in LANGUAGES, block
        assert block.language != "yaml" or block.title, f"{block}: which file is it?"
    # A list goes on after an empty line, too; a paragraph does not.
    indented = re.compile(r"\n\n(?! *[-*\d]).*[^\n]\n\n {4}(?! *[-*])\S")
    assert not indented.search("\n\n" + prose(page)), "code without a fence is not run"


def test_few_blocks_are_not_run():
    commands = [block for block in BLOCKS if block.language in ("sh", "python")]
    skipped = [block for block in commands if block.skipped]
    assert len(skipped) < len(commands) / 2


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.skipped and b.language == "sh"], ids=str)
def test_commands_that_are_not_run_are_such_as_msml_takes(block):
    joined = block.text.replace("\\\n", " ")
    for words in (shlex.split(line, comments=True) for line in joined.splitlines()):
        if "msml" in words[:1]:
            name, *arguments = words[1:]
            command = cli.get_command(click.Context(cli), name)
            assert command is not None, f"{block}: no command {name}"
            command.make_context(name, arguments)
            recipes = [word for word in arguments if re.fullmatch(r"recipes/[\w/]+\.yaml", word)]
            assert all(map(find, recipes)), f"{block}: {recipes}"


@pytest.mark.slow
@pytest.mark.parametrize("page", ALL, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(page, tmp_path):
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (tmp_path / "data").mkdir()
    for sample in ("htautau_sample.h5", "tau_id_sample.h5"):
        shutil.copy(ROOT / "data" / sample, tmp_path / "data")
    for block in blocks(page):
        carry_out(block, tmp_path)
