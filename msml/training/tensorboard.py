"""Losses of each epoch as scalars for TensorBoard."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msml.errors import RecipeError


def tensorboard_writer(folder: Path) -> Callable[[str, Mapping[str, Any]], None]:
    """Make a function that writes the losses of an epoch, by the name of what is trained.

    Args:
        folder: Where the logs go: `tensorboard --logdir FOLDER` shows them.

    Raises:
        RecipeError: If the package is not installed.
    """
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError as error:
        raise RecipeError(
            "--tensorboard needs the package tensorboard: pip install 'msml[tensorboard]'"
        ) from error
    from msml.training.environment import tensorflow

    tf = tensorflow()
    writers: dict[str, Any] = {}

    def write(name: str, facts: Mapping[str, Any]) -> None:
        if name not in writers:
            writers[name] = tf.summary.create_file_writer(str(folder / name))
        with writers[name].as_default(step=facts["epoch"]):
            for split in ("train", "valid"):
                for loss, value in facts[split].items():
                    tf.summary.scalar(f"{loss}/{split}", value)
        writers[name].flush()

    return write
