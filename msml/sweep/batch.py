"""Files with which batch systems carry out a plan without Dask."""

import os
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from msml.errors import RecipeError, ends
from msml.files import atomic
from msml.sweep.plan import Plan

_MOST_IN_AN_ARRAY = 1000  # Slurm's default limit is 1001

_SLURM = """\
#!/bin/bash
# Submits all units of a sweep; written by msml plan.
#
#   bash slurm.sh [OPTIONS OF SBATCH, such as --partition=short --time=2:00:00 --mem=4G]
#
# Units that others need come first, each such level as an array of jobs. Two minutes before the
# time limit, and where a job is pre-empted, a unit saves, leaves with 85 and is queued again.
set -eu
submit() {{ # first unit, number of units, jobs to wait for, options
    {{
        printf '#!/bin/bash\\nfirst=%d\\n' "$1"
        cat <<'JOB'
cd {folder}
exec {command} $((first + SLURM_ARRAY_TASK_ID))
JOB
    }} | sbatch --parsable --array=0-$(($2 - 1)) ${{3:+--dependency=afterany:$3}} \\
        --cpus-per-task={threads} --requeue --open-mode=append --signal=B:TERM@120 \\
        --job-name={name} --output={log} "${{@:4}}"
}}
{levels}
"""

_HTCONDOR = """\
# All units of a sweep; written by msml plan, not tried on an HTCondor pool.
#
#   condor_submit htcondor.sub
#
# It needs a file system that all machines share. A unit that leaves with 85 has saved and is
# started again; one that leaves with 5 waits for another unit, and is held for five minutes.
universe = vanilla
executable = {python}
arguments = "{arguments} $(Process)"
initialdir = {folder}
getenv = True
should_transfer_files = NO
request_cpus = {threads}
request_memory = 4 GB
log = {base}/htcondor.log
output = {base}/htcondor-$(Process).txt
error = {base}/htcondor-$(Process).txt
on_exit_hold = (ExitBySignal == False) && (ExitCode == 5)
on_exit_hold_reason = "waits for another unit"
on_exit_remove = (ExitBySignal == True) || (ExitCode =!= 85)
periodic_release = (HoldReasonCode == 3) && (NumJobStarts < 100) && \\
    ((time() - EnteredCurrentStatus) > 300)
queue {count}
"""


def write(plan: Plan, path: Path) -> list[Path]:
    """Write `slurm.sh` and `htcondor.sub` beside a plan.

    Args:
        plan: The plan.
        path: Its file.

    Returns:
        The files.

    Raises:
        RecipeError: The path of a folder has a character that such files cannot have.
    """
    for text in (plan.folder, str(path.absolute()), sys.executable):
        if not text.isprintable() or "$$" in text or text.endswith("\\"):
            raise RecipeError(
                f"{ends(repr(text))}: files for batch systems cannot name it; expected no control "
                "characters, no $$ and no backslash at the end"
            )
    texts = {"slurm.sh": slurm(plan, path), "htcondor.sub": htcondor(plan, path)}
    for name, text in texts.items():
        with atomic(path.with_name(name)) as temporary:
            temporary.write_text(text)
    return [path.with_name(name) for name in texts]


def slurm(plan: Plan, path: Path) -> str:
    """Return a script that submits the units as arrays of jobs, one level after the other."""
    path = path.absolute()
    return _SLURM.format(
        threads=plan.threads,
        name=shlex.quote(f"msml-{path.parent.name}"),
        log=shlex.quote(str(path.parent).replace("%", "%%") + "/slurm-%A_%a.txt"),
        folder=shlex.quote(plan.folder),
        command=shlex.join([sys.executable, "-m", "msml", "run-unit", "--requeue", str(path)]),
        levels="\n".join(_levels(plan)),
    )


def htcondor(plan: Plan, path: Path) -> str:
    """Return a submit file."""
    path = path.absolute()
    return _HTCONDOR.format(
        python=_unexpanded(sys.executable),
        arguments=f"-m msml run-unit {_argument(str(path))}",
        folder=_unexpanded(plan.folder),
        threads=plan.threads,
        base=_unexpanded(str(path.parent)),
        count=len(plan.units),
    )


def _unexpanded(text: str) -> str:
    """Write a text as the value of a submit file, in which `$` begins a macro."""
    return text.replace("$", "$(DOLLAR)")


def _argument(text: str) -> str:
    """Quote an argument of the program in a submit file."""
    quoted = text.replace("'", "''").replace('"', '""')
    return f"'{_unexpanded(quoted)}'"


def requeue() -> None:
    """Have Slurm queue this job again, if it is one; of an array, only this member.

    One member of an array has the number of the array as its own.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if job:
        subprocess.run(["scontrol", "requeue", job], check=False)


def _levels(plan: Plan) -> list[str]:
    """Submit each level in arrays that are not too long; the next waits for all of them."""
    lines, before = [], '""'
    for level, members in groupby(plan.units, key=lambda unit: unit.level):
        numbers = [unit.number for unit in members]
        names: list[str] = []
        for start in range(0, len(numbers), _MOST_IN_AN_ARRAY):
            part = numbers[start : start + _MOST_IN_AN_ARRAY]
            names.append(f"jobs_{level}_{len(names)}")
            lines.append(f'{names[-1]}=$(submit {part[0]} {len(part)} {before} "$@")')
        before = ":".join(f"${{{name}%%;*}}" for name in names)
        lines.append(f"echo submitted units {numbers[0]} to {numbers[-1]}: {before}")
    return lines
