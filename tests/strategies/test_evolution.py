import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.strategies.single_path.evolution import Evolution, evolve


def landscape(sizes, seed):
    """A loss of each combination: what each gene adds, and some noise on top."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=size) for size in sizes]
    noise = 0.1 * rng.normal(size=sizes)
    return lambda genes: sum(p[g] for p, g in zip(parts, genes, strict=True)) + noise[genes]


def search(sizes, seed, how):
    loss, asked = landscape(sizes, seed), []

    def measure(generation):
        asked.append(list(generation))
        return [loss(genes) for genes in generation]

    known = evolve(sizes, measure, np.random.default_rng(seed), how)
    measured = [genes for generation in asked for genes in generation]
    assert len(measured) == len(set(measured)) == len(known)  # none twice
    assert all(0 <= g < n for genes in measured for g, n in zip(genes, sizes, strict=True))
    assert all(generation == sorted(generation) for generation in asked)
    best = min(np.ndindex(*sizes), key=loss)
    return known, best, asked


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple), seed=st.integers(0, 999)
)
@settings(max_examples=10, deadline=None)
def test_all_of_a_small_space_is_measured_once(sizes, seed):
    known, best, _ = search(sizes, seed, Evolution())
    assert len(known) == np.prod(sizes)
    assert min(known, key=known.get) == best


@pytest.mark.parametrize("seed", range(8))
def test_the_optimum_is_found_without_measuring_all(seed):
    how = Evolution(population=30, generations=10, kept=10, crossovers=12, mutations=12)
    known, best, asked = search((12, 10, 12), seed, how)
    assert min(known, key=known.get) == best
    assert [len(generation) for generation in asked] == [30] + [24] * 10
    assert len(known) == 270  # of 1440


def test_the_published_numbers():
    _, _, asked = search((60, 60), 1, Evolution())
    assert [len(generation) for generation in asked] == [50] * 21


def test_it_repeats_itself_and_learns():
    how = Evolution(population=40, generations=6)
    first, _, asked = search((40, 40), 3, how)
    assert list(first) == list(search((40, 40), 3, how)[0])
    means = [np.mean([first[genes] for genes in generation]) for generation in asked]
    assert means[-1] < means[0] - 0.5
