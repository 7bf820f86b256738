"""Domains of numbers, said in the annotation of an argument: `units: Count`, `rate: Positive`.

Whatever a recipe can set has one: arguments of registered functions and of optimizers, fields of
the schemas. `msml.hints` checks them where it checks types. NaN and infinity are in none of
them but `Number`; a `float` without a domain is any finite number.
"""

import math
import sys
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias


@dataclass(frozen=True)
class Domain:
    """Numbers between two limits.

    Attributes:
        low: The lower limit.
        high: The upper limit.
        above: Whether the lower limit itself is left out.
        below: Whether the upper limit itself is left out.
        finite: Whether NaN and infinity are no such numbers.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    finite: bool = True

    def contains(self, value: float) -> bool:
        """Say whether a number lies in the domain."""
        if not self.finite:
            return True
        if not -sys.float_info.max <= value <= sys.float_info.max:
            return False
        lower = self.low < value if self.above else self.low <= value
        return lower and (value < self.high if self.below else value <= self.high)

    def words(self, one: str, many: str = "") -> str:
        """Say which numbers these are: `a number` above 0, or, of several, `numbers` above 0."""
        low, high = f"{self.low:.10g}", f"{self.high:.10g}"
        what = many or one
        if math.isinf(self.low) and math.isinf(self.high):
            return f"finite {many}" if many else "a finite number"
        if math.isinf(self.low):
            return f"{what} {'below' if self.below else 'up to'} {high}"
        if math.isinf(self.high):
            least = f"{many} of {low} or more" if many else f"{low} or more"
            return f"{what} above {low}" if self.above else least
        if self.above and self.below:
            return f"{what} between {low} and {high}"
        start, end = "above" if self.above else "from", "to below" if self.below else "to"
        return f"{what} {start} {low} {end} {high}"

    def near(self, value: float) -> "Domain":
        """Leave out a limit that is only there because numbers end somewhere, unless it is met."""
        far = self.high >= LARGEST and value < self.low
        return replace(self, high=math.inf) if far else self


LARGEST = 10**9
"""The largest number of anything that is counted; more would not fit int32."""

Number: TypeAlias = Annotated[float, Domain(finite=False)]
Finite: TypeAlias = Annotated[float, Domain()]
Positive: TypeAlias = Annotated[float, Domain(0, above=True)]
NotNegative: TypeAlias = Annotated[float, Domain(0)]
Probability: TypeAlias = Annotated[float, Domain(0, 1, above=True, below=True)]
Fraction: TypeAlias = Annotated[float, Domain(0, 1, below=True)]
"""A part of something that is never all of it: a dropout, a momentum."""

Whole: TypeAlias = Annotated[int, Domain(-(2**53), 2**53)]
"""What float64 holds exactly."""

Natural: TypeAlias = Annotated[int, Domain(0, LARGEST)]
Count: TypeAlias = Annotated[int, Domain(1, LARGEST)]
Seed: TypeAlias = Annotated[int, Domain(0, 2**32 - 1)]
Label: TypeAlias = Annotated[int, Domain(0, 255)]
Width: TypeAlias = Annotated[int, Domain(1, 16384)]
"""Numbers that a layer gives, or pixels that it sees at once."""

Kernel: TypeAlias = Annotated[int, Domain(1, 256)]
"""Pixels that one number sees, along each axis."""

Depth: TypeAlias = Annotated[int, Domain(0, 100)]
"""Layers of one kind, where none is a model too."""

Depth1: TypeAlias = Annotated[int, Domain(1, 100)]
"""Layers of one kind, where there must be one."""
