"""A strategy from a plugin that chooses without training anything."""

import json

import pytest
from process import msml
from tiny import only_run, weights

MINE = """\
from msml.registry import strategies
from msml.stages.selection import Selection

@strategies.register("first", title="First")
class First:
    '''Chooses the first candidate of each task.'''
    def problems(self):
        return ()
    def search(self, session):
        return Selection(
            strategy="first",
            by="order",
            chosen={task: next(iter(spec.candidates)) for task, spec in session.tasks.items()},
            undetermined=(),
            trained=False,
            gradient_passes=0.0,
        )
"""


@pytest.mark.slow
def test_posttraining_goes_on_from_pretraining_where_a_search_leaves_no_weights(work):
    (work / "first.py").write_text(MINE)
    mine = ("name=mine", "plugins=[first.py]", "chain=null", "strategy.name=first")
    msml(work, "posttrain", "tiny.yaml", "posttrain.modes=[joint]", *mine)
    msml(work, "posttrain", "tiny.yaml", "posttrain.modes=[joint]")
    searched, given = only_run(work, "mine"), only_run(work)
    found = json.loads((searched / "search" / "selection.json").read_text())
    assert found["chosen"] == {"momentum": "sf", "higgs": "mlp"}
    assert found["weights"] is False
    joint = "posttrain/sf+mlp/joint/weights.h5"
    assert weights(searched / joint) == weights(given / joint)
