"""The state of an installation: versions, devices, settings, and one timed matrix product."""

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    *("msml", "tensorflow", "keras", "numpy", "h5py", "omegaconf", "matplotlib", "scikit-learn"),
    *("tensorboard", "gpflow", "pythia8mc", "fastjet", "uproot", "dask"),
)
_SETTINGS = (
    *("TF_CPP_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_NUM_", "TF_USE_", "TF_XLA_"),
    *("XLA_", "KERAS_", "CUDA_VISIBLE", "OMP_"),
)
_SIZE, _REPEAT = 1024, 5
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Device:
    """A device that TensorFlow sees.

    Attributes:
        name: TensorFlow's name of it.
        description: What it is.
        gflops: Speed of a float32 product of two matrices; None where it fails.
        error: How it fails.
    """

    name: str
    description: str
    gflops: float | None
    error: str | None


@dataclass(frozen=True)
class Examination:
    """What a bug report should say.

    Attributes:
        python: Version.
        system: Operating system and architecture.
        versions: By package; None where it is not installed.
        devices: What TensorFlow can use.
        precision: What `auto` chooses.
        onednn: Whether oneDNN is on.
        xla: Whether XLA compiles a function, and its result is right.
        xla_error: What it says where it does not.
        threads: Threads of one operation.
        cpus: Processors that this process may use.
        memory_gb: Memory of the machine.
        settings: Environment variables that matter.
    """

    python: str
    system: str
    versions: dict[str, str | None]
    devices: tuple[Device, ...]
    precision: str
    onednn: bool
    xla: bool
    xla_error: str | None
    threads: int
    cpus: int
    memory_gb: float
    settings: dict[str, str]


def examine() -> Examination:
    """Examine the installation; imports TensorFlow and takes a few seconds."""
    from msml.training.environment import environment, resolve_precision, tensorflow

    chosen = {
        name: value for name, value in sorted(os.environ.items()) if name.startswith(_SETTINGS)
    }
    tf = tensorflow()
    xla_error = _compile(tf)
    return Examination(
        python=platform.python_version(),
        system=platform.platform(),
        versions={name: _version(name) for name in _PACKAGES},
        devices=tuple(
            _measure(tf, device)
            for kind in ("CPU", "GPU")
            for device in tf.config.list_physical_devices(kind)
        ),
        precision=resolve_precision("auto"),
        onednn=environment().onednn,
        xla=xla_error is None,
        xla_error=xla_error,
        threads=environment().threads,
        cpus=len(os.sched_getaffinity(0)),
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        settings=chosen,
    )


def lines(found: Examination) -> Iterator[str]:
    """Write an examination for people."""
    yield f"python {found.python} on {found.system}"
    for name, number in found.versions.items():
        yield f"{name} {number or 'not installed'}"
    for device in found.devices:
        speed = f"{device.gflops:.0f} GFLOP/s" if device.gflops else f"fails: {device.error}"
        yield f"device {device.name}: {device.description}; matrix product, float32: {speed}"
    yield f"processors {found.cpus}, threads {found.threads}, memory {found.memory_gb:.1f} GB"
    yield f"precision auto: {found.precision}"
    yield f"oneDNN: {'on' if found.onednn else 'off'}"
    yield f"XLA: {'compiles' if found.xla else f'fails: {found.xla_error}'}"
    for name, value in found.settings.items():
        yield f"set: {name}={value}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _measure(tf: Any, device: Any) -> Device:
    """Time the fastest of a few products of two matrices of 1024 x 1024."""
    name = device.name.removeprefix("/physical_device:")
    details = tf.config.experimental.get_device_details(device)
    description = details.get("device_name") or _processor()
    try:
        with tf.device(name):
            matrix = tf.ones((_SIZE, _SIZE))
            times = []
            for _ in range(_REPEAT):
                began = time.perf_counter()
                float(tf.reduce_sum(tf.linalg.matmul(matrix, matrix)))  # waits for the result
                times.append(time.perf_counter() - began)
    except Exception as error:  # noqa: BLE001 - whatever is wrong belongs in the report
        return Device(name, description, None, _one_line(error))
    return Device(name, description, 2 * _SIZE**3 / min(times) / 1e9, None)


def _compile(tf: Any) -> str | None:
    """Compile a function with XLA; return what is wrong with it."""
    try:
        compiled = tf.function(lambda x: tf.reduce_sum(tf.tanh(x) ** 2), jit_compile=True)
        value = float(compiled(tf.ones(1000)))
    except Exception as error:  # noqa: BLE001 - whatever is wrong belongs in the report
        return _one_line(error)
    expected = 580.0256584
    if abs(value / expected - 1) > _TOLERANCE:
        return f"a sum is {value:.6g}, expected {expected:.6g}"
    return None


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _processor() -> str:
    """Name of the processor, as the kernel gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
