"""Blocks of code of the documentation's pages, and how they are run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
LANGUAGES = ("sh", "python", "yaml", "text")
NOT_RUN = "Not run by the tests"
_FENCE = re.compile(r"^```(?P<language>\S*) ?(?P<info>.*)\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE)
_TITLE = re.compile(r'title="(?P<title>[^"]*)"')


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        page: The page's file.
        line: The line of its fence.
        language: What follows the fence: `sh` and `python` are run, `text` is output.
        title: What readers see above it: the file that it is, or why it is not run.
        text: The code.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def skipped(self) -> bool:
        """Whether it says that it is not run."""
        return self.title.startswith(NOT_RUN)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        title = _TITLE.search(found["info"])
        yield Block(page, line, found["language"], title["title"] if title else "", found["text"])


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def carry_out(block: Block, folder: Path) -> None:
    """Write a block's file, or run it; what fails is shown with its output."""
    if block.skipped or block.language == "text":
        return
    if block.language == "yaml" or block.title:
        (folder / block.title).write_text(block.text)
        return
    shell = ["bash", "-euo", "pipefail", "-c", block.text]
    command = shell if block.language == "sh" else [sys.executable, "-c", block.text]
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    found = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": os.pathsep.join(paths), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, f"{block}: exit code {found.returncode}\n{found.stderr}"
