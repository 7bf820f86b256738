"""Messages stay readable, however long what they are about is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml.errors import ends, shortened


@pytest.mark.parametrize(
    "value",
    ["/" + "a" * 5000, "'" + "words and " * 500 + "'", "x" * 200, "{" + "'k': 1, " * 300 + "}"],
)
def test_long_values_are_shortened_to_their_ends(value):
    message = shortened(f"r.yaml:3: data.file: {value}: no such file")
    assert message.startswith("r.yaml:3: data.file: ")
    assert message.endswith(": no such file")
    assert len(message) < (1001 if value[0] == "{" else 160)


def test_usual_messages_stay():
    message = "r.yaml:3: tasks.a.loss: unknown loss 'mes'; did you mean 'mse' or 'mae'?"
    assert shortened(message) == message


@given(st.text(max_size=400))
def test_ends_keep_both_ends(text):
    found = ends(text)
    assert len(found) <= 100
    assert found == text or (text.startswith(found[:40]) and text.endswith(found[-40:]))
