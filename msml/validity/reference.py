"""The trained Gaussian process, as arrays that predict in NumPy.

A sparse variational multi-output process: each output is a constant and a linear combination of
latent processes (linear model of coregionalisation), each of which knows its inducing points only.
"""

from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array, wrap_phi
from msml.metrics.generic import quantiles
from msml.validity.bands import ANGLES, PHI, Bands

JITTER = 1e-6
_BLOCK = 10_000
_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Scaling:
    """Median and interquartile range of each number.

    Attributes:
        centre: `(numbers,)`.
        scale: `(numbers,)`, above 0.
    """

    centre: Array
    scale: Array

    def apply(self, values: Array) -> Array:
        """Scale `(events, numbers)`."""
        return (values - self.centre) / self.scale


@dataclass(frozen=True)
class Process:
    """A trained process in scaled numbers.

    Attributes:
        inducing: `(latents, points, inputs)`.
        lengthscale: `(latents,)` of the RBF kernels.
        variance: `(latents,)` of the RBF kernels.
        mean: `(points, latents)` of the whitened inducing variables.
        root: `(latents, points, points)` lower Cholesky factor of their covariance.
        mixing: `(outputs, latents)`.
        offset: `(outputs,)` constants.
        noise: `(outputs,)` variance of the noise of each output.
    """

    inducing: Array
    lengthscale: Array
    variance: Array
    mean: Array
    root: Array
    mixing: Array
    offset: Array
    noise: Array

    def predict(self, inputs: Array) -> tuple[Array, Array]:
        """Mean and variance of the outputs, noise included, `(events, outputs)` each.

        Source: Hensman et al., Scalable Variational Gaussian Process Classification (2015), eq. 9.
        """
        latents = [self._latent(i, inputs) for i in range(len(self.inducing))]
        mean, variance = (np.stack(each, axis=1) for each in zip(*latents, strict=True))
        return mean @ self.mixing.T + self.offset, variance @ (self.mixing**2).T + self.noise

    def _latent(self, index: int, inputs: Array) -> tuple[Array, Array]:
        """Mean and variance of one latent process, `(events,)` each."""
        points = self.inducing[index]
        prior = self._kernel(index, points, points) + JITTER * np.eye(len(points))
        projected = np.linalg.solve(
            np.linalg.cholesky(prior), self._kernel(index, points, inputs)
        )  # (points, events)
        variance = self.variance[index] - (projected**2).sum(axis=0)
        variance += ((self.root[index].T @ projected) ** 2).sum(axis=0)
        return self.mean[:, index] @ projected, variance

    def _kernel(self, index: int, first: Array, second: Array) -> Array:
        first, second = first / self.lengthscale[index], second / self.lengthscale[index]
        square = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
        return self.variance[index] * np.exp(-np.maximum(square, 0) / 2)


@dataclass(frozen=True)
class Reference:
    """A process that predicts momenta from reconstructed jets.

    Attributes:
        process: The process.
        inputs: Scaling of its inputs.
        targets: Scaling of its targets.
    """

    process: Process
    inputs: Scaling
    targets: Scaling

    def bands(self, jets: Array) -> Bands:
        """Predict the momenta that belong to jets, `(events, objects, 4)`, transformed."""
        numbers = self.inputs.apply(flat(jets))
        parts = [
            self.process.predict(numbers[i : i + _BLOCK]) for i in range(0, len(numbers), _BLOCK)
        ]
        mean, variance = (np.concatenate(each) for each in zip(*parts, strict=True))
        shape = (*jets.shape[:2], -1)
        mean = (mean * self.targets.scale + self.targets.centre).reshape(shape)
        mean[..., ANGLES] += jets[..., ANGLES]
        return Bands(mean, (np.sqrt(variance) * self.targets.scale).reshape(shape))

    def arrays(self) -> dict[str, Array]:
        """All numbers of it, by name."""
        parts = {"process": self.process, "inputs": self.inputs, "targets": self.targets}
        return {
            f"{part}/{name}": values
            for part, each in parts.items()
            for name, values in vars(each).items()
        }


def reference_of(arrays: dict[str, Array]) -> Reference:
    """Make the reference again from its `arrays`."""

    def part(name: str) -> dict[str, Array]:
        return {
            key.removeprefix(f"{name}/"): values
            for key, values in arrays.items()
            if key.startswith(f"{name}/")
        }

    return Reference(
        Process(**part("process")), Scaling(**part("inputs")), Scaling(**part("targets"))
    )


def robust_scaling(values: Array, weight: Array | None = None) -> Scaling:
    """Measure median and interquartile range of `(events, numbers)`; a constant keeps scale 1.

    Args:
        values: `(events, numbers)`.
        weight: `(events,)`; None where all events count the same.
    """
    low, centre, high = np.transpose([quantiles(each, _QUARTILES, weight) for each in values.T])
    return Scaling(centre, np.where(high > low, high - low, 1.0))


def targets_of(taus: Array, jets: Array) -> Array:
    """What the process learns, `(events, numbers)`: log pt, and the angles as seen from the jet.

    A tau flies so close to its jet that a smooth function of the angles themselves would be too
    coarse, and phi would jump.

    Args:
        taus: `(events, objects, 3)`.
        jets: `(events, objects, 4)`.
    """
    targets = np.array(taus, np.float64)
    targets[..., ANGLES] -= jets[..., ANGLES]
    targets[..., PHI] = wrap_phi(targets[..., PHI])
    return flat(targets)


def flat(vectors: Array) -> Array:
    """Turn `(events, objects, components)` into `(events, numbers) float64`."""
    return np.asarray(vectors, np.float64).reshape(len(vectors), -1)
