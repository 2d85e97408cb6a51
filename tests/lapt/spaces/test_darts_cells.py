"""DARTS cells: the paper's size, what a node may read, and which architectures are the same."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.errors import SpaceError
from lapt.families.darts.family import DARTS
from lapt.families.darts.genotype import Edge
from lapt.spaces import BUILTIN, Architecture, SearchSpace

SPACE, WITHOUT_NONE = BUILTIN["darts"], BUILTIN["darts7"]
spaces = st.sampled_from([SPACE, WITHOUT_NONE])
seeds = st.integers(0, 2**32 - 1)


@st.composite
def restricted(draw: st.DrawFn) -> tuple[SearchSpace, SearchSpace]:
    """(a DARTS space, a random restriction of its operators, and of the sources of what may read four)."""
    space = draw(spaces)
    kept: dict[str, dict[str, list[str]]] = {"operators": {}, "sources": {}}
    for layer in space.layers:
        for kind, least in (("operators", 1), ("sources", 2)):
            candidates = getattr(layer, kind)
            if len(candidates) > 3 and draw(st.booleans()):
                kept[kind][layer.name] = sorted(draw(st.sets(st.sampled_from(candidates), min_size=least)))
    return space, space.restrict(**kept)


def test_the_sizes_are_those_of_the_paper() -> None:
    pairs = math.prod(k * (k + 1) // 2 for k in range(1, 5))  # of sources, over the four stages: 1 * 3 * 6 * 10
    assert SPACE.size == (pairs * 8**8) ** 2 == 3_019_898_880**2
    assert WITHOUT_NONE.size == (pairs * 7**8) ** 2 == 1_037_664_180**2


def test_layers_read_inputs_and_earlier_nodes() -> None:
    assert SPACE.layer_names[:3] == ("normal.2a", "normal.2b", "normal.3a")
    assert [SPACE.layer(f"reduce.{node}a").sources for node in (2, 3, 4)] == [
        ("input0",),
        ("input0", "input1"),
        ("input0", "input1", "node2"),
    ]
    assert SPACE.layer("normal.5b").sources == ("input1", "node2", "node3", "node4")
    assert SPACE.layer("normal.2b").sources == ("input1",)


@given(restricted(), seeds)
def test_moves_stay_inside_and_decode_undoes_encode(spaces: tuple[SearchSpace, SearchSpace], seed: int) -> None:
    whole, space = spaces
    rng = np.random.default_rng(seed)
    one, two = space.sample(rng), space.sample(rng)
    for member in (one, space.mutate(one, rng), space.crossover(one, two, rng), space.project(whole.sample(rng), rng)):
        assert space.contains(member)
        assert whole.contains(member)
        assert space.decode(space.encode(member)) == member
        for first, second in DARTS.groups:
            assert member.sources[first] < member.sources[second]  # a reads the earlier source


@given(spaces, seeds)
def test_neighbours_change_one_layer(space: SearchSpace, seed: int) -> None:
    """Of n sources and k operators, each layer of node n has (n - 1) k - 1 other choices."""
    architecture = space.sample(np.random.default_rng(seed))
    k = len(space.layers[0].operators)
    neighbours = list(space.neighbours(architecture))
    assert len(neighbours) == len(set(neighbours)) == 2 * sum(2 * ((n - 1) * k - 1) for n in (2, 3, 4, 5))


@given(spaces, seeds)
def test_a_node_has_no_order(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    architecture = space.sample(rng)
    order = [p for group in DARTS.groups for p in rng.permutation(group)]
    turned = Architecture(*(tuple(chosen[p] for p in order) for chosen in architecture))
    assert space.contains(turned)
    assert space.encode(turned) == space.encode(architecture)
    assert space.canonical(turned) == space.canonical(architecture)


def test_a_node_without_two_sources_is_an_error() -> None:
    with pytest.raises(SpaceError, match=r"distinct sources for the layers \['normal.3a', 'normal.3b'\]"):
        SPACE.restrict(sources={"normal.3a": ["input1"], "normal.3b": ["input1"]})


@given(st.sampled_from([BUILTIN["trans101"], SPACE]), seeds)
def test_best_first_is_the_order_of_the_sums(whole: SearchSpace, seed: int) -> None:
    """In spaces of some dozen architectures, and the first of large ones."""
    rng = np.random.default_rng(seed)
    worth = {
        layer.name: dict(zip(layer.choices, rng.normal(size=len(layer.choices)).tolist(), strict=True))
        for layer in whole.layers
    }

    def total(architecture: Architecture) -> float:
        return sum(
            worth[name][choice] for name, choice in zip(whole.layer_names, zip(*architecture, strict=True), strict=True)
        )

    small = whole.restrict(
        operators={layer.name: layer.operators[: 1 + (at < 4)] for at, layer in enumerate(whole.layers)},
        sources={layer.name: layer.sources[:1] for layer in whole.layers},
    )
    found = list(small.best_first(lambda name, choice: worth[name][choice]))
    assert found == sorted(small.members(), key=total, reverse=True)
    best = next(whole.best_first(lambda name, choice: worth[name].get(choice, -math.inf)))
    assert all(total(best) >= total(neighbour) for neighbour in whole.neighbours(best))


# --- canonical forms -------------------------------------------------------------------------------------------------
FUNCTIONS = {
    "none": lambda x: 0 * x,
    "skip_connect": lambda x: x,
    "max_pool_3x3": lambda x: 0.5 * x,
    "avg_pool_3x3": lambda x: 0.3 * x,
    "sep_conv_3x3": lambda x: np.tanh(x) + 1,
    "sep_conv_5x5": lambda x: np.tanh(2 * x) + 2,
    "dil_conv_3x3": lambda x: np.cos(x) + 3,
    "dil_conv_5x5": lambda x: np.cos(2 * x) + 4,
}
"""Stand-ins: zeros stay zeros in what has no weights, and in nothing else."""


def outputs(architecture: Architecture) -> list[float]:
    """The values of the nodes of both cells on two numbers, in order of size: a concatenation, channels permuted."""
    found = []
    for nodes in DARTS.cells(architecture):
        values = [0.7, -1.1]
        for edges in nodes:
            values.append(sum(FUNCTIONS[operator](values[source]) for operator, source in edges))
        found += sorted(values[2:])
    return found


@given(spaces, seeds)
def test_a_canonical_form_computes_the_same(space: SearchSpace, seed: int) -> None:
    architecture = space.sample(np.random.default_rng(seed))
    canonical = space.canonical(architecture)
    assert space.contains(canonical)
    assert space.canonical(canonical) == canonical
    assert np.allclose(outputs(canonical), outputs(architecture), rtol=0, atol=1e-12)


@given(spaces, seeds)
def test_the_numbering_of_nodes_does_not_matter(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    architecture = space.sample(rng)
    for order in permutations(range(4)):
        number = [0, 1, *(2 + order.index(node) for node in range(4))]
        cells = [
            tuple(tuple(Edge(e.operator, number[e.source]) for e in nodes[old]) for old in order)
            for nodes in DARTS.cells(architecture)
        ]
        if all(edge.source < at for nodes in cells for at, edges in enumerate(nodes, start=2) for edge in edges):
            found = DARTS.genotype(architecture)._replace(normal=cells[0], reduce=cells[1])
            assert space.canonical(DARTS.architecture(found)) == space.canonical(architecture)


def normal(*edges: tuple[str, int]) -> Architecture:
    """A normal cell beside one reduction cell."""
    pairs = tuple((Edge(*edges[at]), Edge(*edges[at + 1])) for at in range(0, 8, 2))
    pooling = ((Edge("max_pool_3x3", 0), Edge("max_pool_3x3", 1)),) * 4
    return DARTS.architecture(
        DARTS.genotype(SPACE.sample(np.random.default_rng(0)))._replace(normal=pairs, reduce=pooling)
    )


def test_what_is_zero_is_none() -> None:
    conv, skip, pool, none = "sep_conv_3x3", "skip_connect", "max_pool_3x3", "none"
    # Node 2 is zero, so node 3 is one convolution of input 0, whatever skips and pools of node 2 there are.
    one = normal((none, 0), (none, 1), (conv, 0), (skip, 2), (conv, 0), (none, 3), (conv, 1), (pool, 2))
    two = normal((none, 0), (none, 1), (conv, 0), (none, 1), (pool, 2), (conv, 0), (none, 0), (conv, 1))
    assert SPACE.canonical(one) == SPACE.canonical(two)
    # A convolution of zeros has the bias of its normalisation: it is no zero.
    three = normal((none, 0), (none, 1), (conv, 0), (conv, 2), (conv, 0), (none, 3), (conv, 1), (pool, 2))
    assert SPACE.canonical(three) != SPACE.canonical(one)


def test_different_functions_have_different_forms() -> None:
    conv, skip = "sep_conv_3x3", "skip_connect"
    one = normal((conv, 0), (skip, 1), (conv, 0), (skip, 1), (conv, 0), (skip, 1), (conv, 2), (skip, 1))
    two = normal((conv, 0), (skip, 1), (conv, 0), (skip, 1), (conv, 0), (skip, 1), (conv, 1), (skip, 2))
    assert SPACE.canonical(one) != SPACE.canonical(two)
