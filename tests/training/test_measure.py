"""Passes over events, several batches at a time."""

import threading

import pytest

from msml.training.measure import ahead


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_answers_come_in_order_and_few_arguments_are_taken_ahead(lanes):
    taken = []

    def arguments():
        for number in range(10):
            taken.append(number)
            yield number

    found = ahead(lambda number: 2 * number, arguments(), lanes)
    assert next(found) == 0
    assert len(taken) <= lanes + 1
    assert list(found) == [2 * number for number in range(1, 10)]


def test_calls_are_at_work_at_a_time():
    both = threading.Barrier(2, timeout=20)  # breaks where one waits for the other's end
    assert len(list(ahead(lambda _: both.wait(), range(2), 2))) == 2


@pytest.mark.parametrize("lanes", [1, 2])
def test_an_error_ends_it(lanes):
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda number: 1 // number, range(3), lanes))
