"""Tables of numbers as CSV, Markdown and LaTeX; errors beside their values."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

FORMATS = (".csv", ".md", ".tex")
_ERROR, _SPREAD = " error", " spread"
_LATEX = {"±": r"$\pm$", "²": r"$^2$", "α": r"$\alpha$", "–": "--"}

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
    from pandas import DataFrame

    headings, rows = cells(table)
    plain = DataFrame(rows, columns=headings).to_latex(index=False, escape=True)
    return "".join(_LATEX.get(letter, letter) for letter in plain)


def _cell(row: dict[Any, Any], name: str) -> str:
    """A value with its error."""
    from msml.tables import is_known, with_error

    value = row[name]
    if value is None or value != value:
        return ""
    error = row.get(f"{name}{_ERROR}")
    if is_known(error, value):
        return with_error({"value": float(value), "error": float(error)})
    digits = 2 if name.endswith(_SPREAD) else 5
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
