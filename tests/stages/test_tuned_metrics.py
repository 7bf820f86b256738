"""A metric whose cut is chosen on valid, and used on test."""

import json
import shutil

import h5py
import numpy as np
import pytest
from process import msml
from tiny import runs

from msml.metrics.significance import ams, choose_cut

pytestmark = pytest.mark.xdist_group("stages")


def test_the_cut_is_chosen_on_valid(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "copy")
    folder = tmp_path / "copy"
    known = set(runs(folder))
    given = ["tasks.higgs.metrics=[auc,ams(least=0.1),ams(cut=0.5)]", "posttrain.modes=[connected]"]
    shown = msml(folder, "run", "tiny.yaml", *given)
    (run,) = set(runs(folder)) - known
    (record,) = json.loads((run / "evaluate" / "metrics.json").read_text())
    ((name, tuned),) = record["tuned"].items()
    assert name == "higgs/ams(least=0.1)"
    assert f"{name} at cut {tuned['cut']:.4g}, chosen on valid" in shown.output
    with h5py.File(next(run.rglob("predictions.h5"))) as file:
        label, logit = (np.asarray(file[f"higgs/{part}"]) for part in ("target", "prediction"))
        rows = np.asarray(file["event"])
    with h5py.File(folder / "events.h5") as file:
        yields = np.asarray(file["weight"])[rows]  # as the file has them
    found = {name: each["value"] for name, each in record["metrics"]["higgs"].items()}
    assert found["ams(cut=0.5)"] == pytest.approx(ams(label, logit, yields, cut=0.5))
    assert found["ams(least=0.1)"] == pytest.approx(ams(label, logit, yields, cut=tuned["cut"]))
    assert tuned != choose_cut(label, logit, yields, least=0.1)  # it is not that of test
