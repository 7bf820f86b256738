import json

import pytest
from click.testing import CliRunner

from msml import __version__
from msml.cli import cli
from msml.doctor import Device, Examination, lines


@pytest.mark.xdist_group("tensorflow")
def test_doctor_as_json():
    found = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).stdout)
    assert found["versions"]["msml"] == __version__
    assert found["versions"]["keras"].startswith("3.")
    assert found["devices"][0]["name"] == "CPU:0"
    assert found["devices"][0]["gflops"] > 0.1
    assert (found["xla"], found["xla_error"]) == (True, None)
    assert found["precision"] in ("float32", "mixed_bfloat16", "mixed_float16")
    assert found["threads"] >= 1


def test_doctor_for_people():
    found = Examination(
        python="3.11.7",
        system="Linux",
        versions={"msml": "0.1.0", "gpflow": None},
        devices=(
            Device("CPU:0", "a processor", 80.2, None),
            Device("GPU:0", "a GPU", None, "InternalError: no kernel"),
        ),
        precision="mixed_bfloat16",
        onednn=True,
        xla=False,
        xla_error="NotFoundError: no compiler",
        threads=2,
        cpus=4,
        memory_gb=16.04,
        settings={"TF_XLA_FLAGS": "x"},
    )
    assert list(lines(found)) == [
        "python 3.11.7 on Linux",
        "msml 0.1.0",
        "gpflow not installed",
        "device CPU:0: a processor; matrix product, float32: 80 GFLOP/s",
        "device GPU:0: a GPU; matrix product, float32: fails: InternalError: no kernel",
        "processors 4, threads 2, memory 16.0 GB",
        "precision auto: mixed_bfloat16",
        "oneDNN: on",
        "XLA: fails: NotFoundError: no compiler",
        "set: TF_XLA_FLAGS=x",
    ]
