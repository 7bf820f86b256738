import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml.strategies.random import drawn
from msml.strategies.single_path.sampling import draw
from msml.strategies.single_path.training import covering


@given(
    candidates=st.integers(1, 12),
    steps=st.integers(1, 40),
    epochs=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_fair_draws_each_equally_often(candidates, steps, epochs, seed):
    whole = np.concatenate([draw("fair", candidates, steps, seed, "t", e) for e in range(epochs)])
    for until in range(1, len(whole) + 1):  # at any time
        counts = np.bincount(whole[:until], minlength=candidates)
        assert counts.max() - counts.min() <= 1


def test_fair_changes_its_partners():
    """With as many candidates in both tasks a fixed permutation would never mix them."""
    first, second = (draw("fair", 3, 300, 1, key, 0) for key in ("a", "b"))
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == 9


def test_uniform_covers_all_about_equally():
    counts = np.bincount(draw("uniform", 5, 10_000, 1, "t", 0), minlength=5)
    assert np.all(np.abs(counts - 2000) < 5 * 40)


@pytest.mark.parametrize("sampling", ["uniform", "fair"])
def test_draws_follow_from_seed_task_and_epoch(sampling):
    first = draw(sampling, 4, 50, 1, "t", 7)
    assert first.dtype == np.int32
    assert np.array_equal(first, draw(sampling, 4, 50, 1, "t", 7))
    for other in [(2, "t", 7), (1, "s", 7), (1, "t", 8)]:
        assert not np.array_equal(first, draw(sampling, 4, 50, *other))


@given(counts=st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_paths_on_valid_cover_all_and_are_few(counts):
    paths = covering(counts)
    assert len(paths) == max(counts)
    for task, count in enumerate(counts):
        assert {path[task] for path in paths} == set(range(count))


def test_random_combinations_are_different_and_follow_from_the_seed():
    names = {"a": ["x", "y", "z"], "b": ["u", "v"]}
    found = drawn(names, 4, 1)
    assert found == drawn(names, 4, 1) != drawn(names, 4, 2)
    assert len({tuple(chain.values()) for chain in found}) == 4
    everything = drawn(names, 100, 1)
    assert len({tuple(chain.values()) for chain in everything}) == 6
    counts = [sum(chain["a"] == "x" for chain in drawn(names, 3, s)) for s in range(200)]
    assert 0.8 < np.mean(counts) < 1.2
