"""A part of the small Fig. 2 by the real commands: do the statements about it still hold?"""

import json

import pytest
from sweeping import msml

# Of the nine pairs the one that gains most; 8,000 of the 20,000 events.
PART = (
    *("paper/small/fig2.yaml", "data.events=8000", "evaluate.validity=null"),
    *("chain.tau_momentum=[cnn]", "chain.higgs_id=[mlp]"),
)


@pytest.mark.slow
def test_reoptimisation_gains(tmp_path):
    msml(tmp_path, 0, "sweep", *PART)
    written, _ = msml(tmp_path, 0, "report", *PART)
    page = written.removeprefix("written: ").split(" and ")[0]
    assert (tmp_path / page).with_name("fig2.png").stat().st_size > 10_000
    checked, _ = msml(tmp_path, 0, "check", "--json", *PART)
    found = {each["name"]: each for each in json.loads(checked)}
    assert {"no_pair_loses", "cnn_gains"} <= set(found)
    for name in ("no_pair_loses", "cnn_gains"):
        assert found[name]["verdict"] in ("holds", "undecided")
        [number] = found[name]["numbers"]
        assert number["freedom"] == 3
        assert 0 < number["value"] < 0.1
