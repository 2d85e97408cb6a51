"""Features say what a cell computes: open paths, live layers, counts; by hand, and against the cell family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.families.dag.cell import DagCell
from lapt.families.dag.features import codes, graphs, live_layers, open_paths, path_features
from lapt.families.darts.cell import DartsCell
from lapt.families.darts.features import canonical_codes, coded
from lapt.families.darts.features import graphs as graphs_of_darts
from lapt.search.methods.model_based import features, flat_graphs
from lapt.spaces import BUILTIN, Architecture
from lapt.spaces.features import one_hot

NAS201, TRANS101 = BUILTIN["nas201"], BUILTIN["trans101"]


def cell_of(name: str) -> DagCell:
    cell = BUILTIN[name].family
    assert isinstance(cell, DagCell)
    return cell


def test_paths_of_a_cell_counted_by_hand() -> None:
    # 0->1 3x3, 0->2 none, 1->2 skip, 0->3 none, 1->3 1x1, 2->3 3x3: open are 0-1-3 and 0-1-2-3.
    cell = cell_of("trans101")
    coded = codes(cell, [TRANS101.decode("64-41414-3_01_023")])
    assert cell.paths == (("0->3",), ("0->1", "1->3"), ("0->2", "2->3"), ("0->1", "1->2", "2->3"))
    assert open_paths(cell, coded).tolist() == [[False, True, False, True]]
    assert live_layers(cell, coded).tolist() == [[True, False, True, False, True, True]]
    open_skip_1x1_3x3 = [0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 2]  # path by path
    sums, largest = [2, 1, 1, 3, 4], [1, 1, 1, 2, 2]  # the last: depth
    assert path_features(cell, coded)[0].tolist() == [*open_skip_1x1_3x3, *sums, *largest]


@pytest.mark.parametrize("name", ["nas201", "trans101"])
def test_live_layers_are_those_of_the_cell_family(name: str) -> None:
    members = list(BUILTIN[name].members())[::53]
    live = live_layers(cell_of(name), codes(cell_of(name), members))
    assert [tuple(np.flatnonzero(row)) for row in live] == [cell_of(name).live_edges(m.operators) for m in members]


def test_equal_functions_look_the_same() -> None:
    members = list(TRANS101.members())[::5]
    rows = features(TRANS101, members)
    seen: dict[object, np.ndarray] = {}
    for member, row in zip(members, rows, strict=True):
        assert np.array_equal(seen.setdefault(TRANS101.canonical(member), row), row)


@given(st.sampled_from(["darts", "darts7"]), st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_canonical_forms_of_many_darts_cells_at_once_are_those_one_by_one(name: str, seed: int, n: int) -> None:
    space, rng = BUILTIN[name], np.random.default_rng(seed)
    assert isinstance(space.family, DartsCell)
    cells = [space.sample(rng) for _ in range(n)]
    together = canonical_codes(space.family, cells)
    alone = coded(space.family, [space.canonical(cell) for cell in cells])
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


def test_blocks_cover_the_features() -> None:
    for space in (NAS201, TRANS101):
        (row,) = features(space, [next(space.members())])
        assert np.concatenate([row[block] for block in space.family.blocks]).tolist() == row.tolist()


def test_one_hot_has_one_operator_a_layer_and_none_where_the_space_lacks_it() -> None:
    small = NAS201.restrict(operators={"0->1": ["none", "nor_conv_3x3"]})
    inside = one_hot(small.layers, list(small.members())[:100])
    assert inside.shape[1] == 2 + 5 * 5
    assert (inside.sum(axis=1) == 6).all()
    outside = NAS201.decode("|avg_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert one_hot(small.layers, [outside]).sum() == 5


def test_dead_layers_are_nothing_in_operators_and_graphs() -> None:
    cell = cell_of("nas201")
    coded = codes(cell, [NAS201.decode("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")])
    assert live_layers(cell, coded).tolist() == [[False, False, False, True, False, False]]
    adjacency, operators = graphs(cell, coded)
    assert sorted(zip(*np.nonzero(adjacency[0]), strict=True)) == [(0, 4), (4, 7)]
    assert operators[0].sum(axis=1).tolist() == [1] * 8


def test_a_layer_reads_the_layers_that_end_where_it_starts() -> None:
    cell = cell_of("nas201")
    full = codes(
        cell,
        [
            NAS201.decode(
                "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
            )
        ],
    )
    reads = graphs(cell, full)[0][0]
    # nodes: 0 input; 1..6 the layers 0->1, 0->2, 1->2, 0->3, 1->3, 2->3; 7 output
    expected = {(0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7)}
    assert set(zip(*map(np.ndarray.tolist, np.nonzero(reads)), strict=True)) == expected


# --- DARTS cells -----------------------------------------------------------------------------------------------------
DARTS = BUILTIN["darts"]
CELL = DARTS.decode(
    "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('max_pool_3x3', 1), ('sep_conv_3x3', 2), "
    "('none', 0), ('sep_conv_5x5', 3), ('none', 0), ('skip_connect', 4)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('max_pool_3x3', 1), ('none', 0), ('none', 1)], reduce_concat=range(2, 6))"
)


def described(architecture: Architecture) -> dict[str, float]:
    names, (row,) = DARTS.family.feature_names, features(DARTS, [architecture])
    return dict(zip(names, row.tolist(), strict=True))


def test_paths_of_a_darts_cell_counted_by_hand() -> None:
    """Node 2 has two paths, node 3 those through it and one of its own; 4 and 5 are chains from node 3."""
    found = described(CELL)
    assert [found[f"paths from input{i} to node {n} of the normal cell"] for n in (2, 3, 4, 5) for i in (0, 1)] == [
        1, 1, 1, 2, 1, 2, 1, 2]  # fmt: skip
    assert [found[f"sep_conv_3x3 on the paths to node {n} of the normal cell"] for n in (2, 3, 4, 5)] == [1, 3, 3, 3]
    assert [found[f"sep_conv_5x5 on the paths to node {n} of the normal cell"] for n in (2, 3, 4, 5)] == [0, 0, 3, 3]
    assert [found[f"depth of node {n} of the normal cell"] for n in (2, 3, 4, 5)] == [1, 2, 3, 3]
    assert found["depth of the normal cell"] == 3
    assert found["sep_conv_3x3 in the normal cell"] == 2
    assert found["sep_conv_3x3 on all paths of the normal cell"] == 10
    assert (found["layers of the normal cell that read input0"], found["paths from input1 in the normal cell"]) == (
        1,
        7,
    )


def test_a_node_of_nothing_has_no_paths_and_equal_functions_look_the_same() -> None:
    found = described(CELL)  # the reduction cell's canonical form has its empty node first
    empty = [found[f"paths from input0 to node {n} of the reduction cell"] for n in (2, 3, 4, 5)]
    assert sorted(empty) == [0, 1, 1, 1]
    assert found["max_pool_3x3 in the reduction cell"] == 6
    rng = np.random.default_rng(0)
    members = [DARTS.sample(rng) for _ in range(200)]
    forms = [DARTS.canonical(member) for member in members]
    assert np.array_equal(features(DARTS, members), features(DARTS, forms))
    assert np.array_equal(flat_graphs(DARTS, members), flat_graphs(DARTS, forms))


@pytest.mark.parametrize("name", ["darts", "darts7"])
def test_columns_of_darts_features_have_names_and_blocks(name: str) -> None:
    space, rng = BUILTIN[name], np.random.default_rng(1)
    members = [space.sample(rng) for _ in range(300)]
    rows = features(space, members)
    names = space.family.feature_names
    assert len(set(names)) == len(names) == rows.shape[1] == 320 + 2 * 4 * 10 + 2 * 19
    assert (rows[:, :320].sum(axis=1) == 16).all()
    assert np.array_equal(rows[:, :320], one_hot(BUILTIN["darts"].layers, [space.canonical(m) for m in members]))
    assert np.concatenate([rows[:, block] for block in space.family.blocks], axis=1).tolist() == rows.tolist()
    assert one_hot(space.layers, [space.sample(rng)]).sum() == 16


def test_a_darts_graph_has_the_edges_of_the_cell() -> None:
    adjacency, kinds = graphs_of_darts(DARTS.family, [CELL])
    nodes, width = DARTS.family.graph_shape
    assert (adjacency.shape, kinds.shape) == ((1, nodes, nodes), (1, nodes, width))
    # 0, 1 inputs; 2..9 the layers 2a, 2b, ..., 5b; 10 output. 4a and 5a are none.
    expected = {(0, 2), (1, 3), (1, 4), (2, 5), (3, 5), (4, 7), (5, 7), (7, 9), *((n, 10) for n in (2, 3, 4, 5, 7, 9))}
    normal = adjacency[0, :11, :11]
    assert set(zip(*map(np.ndarray.tolist, np.nonzero(normal)), strict=True)) == expected
    assert adjacency[0, :11, 11:].sum() == adjacency[0, 11:, :11].sum() == 0
    assert kinds[0].sum(axis=1).tolist() == [2] * 22
