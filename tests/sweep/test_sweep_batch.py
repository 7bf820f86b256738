"""The files for batch systems, read by the shell and by HTCondor's own library."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sweeping import until

from msml.errors import RecipeError
from msml.recipe.schema import Sweep
from msml.sweep import batch
from msml.sweep.cluster import workers
from msml.sweep.plan import Plan, write
from msml.sweep.units import Unit


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two units and one that needs both, in folders whose names want quoting."""
    return plan_in(tmp_path / 'Anna\'s "two words"')


def plan_in(folder: Path, recipe: str = "a.yaml") -> Plan:
    made = [
        Unit(number, stage, {}, (), f"a/{number}", ("done",), needs, level)
        for number, stage, needs, level in [
            (0, "pretrain", (), 0),
            (1, "pretrain", (), 0),
            (2, "run", (0, 1), 1),
        ]
    ]
    plan = Plan(recipe, str(folder), "runs", 3, "a/sweep-1", tuple(made), ())
    write(plan)
    return plan


def script(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_arrays_for_slurm(plan, tmp_path, monkeypatch):
    """Each array is submitted with its dependencies, and its jobs call the right unit."""
    keep = f"open({str(tmp_path / 'kept')!r}, 'a').write(json.dumps([sys.argv[1:], %s]) + '\\n')"
    python = script(tmp_path / "python", keep % "os.getcwd()")
    monkeypatch.setattr(sys, "executable", python)
    [path, _] = batch.write(plan, plan.file("plan.json"))
    monkeypatch.undo()
    script(tmp_path / "sbatch", keep % "sys.stdin.read()" + "\nprint('17;cluster')")
    paths = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", path, "--time=1:00:00"], check=True, env=paths, capture_output=True)
    first, second = map(json.loads, (tmp_path / "kept").read_text().splitlines())
    assert "--array=0-1" in first[0]
    assert "--array=0-0" in second[0]
    assert not any("dependency" in option for option in first[0])
    assert "--dependency=afterany:17" in second[0]
    for options, _ in (first, second):
        assert options[-1] == "--time=1:00:00"
        assert "--cpus-per-task=3" in options

    (tmp_path / "kept").unlink()
    for (_, job), member in ((first, "1"), (second, "0")):
        subprocess.run(
            ["bash"], input=job, text=True, check=True, env={"SLURM_ARRAY_TASK_ID": member}
        )
    called = [json.loads(line) for line in (tmp_path / "kept").read_text().splitlines()]
    file = str(plan.file("plan.json"))
    assert called == [
        [["-m", "msml", "run-unit", "--requeue", file, number], plan.folder] for number in "12"
    ]


ODD = "".join(chr(code) for code in range(32, 127) if chr(code) not in "/") + "é"
RUNS = "touch escaped $(touch escaped) `touch escaped` ${HOME} \nJOB\ntouch escaped\n"


@pytest.mark.parametrize("name", [f"{ODD}x", *(f"a{c} {c}b" for c in "$`\"'\\%#&;|<>*~!{}()")])
def test_what_odd_names_say_is_not_done(name, tmp_path, monkeypatch):
    """Of folders, and of a recipe that a shell would carry out."""
    (tmp_path / name).mkdir()
    keep = f"open({str(tmp_path / 'kept')!r}, 'a').write(json.dumps([sys.argv[1:], %s]) + '\\n')"
    python = script(tmp_path / "python", keep % "os.getcwd()")
    monkeypatch.setattr(sys, "executable", python)
    plan = plan_in(tmp_path / name, RUNS)
    [path, submit_file] = batch.write(plan, plan.file("plan.json"))
    monkeypatch.undo()
    script(tmp_path / "sbatch", keep % "sys.stdin.read()" + "\nprint('17')")
    here = tmp_path / "here"
    here.mkdir()
    paths = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", path], check=True, env=paths, capture_output=True, cwd=here)
    job = json.loads((tmp_path / "kept").read_text().splitlines()[0])[1]
    environment = {"SLURM_ARRAY_TASK_ID": "1"}
    subprocess.run(["bash"], input=job, text=True, check=True, env=environment, cwd=here)
    called = json.loads((tmp_path / "kept").read_text().splitlines()[-1])
    file = str(plan.file("plan.json"))
    assert called == [["-m", "msml", "run-unit", "--requeue", file, "1"], plan.folder]
    assert not list(tmp_path.rglob("escaped"))

    htcondor, classads = pytest.importorskip("htcondor2"), pytest.importorskip("classad2")
    submit = htcondor.Submit(submit_file.read_text())
    assert submit.getQArgs() == "3"
    assert submit.expand("initialdir") == plan.folder
    assert submit.expand("log") == str(plan.file("htcondor.log"))
    text = submit.expand("arguments")
    ad = classads.ClassAd({"Arguments": text[1:-1].replace('""', '"')})
    ad["list"] = classads.ExprTree("argsToList(Arguments)")
    assert ad.eval("list") == ["-m", "msml", "run-unit", file, "0"]


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1bb", "a\\", "a$$b"])
def test_what_batch_files_cannot_name_is_refused(name, tmp_path):
    plan = plan_in(tmp_path / name)
    with pytest.raises(RecipeError, match="files for batch systems cannot name it"):
        batch.write(plan, plan.file("plan.json"))


def test_htcondor_reads_the_submit_file(plan):
    """HTCondor's own parser finds the jobs, and its expressions decide as the file says."""
    htcondor, classads = pytest.importorskip("htcondor2"), pytest.importorskip("classad2")
    [_, path] = batch.write(plan, plan.file("plan.json"))
    submit = htcondor.Submit(path.read_text())
    assert submit.getQArgs() == "3"
    assert submit["initialdir"] == plan.folder
    assert submit["request_cpus"] == "3"

    text = submit.expand("arguments")
    assert text[0] == text[-1] == '"'
    job = classads.ClassAd({"Arguments": text[1:-1].replace('""', '"')})
    job["list"] = classads.ExprTree("argsToList(Arguments)")
    assert job.eval("list") == ["-m", "msml", "run-unit", str(plan.file("plan.json")), "0"]

    def decide(key: str, **facts: object) -> bool:
        job = classads.ClassAd({"ExitBySignal": False, **facts})
        job["decision"] = classads.ExprTree(submit.expand(key))
        return job.eval("decision")

    for code in (0, 1, 2, 3, 4, 5, 85):
        assert decide("on_exit_hold", ExitCode=code) == (code == 5)
        assert decide("on_exit_remove", ExitCode=code) == (code != 85)
    assert not decide("on_exit_hold", ExitBySignal=True, ExitSignal=9)
    assert decide("on_exit_remove", ExitBySignal=True, ExitSignal=9)
    held = {"HoldReasonCode": 3, "NumJobStarts": 2, "EnteredCurrentStatus": 0}
    assert decide("periodic_release", **held)
    assert not decide("periodic_release", **{**held, "HoldReasonCode": 1})  # by its owner
    assert not decide("periodic_release", **{**held, "NumJobStarts": 100})


def test_workers_on_htcondor(tmp_path, monkeypatch):
    """HTCondor reads what Dask would submit: as many cores as a unit has threads."""
    htcondor = pytest.importorskip("htcondor2")
    read = tmp_path / "read"
    keep = f"print(open(sys.argv[-1]).read(), file=open({str(read)!r}, 'w'))"
    script(tmp_path / "condor_submit", keep + "\nprint('1 job(s) submitted to cluster 7.')")
    script(tmp_path / "condor_rm", "")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.chdir(tmp_path)
    options = {"memory": "2GB", "job_extra_directives": {"Requirements": "HasAVX2"}}
    with workers(Sweep(cluster="htcondor", threads=4, options=options), 1, tmp_path):
        until(lambda: read.exists() and "Queue" in read.read_text())
    submit = htcondor.Submit(read.read_text())
    assert submit["RequestCpus"] == "4"
    assert submit["Requirements"] == "HasAVX2"
    assert submit["MY.DaskWorkerMemory"] == "2000000000"
    wrong = Sweep(cluster="htcondor", options={"job_extra_directives": ["a = 1"]})
    with pytest.raises(RecipeError, match=r"sweep\.options: "), workers(wrong, 1, tmp_path):
        pass


@pytest.mark.parametrize("cluster", ["slurm", "htcondor"])
@pytest.mark.parametrize("name", ["a b", "$(touch x)", "`x`", "100%", "a\nb", "é", "a'b"])
def test_logs_of_dask_lie_in_folders_of_plain_names(tmp_path, monkeypatch, cluster, name):
    """Its scripts quote nothing."""
    for command in ("condor_submit", "sbatch"):
        script(tmp_path / command, "")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with (
        pytest.raises(RecipeError, match="Dask's batch jobs cannot have their logs there"),
        workers(Sweep(cluster=cluster), 1, tmp_path / name),
    ):
        pass
