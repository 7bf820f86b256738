"""The log of a run, and JSON that is read back."""

import json

import pytest

from msml.errors import DataError
from msml.runs.directory import (
    RunDirectory,
    read_json,
    read_json_if_there,
    read_records,
    write_json,
)


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


FORM = r"metrics\.json: (expected an object with 'chain'|cannot be read)"


@pytest.mark.parametrize("text", ["5", "[]", "{}", '"chain"', "null", '{"mode": 1}', "{", "\0"])
def test_json_of_another_form_is_named(tmp_path, text):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(DataError, match=FORM):
        read_json(path, "chain", "mode")
    assert read_json_if_there(path, "chain", "mode") is None
    path.write_text(f"[1, {text}]")
    with pytest.raises(DataError, match=FORM):
        read_records(path, "chain")


def test_a_list_of_records(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, [{"chain": 1}])
    assert read_records(path, "chain") == [{"chain": 1}]
    with pytest.raises(DataError, match="expected an object, got"):
        read_json(path)
    write_json(path, {"chain": 1})
    with pytest.raises(DataError, match=r"expected a list, got \{'chain': 1\}"):
        read_records(path)
