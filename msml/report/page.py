"""One HTML page that needs no other file: what was run, what is missing, figures, tables."""

import base64
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from msml import __version__
from msml.errors import DataError
from msml.report.tables import html_table
from msml.runs import layout
from msml.runs.directory import read_json
from msml.runs.manifest import total_seconds
from msml.tables import duration, threads

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
figcaption { color: #444; font-size: .9rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .15rem .7rem .15rem 0; border-bottom: 1px solid #ddd;
  white-space: nowrap; }
.facts td { white-space: normal; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .missing { border-left: 4px solid #d55e00; padding-left: 1rem; }
pre { font-size: .8rem; overflow-x: auto; } summary { cursor: pointer; }
"""
_MOST_LINES = 200


@dataclass(frozen=True)
class Section:
    """A figure on the page.

    Attributes:
        name: Its name, which is its anchor.
        title: Its heading.
        caption: What it shows.
        picture: A PNG file.
        table: Its numbers in HTML; may be empty.
        files: Files beside the page.
    """

    name: str
    title: str
    caption: str
    picture: Path
    table: str
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
    """

    name: str
    runs: tuple[Path, ...]
    points: int
    missing: tuple[str, ...]
    undrawn: Mapping[str, str]


def page(about: About, sections: Sequence[Section], folder: Path) -> str:
    """Compose the page that will lie in a folder."""
    manifests = [_manifest(run) for run in about.runs]
    parts = [
        f"<h1>{escape(about.name)}</h1>",
        _facts(about, manifests),
        _missing(about),
        *(_section(section, folder) for section in sections),
        _runs(about.runs, manifests, folder),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(about.name)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _facts(about: About, manifests: Sequence[Mapping[str, Any]]) -> str:
    """What was run, on what, how long, and from which commit."""
    sessions = [session for manifest in manifests for session in manifest.get("sessions", [])]
    rows = {
        "Runs": f"{len(about.runs)} of {about.points} begun",
        "Events": _listed(_data(manifest) for manifest in manifests),
        "Commit": _listed(_commit(session.get("git")) for session in sessions),
        "Versions": _listed(_versions(session) for session in sessions),
        "Machine": _listed(_machine(manifest) for manifest in manifests),
        "Time of all processes": duration(sum(map(total_seconds, manifests))),
        "Worked on": _between([s["began"] for s in sessions if s.get("began")]),
        "Report": f"msml {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    if not manifests:
        rows = {"Report": rows["Report"]}
    body = [[escape(name), escape(value)] for name, value in rows.items() if value]
    return f'<div class="facts">{html_table(("", ""), body)}</div>'


def _missing(about: About) -> str:
    """What is not there."""
    if not about.missing and not about.undrawn:
        return ""
    lines = [f"<li>{escape(n)}: {escape(why)}</li>" for n, why in about.undrawn.items()]
    units = sum(not line.startswith(" ") for line in about.missing)
    text = "\n".join(about.missing[:_MOST_LINES])
    if len(about.missing) > _MOST_LINES:
        text += f"\n... and {len(about.missing) - _MOST_LINES} lines more"
    details = f"<details><summary>{units} units</summary><pre>{escape(text)}</pre></details>"
    return (
        f'<div class="missing"><h2>Missing</h2><ul>{"".join(lines)}</ul>'
        f"{details if units else ''}</div>"
    )


def _section(section: Section, folder: Path) -> str:
    """A heading, a picture with its caption, links and numbers."""
    picture = base64.b64encode(section.picture.read_bytes()).decode()
    links = ", ".join(_link(file, folder, file.name) for file in section.files)
    table = ""
    if section.table:
        table = f"<details><summary>Numbers</summary>{section.table}</details>"
    return (
        f'<h2 id="{escape(section.name)}">{escape(section.title)}</h2>\n'
        f'<figure><img alt="{escape(section.title)}" src="data:image/png;base64,{picture}">'
        f"<figcaption>{escape(section.caption)} {links}</figcaption></figure>\n{table}"
    )


def _runs(runs: Sequence[Path], manifests: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """All runs with links to their directories."""
    if not runs:
        return ""
    rows = []
    for run, manifest in zip(runs, manifests, strict=True):
        sessions = manifest.get("sessions", [])
        seconds = total_seconds(manifest)
        git = sessions[-1].get("git") if sessions else None
        parts = [_link(run, folder, run.name), escape(duration(seconds)), escape(_commit(git))]
        parts.append(_link(layout.recipe(run), folder, "recipe"))
        evaluated = layout.evaluation(run) / layout.RESULT
        parts.append(_link(evaluated, folder, "metrics") if evaluated.exists() else "not evaluated")
        rows.append(parts)
    table = html_table(("run", "time", "commit", "recipe", "result"), rows)
    return f"<h2>Runs</h2><details><summary>{len(runs)} runs</summary>{table}</details>"


def _link(path: Path, folder: Path, text: str) -> str:
    address = os.path.relpath(path, folder)
    quoted = "/".join(_quoted(part) for part in Path(address).parts)
    return f'<a href="{escape(quoted)}">{escape(text)}</a>'


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part)


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


def _manifest(run: Path) -> dict[str, Any]:
    try:
        return dict(read_json(layout.manifest(run)))
    except DataError:
        return {}
