"""Same seed, same bits: in another process too."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import small

from msml.chain import Chain
from msml.training.variables import model_seed

SCRIPT = """
import sys
sys.path[:0] = sys.argv[2:]
import test_determinism
print(test_determinism.digest(int(sys.argv[1])))
"""


def digest(seed):
    """Hash of the weights after a short training with XLA."""
    model = small.model("higgs", "higgs_mlp", seed, **small.SMALL_HIGGS)
    chain = Chain(small.tasks(), {"higgs": model})
    training = small.trainee(chain, xla=True, seed=seed)
    small.run(training, small.settings(2))
    values = small.values(training)
    return hashlib.sha256(b"".join(values[name].tobytes() for name in sorted(values))).hexdigest()


def test_same_seed_same_bits_in_another_process():
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "3", str(here), str(here.parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == digest(3)
    assert digest(4) != digest(3)


def test_nothing_is_written_to_the_terminal_when_tensorflow_is_loaded():
    code = "from msml.training.environment import *; tensorflow(); print(environment().onednn)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in ("True", "False")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, "tau", "mlp", ""), (2, "tau", "mlp", "")),
        ((1, "tau", "mlp", ""), (1, "tau", "mlp_2", "")),
        ((1, "tau", "mlp", ""), (1, "higgs", "mlp", "")),
        ((1, "tau", "mlp", ""), (1, "tau", "mlp", "sequential")),
        ((1, "ab", "c", ""), (1, "a", "bc", "")),
    ],
)
def test_seeds_of_models_differ(one, other):
    assert model_seed(*one) == model_seed(*one) != model_seed(*other)
