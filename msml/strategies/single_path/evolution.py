"""Evolutionary search for the best combination: crossover and mutation of the best so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

Genes = tuple[int, ...]
# Combinations to what they are ordered by, lowest first.
Measure = Callable[[list[Genes]], Sequence[Any]]

# After so many children in a row that are known already, the rest of a generation is drawn.
_TRIES = 1000


@dataclass(frozen=True)
class Evolution:
    """How combinations evolve.

    Attributes:
        population: Combinations of the first generation, which are drawn.
        generations: Generations that follow; each has `crossovers` + `mutations` combinations.
        kept: So many of the best so far are the parents.
        crossovers: Children that have each gene from one of two parents.
        mutations: Children that have each gene of a parent drawn anew with `probability`.
        probability: See `mutations`.

    Source: Guo et al. 2020, arXiv:1904.00420, section 3.4; numbers: section 4.
    """

    population: int = 50
    generations: int = 20
    kept: int = 10
    crossovers: int = 25
    mutations: int = 25
    probability: float = 0.1


def evolve(
    sizes: Sequence[int], measure: Measure, rng: np.random.Generator, how: Evolution
) -> dict[Genes, Any]:
    """Search; no combination is measured twice, and all are where they are few.

    Args:
        sizes: Number of candidates of each task.
        measure: Called once a generation.
        rng: Random numbers.
        how: The numbers.

    Returns:
        What each combination that was measured is ordered by.
    """
    known: dict[Genes, Any] = {}

    def add(generation: list[Genes]) -> None:
        ordered = sorted(generation)
        known.update(zip(ordered, measure(ordered), strict=True))

    add(_filled([], how.population, sizes, known, rng))
    for _ in range(how.generations):
        parents = sorted(known, key=lambda genes: known[genes])[: how.kept]
        crossed = partial(_crossed, parents, rng)
        mutated = partial(_mutated, parents, rng, sizes, how.probability)
        new = _children(crossed, how.crossovers, known, [])
        new = _children(mutated, how.mutations, known, new)
        new = _filled(new, how.crossovers + how.mutations, sizes, known, rng)
        if not new:
            break
        add(new)
    return known


def _children(
    make: Callable[[], Genes], count: int, known: dict[Genes, Any], others: list[Genes]
) -> list[Genes]:
    """Add children that are new, if such are found."""
    children, wanted, tries = list(others), len(others) + count, 0
    while len(children) < wanted and tries < _TRIES:
        child = make()
        tries += 1
        if child not in known and child not in children:
            children.append(child)
            tries = 0
    return children


def _filled(
    some: list[Genes],
    count: int,
    sizes: Sequence[int],
    known: dict[Genes, Any],
    rng: np.random.Generator,
) -> list[Genes]:
    """Draw new combinations until there are so many, or none is left."""
    filled = list(some)
    while len(filled) < min(count, prod(sizes) - len(known)):
        genes = tuple(map(int, rng.integers(sizes)))
        if genes not in known and genes not in filled:
            filled.append(genes)
    return filled


def _crossed(parents: Sequence[Genes], rng: np.random.Generator) -> Genes:
    first, second = (parents[i] for i in rng.integers(len(parents), size=2))
    from_first = rng.random(len(first)) < 0.5
    return tuple(a if own else b for a, b, own in zip(first, second, from_first, strict=True))


def _mutated(
    parents: Sequence[Genes], rng: np.random.Generator, sizes: Sequence[int], probability: float
) -> Genes:
    parent = parents[rng.integers(len(parents))]
    drawn = rng.random(len(parent)) < probability
    return tuple(
        int(rng.integers(size)) if new else gene
        for gene, size, new in zip(parent, sizes, drawn, strict=True)
    )
