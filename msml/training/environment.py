"""Switches of TensorFlow that must be set before or right after its first import."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.abc import MetaPathFinder
from typing import Any

from msml.training.chatter import quiet

# Variables of the environment: threads of one operation, and operations at a time.
_INTRA, _INTER = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"


@dataclass(frozen=True)
class Environment:
    """How TensorFlow runs here; part of what results depend on.

    Attributes:
        tensorflow: Its version.
        keras: Keras's version.
        devices: Names of the GPUs, or of the CPU where there is none.
        onednn: Whether oneDNN is on.
        threads: Threads of one operation.
    """

    tensorflow: str
    keras: str
    devices: tuple[str, ...]
    onednn: bool
    threads: int

    @property
    def gpu(self) -> bool:
        """Whether there is a GPU."""
        return "GPU" in self.devices[0]


def prepare() -> None:
    """Set what TensorFlow and Keras read when they are imported, unless the user has.

    oneDNN halves the time of convolutions where TensorFlow does not switch it on by itself.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")


@cache
def tensorflow() -> Any:
    """Import TensorFlow with msml's settings and return it.

    GPU memory grows as needed, and operations are deterministic, so that the same seed gives the
    same result.
    """
    prepare()
    with quiet(), _not_there("matplotlib", "pandas", "sklearn"):
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
    tf.get_logger().setLevel("ERROR")  # each model is compiled once, which is no excess
    for device in devices:
        tf.config.experimental.set_memory_growth(device, True)
    tf.config.experimental.enable_op_determinism()
    return tf


def use_threads(number: int | None) -> None:
    """Give each operation so many threads, unless the environment says how many.

    TensorFlow fixes them when it first computes; after that they stay as they are.
    """
    if number is not None and _INTRA not in os.environ:
        with suppress(RuntimeError):
            tensorflow().config.threading.set_intra_op_parallelism_threads(number)


@contextmanager
def _not_there(*packages: str) -> Iterator[None]:
    """Hide packages from the imports of the block, unless they are imported already.

    Keras imports these where they are installed, for adapters that nothing here uses; they take a
    third of its time. Whoever imports them later gets them.
    """
    hidden = _Hidden([package for package in packages if package not in sys.modules])
    sys.meta_path.insert(0, hidden)
    try:
        yield
    finally:
        sys.meta_path.remove(hidden)


class _Hidden(MetaPathFinder):
    def __init__(self, packages: Sequence[str]) -> None:
        self.packages = packages

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@cache
def environment() -> Environment:
    """Describe the environment."""
    tf = tensorflow()
    import keras

    gpus = tf.config.list_physical_devices("GPU")
    names = [
        f"GPU {tf.config.experimental.get_device_details(gpu).get('device_name', '')}".strip()
        for gpu in gpus
    ]
    return Environment(
        tf.__version__,
        keras.__version__,
        tuple(names) or ("CPU",),
        os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1",
        _threads(tf.config.threading.get_intra_op_parallelism_threads(), _INTRA),
    )


def side_by_side() -> int:
    """How many graphs use all threads together: more than one where an operation leaves some."""
    if environment().gpu:
        return 1
    asked = tensorflow().config.threading.get_inter_op_parallelism_threads()
    return max(1, _threads(asked, _INTER) // environment().threads)


def _threads(asked: int, variable: str) -> int:
    """Number of threads: as the program set them, else the environment, else all cores."""
    if not asked:
        with suppress(ValueError):
            asked = int(os.environ.get(variable, "0"))
    return asked if asked > 0 else len(os.sched_getaffinity(0))


def resolve_precision(precision: str) -> str:
    """Choose the Keras policy for `auto`: mixed on a GPU that has it, float32 elsewhere."""
    if precision != "auto":
        return precision
    tf = tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "float32"
    major, minor = tf.config.experimental.get_device_details(gpus[0]).get(
        "compute_capability", (0, 0)
    )
    if (major, minor) >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if (major, minor) >= (7, 0) else "float32"
