"""Numbers with uncertainties for tables and figures: fractions, quantiles, histograms, profiles.

All intervals are central 68 % intervals (one standard deviation).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from msml.metrics.generic import quantiles

Array = npt.NDArray[np.float64]

# The central 68 % of a distribution lies between these two quantiles.
LOW, HIGH = 0.16, 0.84
_ONE_SIGMA = 0.6826894921370859  # of a normal distribution, to both sides


@dataclass(frozen=True)
class Fraction:
    """A binomial fraction with its Wilson score interval.

    Attributes:
        value: Successes over trials.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


def fraction(successes: int, trials: int) -> Fraction | None:
    """Estimate a binomial fraction, or None where nothing was tried.

    The Wilson interval stays inside [0, 1] and keeps a width where none or all succeeded.

    Raises:
        ValueError: If there are more successes than trials, or fewer than none.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209, with z = 1.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials}")
    if trials == 0:
        return None
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(_ONE_SIGMA, "wilson")
    return Fraction(successes / trials, float(interval.low), float(interval.high))


def quantile_error(values: Array, probability: float, weights: Array | None = None) -> float:
    """Standard error of a sample quantile from its order statistics; NaN below two values.

    Half the distance between the values one binomial standard deviation of the rank below and
    above; it assumes no shape of the distribution. Weighted values count as (sum w)^2 / sum w^2.

    Args:
        values: `(values,)`.
        probability: Which quantile.
        weights: `(values,)`, or None.
    """
    count = len(values) if weights is None else weights.sum() ** 2 / (weights**2).sum()
    if len(values) < 2:
        return float("nan")
    shift = np.sqrt(probability * (1 - probability) / count)
    ends = np.clip([probability - shift, probability + shift], 0, 1)
    low, high = quantiles(values, ends.tolist(), weights)
    return float(high - low) / 2


def median_and_width(
    values: Array, weights: Array | None = None
) -> tuple[float, float, float, float]:
    """Describe a distribution by its median and half the width of its central 68 %.

    The correlation of the two quantiles of the width is the asymptotic one,
    sqrt(p (1 - r) / (r (1 - p))).

    Args:
        values: `(values,)`, finite.
        weights: `(values,)`, or None.

    Returns:
        Median, its error, half width, its error; NaN where there are too few values.
    """
    if len(values) < 2:
        return (float("nan"),) * 4
    low, median, high = quantiles(values, (LOW, 0.5, HIGH), weights)
    low_error, high_error = (quantile_error(values, each, weights) for each in (LOW, HIGH))
    correlation = LOW / HIGH
    variance = low_error**2 + high_error**2 - 2 * correlation * low_error * high_error
    width_error = np.sqrt(variance) / 2
    return (
        float(median),
        quantile_error(values, 0.5, weights),
        float(high - low) / 2,
        float(width_error),
    )


@dataclass(frozen=True)
class Profile:
    """Median and half width of one quantity in bins of another; a row for each filled bin.

    Attributes:
        low: `(bins,)` lower edges.
        high: `(bins,)` upper edges.
        x: `(bins,)` mean of the binned quantity in each bin.
        median: `(bins,)`.
        median_error: `(bins,)`.
        width: `(bins,)` half the distance of the 16 % and 84 % quantiles.
        width_error: `(bins,)`.
    """

    low: Array
    high: Array
    x: Array
    median: Array
    median_error: Array
    width: Array
    width_error: Array


def profile(
    x: Array, y: Array, edges: Array, least: int = 30, weights: Array | None = None
) -> Profile:
    """Describe y in bins of x.

    Args:
        x: `(values,)` the binned quantity; values outside the edges are left out.
        y: `(values,)`.
        edges: `(bins + 1,)` increasing; a bin holds its lower edge.
        least: Bins with fewer values are left out.
        weights: `(values,)`, or None.
    """
    rows = []
    for low, high in pairwise(edges):
        inside = (x >= low) & (x < high)
        if inside.sum() >= least:
            own = None if weights is None else weights[inside]
            mean = np.average(x[inside], weights=own)
            rows.append((low, high, mean, *median_and_width(y[inside], own)))
    return Profile(*np.array(rows, dtype=np.float64).reshape(-1, 7).T)


def histogram(values: Array, edges: Array) -> tuple[Array, Array]:
    """Fill a histogram as fractions of all values, those outside its range included.

    Args:
        values: `(values,)`.
        edges: `(bins + 1,)`; the last bin holds its upper edge.

    Returns:
        `(bins,)` fractions and their errors, the square root of each count over all values.
    """
    counts, _ = np.histogram(values, edges)
    total = max(len(values), 1)
    return counts / total, np.sqrt(counts) / total


def nice_edges(values: Array, bins: int = 40, coverage: float = 0.99) -> Array:
    """Choose bins of a round width that cover the bulk of some values.

    Args:
        values: `(values,)`, finite; may be empty.
        bins: Most bins. Fewer than `2 n^(1/3)` (Rice's rule) are made of n values, so that a
            small sample does not dissolve into noise.
        coverage: Fraction of the values between the first and the last edge, at least.

    Returns:
        `(bins + 1,)` edges, multiples of a width of 1, 2, 4 or 5 times a power of ten.
    """
    tail = (1 - coverage) / 2
    low, high = np.quantile(values, (tail, 1 - tail)) if len(values) else (0.0, 1.0)
    span = max(high - low, 1e-3 * abs(high), 1e-6)
    # Rounding both ends outwards can add two bins.
    rough = span / (max(10, min(bins, round(2 * np.cbrt(len(values))))) - 2)
    power = 10.0 ** np.floor(np.log10(rough))
    width = next(factor * power for factor in (1, 2, 4, 5, 10) if factor * power >= rough)
    first = np.floor(low / width)
    last = max(np.ceil(high / width), first + 1)
    edges: Array = np.arange(first, last + 1) * width
    return edges
