"""What reads exported chains as others would: ONNX Runtime in a process without TensorFlow."""

import subprocess
import sys
from pathlib import Path

import numpy as np

_READER = """\
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
given = dict(np.load(sys.argv[2]))
names = [each.name for each in session.get_outputs()]
found = session.run(names, {each.name: given[each.name] for each in session.get_inputs()})
np.savez(sys.argv[3], **dict(zip(names, found)))
assert not {"tensorflow", "keras", "msml"} & set(sys.modules)
"""


def read_back(folder: Path, columns: dict[str, np.ndarray], work: Path) -> dict[str, np.ndarray]:
    """Compute events with the ONNX file of a folder."""
    given, found = work / "given.npz", work / "found.npz"
    np.savez(given, **columns)
    command = [sys.executable, "-c", _READER, str(folder / "chain.onnx"), str(given), str(found)]
    subprocess.run(command, check=True)
    return dict(np.load(found))


def close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], digits=1e-5) -> None:
    """Compare outputs, relative to how far they range."""
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        spread = 1 + np.ptp(values.astype(float))
        assert found[name] == _approx(values, spread * digits), name


def _approx(values, size):
    import pytest

    return pytest.approx(values.astype(float), rel=0, abs=size)
