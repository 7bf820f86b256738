"""A schema with one of everything a recipe schema may hold."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from msml.errors import RecipeError
from msml.recipe import load


@dataclass
class Process:
    events: int
    weight: float = 1.0
    pythia: dict[str, Any] = field(default_factory=dict)


@dataclass
class Detector:
    efficiency: float = 0.9
    smear: bool = True
    edges: list[float] = field(default_factory=list)
    cells: list[list[int]] = field(default_factory=list)
    label: str = "atlas"


@dataclass
class Cut:
    column: str
    above: float | None = None


@dataclass
class Events:
    name: str
    processes: dict[str, Process]
    seed: int = 1
    detector: Detector = field(default_factory=Detector)
    trigger: Detector | None = None
    cuts: list[Cut] = field(default_factory=list)
    share: float | str = "remainder"
    scales: dict[str, float] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    extra: Any = None


def write(text: str, name: str = "r.yaml") -> Path:
    """Write a recipe into the working directory (a test's own)."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: str | Path, *overrides: str) -> list[str]:
    """Load a recipe that must fail and return its problem lines."""
    with pytest.raises(RecipeError) as caught:
        load(path, Events, list(overrides))
    assert caught.value.exit_code == 2
    assert all(len(problem.splitlines()) == 1 for problem in caught.value.problems)
    return caught.value.problems
