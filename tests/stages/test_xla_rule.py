"""Which chains XLA compiles."""

from types import SimpleNamespace

import pytest

from msml.models.build import build
from msml.stages.training import use_xla

SHAPES = {"tau": ([(2, 4), (2, 16, 16, 3)], (2, 3)), "higgs": ([(2, 3)], (1,))}


def decided(*names, gpu=False, asked=None, steps=10**6):
    built = [build(name, *SHAPES[name.partition("_")[0]], {}, 1) for name in names]
    session = SimpleNamespace(
        values=SimpleNamespace(xla=asked), environment=SimpleNamespace(gpu=gpu)
    )
    return use_xla(session, built, steps)


@pytest.mark.parametrize("names", [("tau_mlp",), ("higgs_lstm",), ("tau_mlp", "higgs_mass")])
def test_no_convolution_means_xla(names):
    assert decided(*names) is True
    assert decided(*names, asked=False) is False


def test_a_short_training_is_not_worth_it_on_a_cpu():
    assert decided("tau_mlp", steps=12_000) is False
    assert decided("tau_mlp", steps=12_000, gpu=True) is True
    assert decided("tau_mlp", steps=12_000, asked=True) is True


@pytest.mark.parametrize("names", [("tau_cnn",), ("tau_cnn", "higgs_mlp")])
@pytest.mark.parametrize("gpu", [False, True])
def test_pooling_by_maxima_means_none(names, gpu):
    assert decided(*names, gpu=gpu) is False
    assert decided(*names, gpu=gpu, asked=True) is True


def test_a_convolution_means_none_on_a_cpu():
    import keras

    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(2, 3)])
    session = SimpleNamespace(
        values=SimpleNamespace(xla=None), environment=SimpleNamespace(gpu=False)
    )
    assert use_xla(session, [model], 10**6) is False
    session.environment.gpu = True
    assert use_xla(session, [model], 10**6) is True
