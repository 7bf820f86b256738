"""Dask: the workers that units are given to. Nothing else imports it."""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from msml.errors import DataError, RecipeError, ends
from msml.recipe.schema import Sweep

_MOST_JOBS = 32
_DEATHS = 100  # of its workers that a unit may see: they are killed and pre-empted, not it
_GPU = re.compile(r"UUID: ((?:GPU|MIG)-[\w/-]+)")
_PLAIN = re.compile(r"[\w./+,:=@-]+", re.ASCII)  # Dask quotes neither for a shell nor for HTCondor
_MEMORY = "4GB"
_DISK = "1GB"


class Workers:
    """A connection to a Dask scheduler, and the workers that msml has started for it.

    Args:
        client: The connection.
        cluster: What keeps the number of batch jobs; None where that is not ours.
        jobs: Their number.
        gpus: The GPUs to divide among workers on this machine.
    """

    def __init__(self, client: Any, cluster: Any, jobs: int, gpus: tuple[str, ...]) -> None:
        self.client = client
        self.gpus = gpus
        self._cluster = cluster
        self._jobs = jobs

    def replace_lost(self) -> None:
        """Submit batch jobs again that have ended."""
        if self._cluster is not None:
            self._cluster.scale(jobs=self._jobs)

    def count(self) -> int:
        """Number of workers that are there."""
        return len(self.client.scheduler_info(n_workers=-1)["workers"])


@contextmanager
def workers(sweep: Sweep, units: int, folder: Path) -> Iterator[Workers]:
    """Start workers, or connect to those there are.

    Args:
        sweep: How the sweep is carried out.
        units: Number of units left.
        folder: Where batch jobs write.

    Raises:
        RecipeError: A package is missing, or the batch system or an option is not there.
        DataError: The scheduler does not answer.
    """
    dask, distributed = packages()
    dask.config.set({"distributed.scheduler.allowed-failures": _DEATHS})
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    gpus: tuple[str, ...] = ()
    cluster, jobs = None, 0
    if sweep.cluster == "local":
        gpus = find_gpus()
        wanted = sweep.workers or len(gpus) or local_workers(sweep.threads)
        cluster = _local(distributed, min(wanted, units))
    elif "://" not in sweep.cluster:
        jobs = min(sweep.workers or _MOST_JOBS, units)
        cluster = _batch(sweep, folder)
    try:
        try:
            client = distributed.Client(sweep.cluster if cluster is None else cluster)
        except (OSError, TimeoutError, ValueError) as error:
            raise DataError(f"{sweep.cluster}: no Dask scheduler answers: {error}") from error
        with client:
            found = Workers(client, cluster if jobs else None, jobs, gpus)
            found.replace_lost()
            yield found
    finally:
        if cluster is not None:
            cluster.close()


def packages() -> tuple[ModuleType, ModuleType]:
    """Import Dask and Dask distributed.

    Raises:
        RecipeError: They are not installed.
    """
    try:
        import dask
        import distributed
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    return dask, distributed


def local_workers(threads: int) -> int:
    """Workers that fill the cores that this process may use."""
    return max(1, len(os.sched_getaffinity(0)) // threads)


def find_gpus() -> tuple[str, ...]:
    """Name the GPUs, or their parts where they are divided; none without NVIDIA's driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip() not in ("", "-1"))
    if shutil.which("nvidia-smi") is None:
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    names = _GPU.findall(listed.stdout)
    return tuple(n for n in names if n.startswith("MIG-")) or tuple(names)


def _missing(error: ModuleNotFoundError) -> RecipeError:
    return RecipeError(f"a sweep needs the package {error.name}: pip install 'msml[dask]'")


def _local(distributed: ModuleType, number: int) -> Any:
    """Worker processes on this machine, each doing one unit at a time."""
    return distributed.LocalCluster(
        n_workers=number,
        threads_per_worker=1,
        processes=True,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        preload=["msml.sweep.worker"],
    )


def _batch(sweep: Sweep, folder: Path) -> Any:
    """Batch jobs, each a worker that does one unit at a time."""
    command = {"slurm": "sbatch", "htcondor": "condor_submit"}[sweep.cluster]
    if shutil.which(command) is None:
        raise RecipeError(f"sweep.cluster: '{sweep.cluster}' needs the command {command}")
    if not _PLAIN.fullmatch(str(folder)):
        raise RecipeError(
            f"{ends(repr(str(folder)))}: Dask's batch jobs cannot have their logs there; expected "
            "a folder of letters, digits and ./_+,:=@- only, see --runs"
        )
    try:
        import dask_jobqueue
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    arguments: dict[str, Any] = {
        **{"cores": 1, "processes": 1, "memory": _MEMORY, "log_directory": str(folder)},
        "scheduler_options": {"dashboard_address": ":0"},
    }
    options = dict(sweep.options)
    try:
        if sweep.cluster == "slurm":
            arguments["job_cpu"] = sweep.threads
            return dask_jobqueue.slurm.SLURMCluster(**{**arguments, **options})
        directives = {"RequestCpus": sweep.threads, **options.pop("job_extra_directives", {})}
        arguments |= {"disk": _DISK, "job_extra_directives": directives}
        return dask_jobqueue.htcondor.HTCondorCluster(**{**arguments, **options})
    except (TypeError, ValueError) as error:
        raise RecipeError(f"sweep.options: {' '.join(str(error).split())[:200]}") from error
