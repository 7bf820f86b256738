"""The one line that a failing call says."""

import pytest

from msml.errors import DataError


def message(action, *args, error=DataError, **kwargs):
    with pytest.raises(error) as caught:
        action(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    return text
