"""The log of a run."""

import json

from msml.runs.directory import RunDirectory


def test_epochs_that_will_be_done_again_leave_the_log(tmp_path):
    directory = RunDirectory(tmp_path)
    for unit, epoch in (("a", 1), ("a", 2), ("b", 5), ("a", 3)):
        directory.log({"unit": unit, "epoch": epoch})
    directory.forget("a", 1)
    lines = [json.loads(line) for line in directory.file("metrics.jsonl").read_text().splitlines()]
    assert [(line["unit"], line["epoch"]) for line in lines] == [("a", 1), ("b", 5)]


def test_nothing_is_forgotten_where_there_is_no_log(tmp_path):
    RunDirectory(tmp_path).forget("a", 0)
    assert not list(tmp_path.iterdir())
