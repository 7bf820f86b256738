"""The challenge's figure of merit: the significance of the events expected in 2012."""

from typing import Any

from msml.data.kinematics import Array
from msml.metrics.significance import Share, ams, choose_cut
from msml.registry import metrics
from msml.studies.higgsml.table import BACKGROUND, SIGNAL

_EXPECTED: dict[str, Any] = {"signal": SIGNAL, "background": BACKGROUND}


def _choose(
    target: Array, prediction: Array, weight: Array | None = None, **arguments: Any
) -> dict[str, float]:
    return choose_cut(target, prediction, weight, **_EXPECTED, **arguments)


@metrics.register(
    "higgsml_ams", target="label", better="higher", unit="1", yields=True, choose=_choose
)
def higgsml_ams(
    target: Array,
    prediction: Array,
    weight: Array | None = None,
    *,
    cut: Share | None = None,
    mask: Array | None = None,
) -> float:
    """`ams` of any part of a set, its weights scaled to what is expected of the whole.

    Source: Adam-Bourdarios et al., The Higgs boson machine learning challenge, 2015, eq. 7.
    """
    return ams(target, prediction, weight, cut=cut, mask=mask, **_EXPECTED)
