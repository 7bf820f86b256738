"""Which chains XLA compiles."""

from types import SimpleNamespace

import pytest

from msml.models.build import build
from msml.stages.training import use_xla

SHAPES = {"tau": ([(2, 4), (2, 16, 16, 3)], (2, 3)), "higgs": ([(2, 3)], (1,))}


def decided(*names, gpu=False, asked=None):
    built = [build(name, *SHAPES[name.partition("_")[0]], {}, 1) for name in names]
    session = SimpleNamespace(
        values=SimpleNamespace(xla=asked), environment=SimpleNamespace(gpu=gpu)
    )
    return use_xla(session, built)


@pytest.mark.parametrize("names", [("tau_mlp",), ("higgs_lstm",), ("tau_mlp", "higgs_mass")])
def test_no_convolution_means_xla(names):
    assert decided(*names) is True
    assert decided(*names, asked=False) is False


@pytest.mark.parametrize("names", [("tau_cnn",), ("tau_cnn", "higgs_mlp")])
def test_a_convolution_means_none_on_a_cpu(names):
    assert decided(*names) is False
    assert decided(*names, gpu=True) is True
    assert decided(*names, asked=True) is True
