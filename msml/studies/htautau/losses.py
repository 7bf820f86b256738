"""Losses of tau momenta."""

from typing import Any

from msml.domains import Positive
from msml.registry import losses

Tensor = Any


@losses.register("momentum_mse", target="momenta")
def momentum_mse(target: Tensor, prediction: Tensor, *, scale: Positive = 100.0) -> Tensor:
    """Mean squared error of the tau momentum over taus and components, in (scale GeV)^2.

    L = 1/(3 taus) sum_taus |p_pred - p_true|^2 / scale^2, with p of `physics.momenta`. At scale
    100 this is 1e-4/6 of the paper's loss. An angle and the same angle plus 2 pi are the same.

    Args:
        target: `(events, taus, 3)` log pt, eta, phi; `(taus, 3)` where each tau is by itself.
        prediction: The same.
        scale: Unit of momenta, in GeV.

    Returns:
        `(events,)`.

    Source: the published code of the paper; `momentum_mse_sum` is the text's.
    """
    from keras import ops

    found = _squares(target, prediction, scale)
    return ops.mean(found, axis=_inner(found))


@losses.register("momentum_mse_sum", target="momenta")
def momentum_mse_sum(target: Tensor, prediction: Tensor, *, scale: Positive = 100.0) -> Tensor:
    """Squared error of the tau momentum summed over taus and components, in (scale GeV)^2.

    L = sum_taus |p_pred - p_true|^2 / scale^2: for two taus 6 times `momentum_mse`, with the
    same shapes.

    Source: paper, section 4.1, L_1 and the 1e-4 below it.
    """
    from keras import ops

    found = _squares(target, prediction, scale)
    return ops.sum(found, axis=_inner(found))


def _inner(found: Tensor) -> tuple[int, ...]:
    """All axes but the first."""
    return tuple(range(1, len(found.shape)))


def _squares(target: Tensor, prediction: Tensor, scale: float) -> Tensor:
    """Return the squared differences of momenta, `(events, taus, 3)` px, py, pz."""
    from msml.studies.htautau import physics

    difference = (physics.momenta(prediction) - physics.momenta(target)) / scale
    return difference**2
