import os

import pytest

from msml.training.chatter import quiet, without_remarks

LOG = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795308040.206804   22477 port.cc:153] oneDNN custom operations are on.
2026-11-22 00:40:46.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
W0000 00:00:1795308040.206804   22477 gpu_device.cc:1] Cannot dlopen some GPU libraries.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.
E0000 00:00:1795308085.1   22661 cuda_dnn.cc:1] Unable to register cuDNN factory: Attempting
E0000 00:00:1795308085.1   22661 plugin.cc:1] something is wrong
a line of Python
"""


@pytest.fixture(autouse=True)
def level(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")


def test_errors_and_other_lines_stay():
    kept = "".join(without_remarks(LOG)).splitlines()
    assert [line.split("] ")[-1] for line in kept] == ["something is wrong", "a line of Python"]


def test_a_missing_gpu_is_no_error_without_a_driver(monkeypatch, tmp_path):
    line = "E0000 00:00:1795308085.1   1 cuda_platform.cc:52] failed call to cuInit: ERROR (303)\n"
    monkeypatch.setattr("msml.training.chatter._DRIVER", tmp_path / "version")
    assert list(without_remarks(line)) == []
    (tmp_path / "version").touch()
    assert list(without_remarks(line)) == [line]


def test_standard_error_is_filtered_and_given_back(capfd):
    with quiet():
        os.write(2, LOG.encode())
    os.write(2, b"I0000 00:00:1 later\n")
    lines = capfd.readouterr().err.splitlines()
    assert [line.split("] ")[-1] for line in lines] == [
        "something is wrong",
        "a line of Python",
        "I0000 00:00:1 later",
    ]


def test_it_is_given_back_after_an_exception(capfd):
    with pytest.raises(ValueError, match="invalid"), quiet():
        int("x")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"


def test_who_asks_for_everything_gets_it(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with quiet():
        os.write(2, LOG.encode())
    assert capfd.readouterr().err == LOG
