"""What a run keeps of costs, and which chains are worth theirs."""

from math import inf, isnan, nan

from hypothesis import given
from hypothesis import strategies as st

from msml.runs import layout
from msml.runs.cost import UNKNOWN, Cost, comparable, front, read


def test_a_cost_is_kept_for_a_chain_and_for_what_joint_makes_of_it(tmp_path):
    alone, joint = Cost(5, 10.0, (0.001, 0.02), "Keras"), Cost(50, nan, (0.01, nan), "Keras")
    alone.write(layout.cost(tmp_path, "a+b", "alone"))
    assert read(tmp_path, "a+b") == read(tmp_path, "a+b", "joint") == alone
    joint.write(layout.cost(tmp_path, "a+b", "joint"))
    found = read(tmp_path, "a+b", "joint")
    assert isnan(found.flops)
    assert found.cells == ("50", "-", "10", "-")
    assert read(tmp_path, "a+b", "sequential") == alone
    assert read(tmp_path, "b+a") is None


def test_the_front():
    """The second is as good for more, the fourth worse for as much; equals stay together."""
    qualities, costs = [0.8, 0.8, 0.9, 0.7, 0.9, nan, 0.95], [1, 2, 3, 1, 3, 0, inf]
    assert front(qualities, costs) == [True, False, True, False, True, False, False]
    assert front([], []) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_nothing_beats_what_is_on_the_front(points):
    found = front([float(q) for q, _ in points], [float(c) for _, c in points])
    for (quality, cost), best in zip(points, found, strict=True):
        better = [(q, c) for q, c in points if q >= quality and c <= cost]
        assert best == all(each == (quality, cost) for each in better)


def test_times_are_compared_where_operations_are_not_known():
    costs = [Cost(1, 10, (1.0, 3.0)), Cost(1, 20, (1.0, 2.0))]
    assert comparable(costs) == [10, 20]
    assert comparable([*costs, Cost(1, nan, (1.0, 5.0))]) == [3.0, 2.0, 5.0]
    assert UNKNOWN.cells == ("-",) * 4
