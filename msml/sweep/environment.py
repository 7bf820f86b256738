"""The environment of the processes that do units."""


def environment(threads: int, gpu: str | None = None) -> dict[str, str]:
    """Environment variables of a unit: TensorFlow and BLAS fix their threads when they start."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    found = dict.fromkeys(names, str(threads))
    return found if gpu is None else found | {"CUDA_VISIBLE_DEVICES": gpu}
