"""A part of the small Fig. 2 by the real commands: do the statements about it still hold?"""

import json
import os
import subprocess
import sys

import pytest

# Of the nine pairs the one that gains most; 8,000 of the 20,000 events.
PART = (
    *("paper/small/fig2.yaml", "data.events=8000", "evaluate.validity=null"),
    *("chain.tau_momentum=[cnn]", "chain.higgs_id=[mlp]"),
)


@pytest.mark.xdist_group("figure")
def test_reoptimisation_gains(tmp_path):
    def msml(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "msml", *arguments],
            cwd=tmp_path,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    msml("sweep", *PART)
    page = msml("report", *PART).removeprefix("written: ").split(" and ")[0]
    assert (tmp_path / page).with_name("fig2.png").stat().st_size > 10_000
    found = {each["name"]: each for each in json.loads(msml("check", "--json", *PART))}
    assert {"no_pair_loses", "cnn_gains"} <= set(found)
    for name in ("no_pair_loses", "cnn_gains"):
        assert found[name]["verdict"] in ("holds", "undecided")
        [number] = found[name]["numbers"]
        assert number["freedom"] == 3
        assert 0 < number["value"] < 0.1
