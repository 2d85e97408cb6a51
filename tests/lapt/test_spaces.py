"""Search spaces: known sizes and class counts, and properties over random members and restrictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapt.errors import SpaceError
from lapt.families.dag.family import NAS201, TRANS101
from lapt.spaces import BUILTIN, Architecture, Layer, SearchSpace

SPACES = [BUILTIN["nas201"], BUILTIN["trans101"]]
seeds = st.integers(0, 2**32 - 1)


@st.composite
def restricted(draw: st.DrawFn) -> tuple[SearchSpace, SearchSpace]:
    """(a built-in space, a random restriction of it)."""
    space = draw(st.sampled_from(SPACES))
    operators = {
        layer.name: draw(st.sets(st.sampled_from(layer.operators), min_size=1))
        for layer in space.layers
        if draw(st.booleans())
    }
    return space, space.restrict(operators={name: sorted(kept) for name, kept in operators.items()})


def darts_node(sources: int) -> SearchSpace:
    """One DARTS node: two layers, eight operators, distinct sources."""
    operators = tuple(f"op{i}" for i in range(8))
    inputs = tuple(str(i) for i in range(sources))
    layers = (
        Layer(name="a", operators=operators, sources=inputs),
        Layer(name="b", operators=operators, sources=inputs),
    )
    return SearchSpace(name="node", cell="nas201", layers=layers, groups=((0, 1),))


def test_published_sizes() -> None:
    assert [space.size for space in SPACES] == [15_625, 4_096]


@pytest.mark.parametrize(("space", "distinct"), [(SPACES[0], 5_260), (SPACES[1], 1_376)])
def test_number_of_distinct_functions(space: SearchSpace, distinct: int) -> None:
    canonical = {space.canonical(architecture) for architecture in space.members()}
    assert len(canonical) == distinct
    assert all(space.canonical(architecture) == architecture for architecture in canonical)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        # A dead edge: nothing leaves node 1.
        ("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
         "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"),
        # An identity before or behind a convolution.
        ("|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|",
         "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"),
        # A convolution of nothing is nothing.
        ("|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
         "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"),
        # Nodes 1 and 2 trade places.
        ("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|",
         "|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|none~0|avg_pool_3x3~1|skip_connect~2|"),
    ],
)  # fmt: skip
def test_cells_that_compute_the_same_function(one: str, two: str) -> None:
    space = BUILTIN["nas201"]
    assert space.canonical(space.decode(one)) == space.canonical(space.decode(two))


def test_one_convolution_used_twice_is_not_two_convolutions() -> None:
    space = BUILTIN["nas201"]
    shared = space.decode("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|")
    apart = space.decode("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|")
    assert space.canonical(shared) != space.canonical(apart)


def test_a_skip_that_leaves_the_input_has_weights_in_trans101_alone() -> None:
    before, behind = ("skip_connect", "none", "nor_conv_3x3", "none", "none", "skip_connect"), (
        "none", "nor_conv_3x3", "none", "none", "none", "skip_connect")  # fmt: skip
    assert NAS201.signature(NAS201.architecture(before)) == NAS201.signature(NAS201.architecture(behind))
    assert TRANS101.signature(TRANS101.architecture(before)) != TRANS101.signature(TRANS101.architecture(behind))


@given(st.sampled_from(SPACES), seeds)
def test_decode_undoes_encode(space: SearchSpace, seed: int) -> None:
    architecture = space.sample(np.random.default_rng(seed))
    assert space.decode(space.encode(architecture)) == architecture


def test_encodings_are_the_fields_own() -> None:
    nas201, trans101 = SPACES
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
    assert nas201.encode(nas201.decode(text)) == text
    assert trans101.decode("64-41414-3_02_131").operators == (
        "nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "skip_connect")  # fmt: skip


@pytest.mark.parametrize(
    ("space", "text"),
    [(SPACES[0], text) for text in ("", "|conv~0|", "|none~0|+|none~0|none~1|+|none~0|none~2|none~1|", "x" * 5000)]
    + [(SPACES[1], text) for text in ("", "64-41414-4_00_000", "64-41414-000000", "64-41414-0_00_0000")],
)
def test_what_is_no_cell_is_refused(space: SearchSpace, text: str) -> None:
    with pytest.raises(SpaceError, match=r"expected a .* cell"):
        space.decode(text)


@given(restricted(), seeds)
def test_a_mutation_differs_in_one_layer_and_stays_inside(spaces: tuple[SearchSpace, SearchSpace], seed: int) -> None:
    _, space = spaces
    rng = np.random.default_rng(seed)
    parent = space.sample(rng)
    if space.size == 1:
        with pytest.raises(SpaceError, match="two candidates"):
            space.mutate(parent, rng)
        return
    child = space.mutate(parent, rng)
    assert space.contains(child)
    assert sum(a != b for a, b in zip(parent.operators, child.operators, strict=True)) == 1


@given(restricted(), seeds)
def test_restriction_is_monotone(spaces: tuple[SearchSpace, SearchSpace], seed: int) -> None:
    whole, small = spaces
    assert small.size <= whole.size
    assert whole.contains(small.sample(np.random.default_rng(seed)))
    assert small.intersect(whole) == small
    assert small.union(whole) == whole


@settings(max_examples=30)
@given(restricted())
def test_size_members_and_contains_agree(spaces: tuple[SearchSpace, SearchSpace]) -> None:
    whole, space = spaces
    members = set(space.members())
    assert len(members) == space.size
    assert members == {architecture for architecture in whole.members() if space.contains(architecture)}


@given(restricted(), seeds)
def test_projection_keeps_what_is_allowed(spaces: tuple[SearchSpace, SearchSpace], seed: int) -> None:
    whole, space = spaces
    rng = np.random.default_rng(seed)
    outside = whole.sample(rng)
    projected = space.project(outside, rng)
    assert space.contains(projected)
    for layer, before, after in zip(space.layers, outside.operators, projected.operators, strict=True):
        assert after == before or before not in layer.operators


@given(restricted(), seeds)
def test_crossover_takes_each_layer_from_a_parent(spaces: tuple[SearchSpace, SearchSpace], seed: int) -> None:
    _, space = spaces
    rng = np.random.default_rng(seed)
    one, two = space.sample(rng), space.sample(rng)
    child = space.crossover(one, two, rng)
    assert all(c in (a, b) for a, b, c in zip(one.operators, two.operators, child.operators, strict=True))


@given(restricted(), seeds)
def test_neighbours_are_all_members_one_layer_away(spaces: tuple[SearchSpace, SearchSpace], seed: int) -> None:
    _, space = spaces
    architecture = space.sample(np.random.default_rng(seed))
    neighbours = list(space.neighbours(architecture))
    assert len(neighbours) == len(set(neighbours)) == sum(len(layer.operators) - 1 for layer in space.layers)
    assert all(space.contains(neighbour) for neighbour in neighbours)


def test_sampling_is_uniform() -> None:
    space = BUILTIN["trans101"].restrict(operators={n: ["none"] for n in ("0->1", "0->2", "1->2", "0->3", "1->3")})
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng).operators[-1] for _ in range(4000)]
    assert all(900 < drawn.count(operator) < 1100 for operator in space.layers[-1].operators)


@given(restricted())
def test_a_space_survives_json(spaces: tuple[SearchSpace, SearchSpace]) -> None:
    _, space = spaces
    again = SearchSpace.model_validate_json(space.model_dump_json())
    assert again == space
    assert hash(again) == hash(space)


def test_widening_adds_named_candidates_and_nothing_else() -> None:
    whole = BUILTIN["nas201"]
    small = whole.restrict(operators={name: ["nor_conv_3x3"] for name in whole.layer_names})
    wider = small.widen(whole, operators={"0->1": ["none"]})
    assert wider.layer("0->1").operators == ("none", "nor_conv_3x3")
    assert wider.size == 2
    with pytest.raises(SpaceError, match="max_pool"):
        small.widen(whole, operators={"0->1": ["max_pool"]})


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ({"0->1": []}, "at least one candidate operator on layer 0->1"),
        ({"0->9": ["none"]}, "a layer of nas201"),
        ({"0->1": ["nor_conv_7x7"]}, "nor_conv_7x7"),
    ],
)
def test_bad_restrictions_are_refused(operators: dict[str, list[str]], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        BUILTIN["nas201"].restrict(operators=operators)


def test_disjoint_spaces_have_no_intersection() -> None:
    whole = BUILTIN["nas201"]
    one, two = (whole.restrict(operators={"0->1": [operator]}) for operator in ("none", "skip_connect"))
    with pytest.raises(SpaceError, match="at least one candidate operator"):
        one.intersect(two)


# --- nodes of two layers with distinct sources (DARTS) ---


@pytest.mark.parametrize("sources", [2, 3, 4, 5])
def test_a_node_counts_unordered_pairs_with_distinct_sources(sources: int) -> None:
    assert darts_node(sources).size == sources * (sources - 1) // 2 * 8**2


def test_a_node_accepts_either_order_and_refuses_equal_sources() -> None:
    space = darts_node(3)
    assert space.contains(Architecture(("op1", "op2"), ("0", "2")))
    assert space.contains(Architecture(("op2", "op1"), ("2", "0")))
    assert not space.contains(Architecture(("op1", "op2"), ("2", "2")))


def test_a_node_left_without_a_distinct_pair_is_an_error() -> None:
    with pytest.raises(SpaceError, match="distinct sources"):
        darts_node(3).restrict(sources={"a": ["1"], "b": ["1"]})


@given(st.integers(2, 5), seeds)
def test_a_mutation_inside_a_node_changes_one_of_its_layers(sources: int, seed: int) -> None:
    space = darts_node(sources)
    rng = np.random.default_rng(seed)
    parent = space.sample(rng)
    child = space.mutate(parent, rng)
    pairs = [set(zip(a.operators, a.sources, strict=True)) for a in (parent, child)]
    assert space.contains(child)
    assert len(pairs[0] & pairs[1]) == 1
