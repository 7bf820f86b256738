"""The numbers of figures as CSV, Markdown and LaTeX."""

import io

import pandas as pd
import pytest

from msml.report.tables import FORMATS, cells, latex, markdown, text

TABLE = pd.DataFrame(
    {
        "pair": ["cnn+lstm", "a_b|<c>"],
        "auc": [0.94512, 0.9],
        "auc error": [0.0021, float("nan")],
        "runs": [20, 1],
        "note error": ["x", None],
    }
)


def test_errors_go_beside_their_values():
    headings, rows = cells(TABLE)
    assert headings == ["pair", "auc", "runs", "note error"]
    assert rows == [["cnn+lstm", "0.9451 ± 0.0021", "20", "x"], ["a_b|<c>", "0.9", "1", ""]]


def test_rounding_is_no_error():
    table = pd.DataFrame({"a": [25.199999999999996], "a error": [1.8e-15]})
    assert cells(table)[1] == [["25.2"]]


def test_csv_keeps_all_digits_and_columns():
    back = pd.read_csv(io.StringIO(text(TABLE, ".csv")))
    assert list(back.columns) == list(TABLE.columns)
    assert back["auc"].tolist() == [0.94512, 0.9]


def test_markdown():
    lines = markdown(TABLE).splitlines()
    assert lines[:2] == ["| pair | auc | runs | note error |", "| --- | --- | --- | --- |"]
    assert lines[3] == "| a_b\\|<c> | 0.9 | 1 |  |"


def test_latex_is_quoted():
    lines = latex(TABLE).splitlines()
    assert lines[0] == r"\begin{tabular}{llll}"
    assert lines[4] == r"cnn+lstm & 0.9451 $\pm$ 0.0021 & 20 & x \\"
    assert lines[5] == r"a\_b|<c> & 0.9 & 1 &  \\"


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_without_rows(suffix):
    assert "auc" in text(TABLE.iloc[:0], suffix)
