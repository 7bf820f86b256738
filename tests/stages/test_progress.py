"""Progress of training, on a terminal and elsewhere."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from msml.stages import progress
from msml.stages.progress import EpochDisplay, broken


def facts(epoch):
    valid = {"tau_momentum": 0.5 / epoch, "higgs_id": 0.25 / epoch, "total": 0.75 / epoch}
    about = {"epoch": epoch, "epochs": 100, "train": valid, "valid": valid}
    return about | {"best": 0.75 / epoch, "best_epoch": epoch, "patience_left": 10}


def screen(text, width):
    """What a terminal shows after this, and whether its cursor is visible."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[?\d]*[a-zA-Z]|[^\x1b]", text):
        if token == "\x1b[2K":
            lines[row] = ""
        elif token == "\x1b[1A":
            row = max(0, row - 1)
        elif token == "\r":
            column = 0
        elif len(token) == 1:
            if token == "\n" or column == width:
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            if token != "\n":
                lines[row] = lines[row].ljust(column)[:column] + token + lines[row][column + 1 :]
                column += 1
    return [line for line in lines if line], text.rfind("\x1b[?25h") >= text.rfind("\x1b[?25l")


def terminal(width):
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)


@pytest.fixture(autouse=True)
def _every_frame(monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_FRAMES", 0.0)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize("width", [40, 80, 100, 300])
def test_the_line_changes_in_place_and_goes(width):
    console = terminal(width)
    with EpochDisplay(console) as display:
        for epoch in range(1, 6):
            display.epoch("posttrain/cnn+lstm/joint", facts(epoch))
        shown, visible = screen(console.file.getvalue(), width)
        assert not visible
        assert " ".join(shown).startswith("posttrain/cnn+lstm/joint: epoch 5/100, valid tau_")
        assert all(len(line) <= width for line in shown)
        assert "epoch 4" not in " ".join(shown)
        display.done("posttrain cnn+lstm joint: valid losses 0.1")
        display.epoch("other", facts(1))
        display.done("other: 1")
        assert screen(console.file.getvalue(), 1000)[0] == [
            "posttrain cnn+lstm joint: valid losses 0.1",
            "other: 1",
        ]
        display.epoch("third", facts(1))
    assert screen(console.file.getvalue(), 1000) == (
        ["posttrain cnn+lstm joint: valid losses 0.1", "other: 1"],
        True,
    )


def test_a_stop_leaves_nothing_and_gives_the_cursor_back():
    console = terminal(80)
    display = EpochDisplay(console)

    def stopped():
        with display:
            display.epoch("joint", facts(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert screen(console.file.getvalue(), 80) == ([], True)


def test_fast_epochs_are_not_all_drawn(monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_FRAMES", 1e9)
    console = terminal(200)
    with EpochDisplay(console) as display:
        for key in ("a", "b"):
            for epoch in range(1, 20):
                display.epoch(key, facts(epoch))
    assert console.file.getvalue().count("epoch") <= 4  # the last is drawn once more, to erase it


@pytest.mark.parametrize("dumb", [False, True])
def test_plain_lines_now_and_then(monkeypatch, dumb):
    if dumb:
        monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    console = Console(file=io.StringIO(), width=40, force_terminal=dumb)
    with EpochDisplay(console) as display:
        display.epoch("joint", facts(1))
        monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 1e9)
        display.epoch("joint", facts(2))
        display.done("joint: done")
    first, last = console.file.getvalue().splitlines()
    assert first.startswith("joint: epoch 1/100, valid tau_momentum 0.50000")
    assert last == "joint: done"


@given(st.lists(st.text("ab 0.", min_size=1).map(str.strip).filter(bool)), st.integers(1, 50))
def test_lines_break_after_commas(parts, width):
    line = ", ".join(" ".join(part.split()) for part in parts)
    lines = broken(line, width).splitlines()
    assert all(len(each) <= width for each in lines)
    if all(len(part) < width for part in line.split(", ")):
        assert " ".join(lines) == line
        assert all(each.endswith(",") for each in lines[:-1])
