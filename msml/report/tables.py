"""Tables of numbers as CSV, Markdown, LaTeX and HTML; errors beside their values."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

FORMATS = (".csv", ".md", ".tex")
_ERROR = " error"
_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{"±": r"$\pm$", "²": r"$^2$", "α": r"$\alpha$", "–": "--"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
}

Cells = tuple[list[str], list[list[str]]]


def text(table: "DataFrame", suffix: str) -> str:
    """Write a table in the format of a suffix of `FORMATS`."""
    if suffix == ".csv":
        return str(table.to_csv(index=False))
    return {".md": markdown, ".tex": latex}[suffix](table)


def cells(table: "DataFrame") -> Cells:
    """Headings and rows for people: an error goes into its value's cell."""
    names = list(table.columns)
    headings = [n for n in names if not (n.endswith(_ERROR) and n.removesuffix(_ERROR) in names)]
    rows = [[_cell(row, name) for name in headings] for row in table.to_dict("records")]
    return headings, rows


def markdown(table: "DataFrame") -> str:
    """Write a table in Markdown."""
    headings, rows = cells(table)
    lines = [headings, ["---"] * len(headings), *rows]
    quoted = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in quoted)


def latex(table: "DataFrame") -> str:
    """Write a table in LaTeX, with the rules of booktabs."""
    headings, rows = cells(table)
    lines = [rf"\begin{{tabular}}{{{'l' * len(headings)}}}", r"\toprule", _latex_row(headings)]
    lines += [r"\midrule", *map(_latex_row, rows), r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def html(table: "DataFrame") -> str:
    """Write a table in HTML."""
    headings, rows = cells(table)
    return html_table(headings, [[escape(cell) for cell in row] for row in rows])


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in HTML from cells that are HTML already."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>\n" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _latex_row(row: Sequence[str]) -> str:
    quoted = ("".join(_LATEX.get(c, c) for c in cell) for cell in row)
    return " & ".join(quoted) + r" \\"


def _cell(row: dict[Any, Any], name: str) -> str:
    """A value with its error."""
    from msml.tables import is_known, with_error

    value = row[name]
    if value is None or value != value:
        return ""
    error = row.get(f"{name}{_ERROR}")
    if is_known(error, value):
        return with_error({"value": float(value), "error": float(error)})
    return f"{value:.5g}" if isinstance(value, float) else str(value)
