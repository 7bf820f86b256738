"""Import of the challenge's files, and of files that are not quite like them."""

from pathlib import Path

import numpy as np
import pytest
from commands import run
from made_table import table

from msml.data.events import describe, read_blocks
from msml.errors import DataError, RecipeError
from msml.studies.higgsml import table as known


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def column(name, path="data/higgsml.h5"):
    return np.concatenate([block for _, block in read_blocks(Path(path), name, finite=False)])


def fails(made, words, kind=DataError, name="a.csv"):
    """The import ends with one line of these words, and leaves nothing."""
    made.to_csv(name, index=False)
    with pytest.raises(kind, match=words):
        run("import", "higgsml", name)
    assert not list(Path("data").glob("*"))


@pytest.mark.parametrize("name", ["official.csv", "official.csv.gz"])
def test_the_official_file(name):
    made = table(sets="tbvu")
    made.to_csv(name, index=False)
    shown = run("import", "higgsml", name)
    assert "KaggleSet 'b': 75 of 100,000 rows, weight sums not checked" in shown.stderr
    assert np.array_equal(column("label"), made["Label"] == "s")
    assert column("kaggle_set").tolist()[:5] == [0, 1, 2, 3, 0]
    assert column("kaggle_weight") == pytest.approx(made["KaggleWeight"].to_numpy(), rel=1e-6)
    jet = column("jet_subleading")
    assert np.array_equal(np.isnan(jet[:, 0]), made["PRI_jet_num"] < 2)
    assert not (jet == -999).any()
    assert describe(Path("data/higgsml.h5")).columns["met"].components == ("pt", "phi")


def test_files_of_kaggle():
    made = table(sets="t")
    training = made.drop(columns=["Weight", "KaggleSet", "KaggleWeight"])
    training.insert(31, "Weight", made["KaggleWeight"])
    training.to_csv("training.csv", index=False)
    run("import", "higgsml", "training.csv", "output=k.h5")
    assert column("kaggle_weight", "k.h5").sum() == pytest.approx(411_691.8356, rel=1e-5)
    training.drop(columns=["Weight", "Label"]).to_csv("test.csv", index=False)
    run("import", "higgsml", "test.csv", "output=t.h5")
    assert "label" not in describe(Path("t.h5")).columns
    with pytest.raises(RecipeError, match="files of different kinds: test and training"):
        run("import", "higgsml", "training.csv", "test.csv")


def test_what_is_no_such_file():
    with pytest.raises(DataError, match=r"a\.csv: no such file; the official file is record 328"):
        run("import", "higgsml", "a.csv")
    made = table()
    fails(made[[*made.columns[1::-1], *made.columns[2:]]], "column 1 is 'DER_mass_MMC', expected")
    fails(made.drop(columns="KaggleSet"), "column 34 is 'KaggleWeight', expected 'KaggleSet'")
    text = made.astype({"DER_mass_vis": object})
    text.loc[7, "DER_mass_vis"] = "heavy"
    fails(text, r"DER_mass_vis.*'heavy' in row 7", RecipeError)
    fails(made.replace({"KaggleSet": {"t": "x"}}), "kaggle_set.*'x'")
    made.to_csv("cut.csv", index=False)
    Path("cut.csv").write_bytes(Path("cut.csv").read_bytes()[:-60])
    with pytest.raises(DataError, match=r"cut\.csv: line 301 has \d+ values, expected 35"):
        run("import", "higgsml", "cut.csv")


@pytest.mark.parametrize("name", sorted(known._IDENTITIES))
def test_a_derived_feature_that_does_not_follow(name):
    made = table()
    row = int(np.flatnonzero(made["PRI_jet_num"] > 1)[3])
    made.loc[row, name] += 300
    fails(made, rf"row {row} \(from 0\), EventId {100_000 + row}: {name} is")
    made.loc[row, name] = -999
    fails(made, f"{name} is missing, but the momenta give")


def test_weights_that_are_wrong(monkeypatch):
    made = table()
    made.loc[5, "KaggleWeight"] *= 1.01
    fails(made, r"'t': row 5 \(from 0\): KaggleWeight is .* Weight, expected")
    monkeypatch.setattr(known, "ROWS", (300, 1, 1, 1))
    made = table()
    made["KaggleWeight"] *= 1.01
    fails(made, r"KaggleSet 't': KaggleWeight of label s sums to 698\.9085, expected 691\.9886")
    fails(table(301), "has 301 rows, expected 300")


def test_the_sign_of_the_centrality_may_differ_in_a_few_rows():
    made = table()
    made.loc[:1, "DER_met_phi_centrality"] *= -1
    made.to_csv("few.csv", index=False)
    run("import", "higgsml", "few.csv")
    Path("data/higgsml.h5").unlink()
    made.loc[:50, "DER_met_phi_centrality"] += 1
    fails(made, "DER_met_phi_centrality is not what the momenta give in 5. of 300 rows")
