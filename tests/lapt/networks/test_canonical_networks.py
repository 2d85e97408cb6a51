"""Cells with one canonical form compute one function, whatever the weights; other cells do not.

Two cells are compared by carrying the weights of one to the other, in every way that matches operators. Float64.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import pytest
import torch
from torch import nn
from weights import copy, pairs, randomise

from lapt.families.dag.networks.family import CellNetwork
from lapt.families.dag.networks.skeleton import Block
from lapt.spaces import BUILTIN, Architecture, SearchSpace

torch.set_num_threads(1)
BLOCKS = {
    "nas201": [Block("cell", 2, 2, 1)],
    "trans101": [Block("cell", 2, 4, 2), Block("cell", 4, 4, 1)],  # one that halves the side, and one that does not
}


def cells_of(space: SearchSpace, architecture: Architecture) -> nn.Sequential:
    blocks = BLOCKS[space.cell]
    cells = nn.Sequential(*(CellNetwork(space.family, architecture.operators, block) for block in blocks)).double()
    randomise(cells)
    return cells


def weights_by_operator(space: SearchSpace, architecture: Architecture) -> dict[object, list[str]]:
    """Live edges with weights by what makes weights fit: the operator, and whether it leaves the cell's input."""
    cell = CellNetwork(space.family, architecture.operators, BLOCKS[space.cell][0])
    operators = dict(zip(space.layer_names, architecture.operators, strict=True))
    found: dict[object, list[str]] = defaultdict(list)
    for edge in cell.edges:
        found[operators[edge], space.family.strided_input and edge.startswith("0")].append(edge)
    return found


def correspondences(one: dict[object, list[str]], two: dict[object, list[str]]) -> Iterator[dict[str, str]]:
    if {kind: len(edges) for kind, edges in one.items()} != {kind: len(edges) for kind, edges in two.items()}:
        return
    for orders in product(*(permutations(two[kind]) for kind in one)):
        matched = zip(one.values(), orders, strict=True)
        yield {mine: theirs for edges, order in matched for mine, theirs in zip(edges, order, strict=True)}


def computes_the_same(space: SearchSpace, one: Architecture, two: Architecture) -> bool | None:
    """Whether they are one function under some matching of their weights; None if their weights do not match."""
    alive = [bool(space.family.live_edges(cell.operators)) for cell in (one, two)]
    if not all(alive):
        return not any(alive)
    first, second = cells_of(space, one), cells_of(space, two)
    images = torch.randn(4, 2, 6, 6, dtype=torch.float64)
    expected = first(images.clone())  # a cell may overwrite its input
    tried = None
    for edges in correspondences(weights_by_operator(space, one), weights_by_operator(space, two)):
        for mine, theirs in zip(first, second, strict=True):
            for name, edge in mine.edges.items():  # an inner skip carries no weights
                if edges[name] in theirs.edges:
                    copy(pairs(edge, theirs.edges[edges[name]]))
        if torch.allclose(second(images.clone()), expected, rtol=1e-5, atol=1e-5):
            return True
        tried = False
    return tried


@pytest.mark.parametrize("name", ["nas201", "trans101"])
def test_a_cell_and_its_canonical_form_compute_the_same(name: str) -> None:
    space, rng = BUILTIN[name], np.random.default_rng(1)
    cells = [space.sample(rng) for _ in range(200)]
    pairs = [(cell, space.canonical(cell)) for cell in cells if space.canonical(cell) != cell][:50]
    assert len(pairs) == 50
    assert all(computes_the_same(space, cell, canonical) for cell, canonical in pairs)


@pytest.mark.parametrize("name", ["nas201", "trans101"])
def test_cells_with_different_canonical_forms_compute_differently(name: str) -> None:
    """Without poolings: a pooled sum is a sum of poolings, which canonical forms keep apart on purpose."""
    space, rng = BUILTIN[name], np.random.default_rng(2)
    compared = 0
    while compared < 20:
        one = space.sample(rng)
        two = Architecture(tuple(rng.permutation(one.operators).tolist()), one.sources)
        if "avg_pool_3x3" in one.operators or space.canonical(one) == space.canonical(two):
            continue
        same = computes_the_same(space, one, two)
        assert not same, (space.encode(one), space.encode(two))
        compared += same is False
