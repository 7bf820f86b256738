"""One HTML page that needs no other file: what was run, what is missing, figures, tables."""

import base64
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msml import __version__
from msml.report.tables import Cells
from msml.runs import layout
from msml.runs.directory import read_json_if_there
from msml.runs.manifest import total_seconds
from msml.tables import duration, threads

_MOST_LINES = 200


@dataclass(frozen=True)
class Section:
    """A figure on the page.

    Attributes:
        name: Its name, which is its anchor.
        title: Its heading.
        caption: What it shows.
        picture: A PNG file.
        table: Its numbers, headings and rows, where it has any.
        files: Files beside the page.
    """

    name: str
    title: str
    caption: str
    picture: Path
    table: Cells | None
    files: tuple[Path, ...]


@dataclass(frozen=True)
class About:
    """What the page says besides figures.

    Attributes:
        name: What the report is of.
        runs: The runs.
        points: How many runs there should be.
        missing: What is missing, in lines.
        undrawn: Figures that could not be drawn, and why.
        evaluations: Folder of each run's evaluation.
    """

    name: str
    runs: tuple[Path, ...]
    points: int
    missing: tuple[str, ...]
    undrawn: Mapping[str, str]
    evaluations: tuple[Path, ...] = ()


def page(about: About, sections: Sequence[Section], folder: Path) -> str:
    """Compose the page that will lie in a folder."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["encoded"] = lambda path: base64.b64encode(path.read_bytes()).decode()
    environment.filters["address"] = lambda path: quote(os.path.relpath(path, folder))
    manifests = [read_json_if_there(layout.manifest(run)) or {} for run in about.runs]
    return environment.get_template("page.html.jinja").render(
        name=about.name,
        facts=_facts(about, manifests),
        missing=about.missing,
        units=sum(not line.startswith(" ") for line in about.missing),
        most_lines=_MOST_LINES,
        undrawn=about.undrawn,
        sections=sections,
        runs=[_run(*each) for each in zip(about.runs, manifests, about.evaluations, strict=True)],
    )


def _facts(about: About, manifests: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What was run, on what, how long, and from which commit."""
    report = {"Report": f"msml {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
    if not manifests:
        return report
    sessions = [session for manifest in manifests for session in manifest.get("sessions", [])]
    facts = {
        "Runs": f"{len(about.runs)} of {about.points} begun",
        "Events": _listed(_data(manifest) for manifest in manifests),
        "Commit": _listed(_commit(session.get("git")) for session in sessions),
        "Versions": _listed(_versions(session) for session in sessions),
        "Machine": _listed(_machine(manifest) for manifest in manifests),
        "Time of all processes": duration(sum(map(total_seconds, manifests))),
        "Worked on": _between([s["began"] for s in sessions if s.get("began")]),
    }
    return {name: value for name, value in facts.items() if value} | report


def _run(directory: Path, manifest: Mapping[str, Any], evaluation: Path) -> dict[str, Any]:
    """A run's line in the table of all runs."""
    sessions = manifest.get("sessions", [])
    return {
        "directory": directory,
        "time": duration(total_seconds(manifest)),
        "commit": _commit(sessions[-1].get("git") if sessions else None),
        "recipe": layout.recipe(directory),
        "result": evaluation / layout.RESULT,
    }


def _listed(values: Any) -> str:
    """The different values, commonest first, each with how often it is there."""
    counts = Counter(value for value in values if value)
    if len(counts) == 1:
        return str(next(iter(counts)))
    return "; ".join(f"{value} ({count})" for value, count in counts.most_common())


def _data(manifest: Mapping[str, Any]) -> str:
    data = manifest.get("data", {})
    return f"{', '.join(data['files'])}, SHA-256 {data['sha256'][:12]}" if data else ""


def _commit(git: Mapping[str, Any] | None) -> str:
    if not git:
        return ""
    return str(git["commit"])[:12] + (" with changes" if git["dirty"] else "")


def _versions(session: Mapping[str, Any]) -> str:
    names = ("msml", "python", "tensorflow", "keras", "numpy")
    found = session.get("versions", {})
    return ", ".join(f"{name} {found[name]}" for name in names if name in found)


def _machine(manifest: Mapping[str, Any]) -> str:
    environment = manifest.get("environment", {})
    devices = ", ".join(map(str, environment.get("devices", [])))
    number = environment.get("threads")
    parts = [str(manifest.get("machine", "")), devices, threads(number) if number else ""]
    return ", ".join(part for part in [*parts, str(manifest.get("precision", ""))] if part)


def _between(times: Sequence[float]) -> str:
    if not times:
        return ""
    first, last = (f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d}" for t in (min(times), max(times)))
    return first if first == last else f"{first} to {last}"
