"""Sweeps on a real Slurm with one node, where `MSML_TEST_SLURM=1` asks for it (needs root)."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sweeping import LONG, PATIENCE, POINTS, check_same, epochs, msml, start, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("sweeps"),
    pytest.mark.skipif(os.environ.get("MSML_TEST_SLURM") != "1", reason="MSML_TEST_SLURM is not 1"),
]
SCRIPTS = Path(__file__).parents[2] / "scripts"
ON_SLURM = ("sweep.cluster=slurm", "sweep.options={memory: 2GB, walltime: '0:30:00'}")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            subprocess.run([SCRIPTS / "slurm_up.sh", folder], check=True)
            yield
        finally:
            subprocess.run([SCRIPTS / "slurm_down.sh", folder], check=True)


def jobs() -> list[str]:
    listed = subprocess.run(
        ["squeue", "--noheader", "--format=%i"], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


@pytest.mark.usefixtures("slurm")
def test_a_sweep_whose_jobs_are_cancelled(folder, undisturbed):
    sweep = start(folder, "sweep", "tiny.yaml", *POINTS, *LONG, *ON_SLURM)
    until(lambda: epochs(folder) > 20)
    subprocess.run(["scancel", jobs()[0]], check=True)
    _, errors = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, errors
    check_same(folder, undisturbed)
    until(lambda: not jobs())  # none is left behind


@pytest.mark.usefixtures("slurm")
def test_arrays_of_jobs_without_dask(folder, undisturbed):
    msml(folder, 0, "plan", "tiny.yaml", *POINTS, *LONG)
    (script,) = folder.glob("runs/tiny/sweep-*/slurm.sh")
    subprocess.run(["bash", script, "--mem=2G", "--time=30"], check=True)
    until(lambda: epochs(folder) > 20)
    subprocess.run(["scancel", "--batch", "--signal=TERM", jobs()[-1]], check=True)
    give_up = time.monotonic() + PATIENCE
    while jobs() and time.monotonic() < give_up:
        time.sleep(1)
    msml(folder, 0, "collect", "tiny.yaml", *POINTS, *LONG)
    check_same(folder, undisturbed)
