import numpy as np

from msml.data.transforms import FIRST_COMPONENT, TRANSFORMS, log_pt


def test_log_pt_changes_the_first_component_only():
    column = np.array([[[0.0, 1.5, 2.0], [49.9, -1.0, 0.5]]])
    transformed = log_pt(column)
    assert transformed.dtype == np.float32
    expected = [[[np.log(0.1), 1.5, 2.0], [np.log(50), -1.0, 0.5]]]
    np.testing.assert_allclose(transformed, expected, rtol=1e-6)
    assert column[0, 1, 0] == 49.9  # the caller's array is left alone


def test_every_requirement_is_that_of_a_transform():
    assert set(FIRST_COMPONENT) <= set(TRANSFORMS)
