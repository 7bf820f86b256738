"""Names and seeds of what is trained, and reading weights back."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msml.chain import Chain
from msml.errors import DataError
from msml.training.checkpoint import assign, load_arrays

Models = Mapping[str, Mapping[str, Any]]


def model_seed(seed: int, *names: str) -> int:
    """A seed for each model of a run, by name: the order of candidates does not matter."""
    words = [word for name in names for word in (len(name), *name.encode())]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0])


def numbered(variables: Iterable[Any]) -> dict[str, Any]:
    """Name variables by their position."""
    return {f"{number:03d}": variable for number, variable in enumerate(variables)}


def model_variables(chain: Chain) -> dict[str, Any]:
    """All variables of a chain's models by task and position; layers' own names count up."""
    return {
        f"{task}/{number}": variable
        for task, model in chain.models.items()
        for number, variable in numbered(model.variables).items()
    }


def models_variables(models: Models) -> dict[str, Any]:
    """All variables of candidates by task, name and position."""
    return {
        f"{task}/{name}/{number}": variable
        for task, candidates in models.items()
        for name, model in candidates.items()
        for number, variable in numbered(model.variables).items()
    }


def load_weights(chain: Chain, path: Path) -> None:
    """Set a chain's weights to those of a file that has them, perhaps among others.

    Raises:
        DataError: If they do not fit.
    """
    arrays, _ = load_arrays(path)
    wanted = model_variables(chain)
    if not wanted and chain.variables():
        raise DataError(f"{path}: no weights of {', '.join(chain.models)}")
    assign(wanted, arrays, str(path))
