"""Conditions against a slow judge that walks every path, and on cells that are written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.conditions.cells import Cells
from lapt.conditions.judging import SAMPLED, evidence_of, fits, holding, members_of
from lapt.conditions.language import condition_of
from lapt.errors import SpaceError
from lapt.spaces import BUILTIN, Architecture, DeclaredSpace, SearchSpace, whole_of
from lapt.spaces.graphs import CellGraph, OperatorEdge

NAS201, TRANS101, DARTS = (BUILTIN[name] for name in ("nas201", "trans101", "darts"))
CHAIN = whole_of(
    DeclaredSpace.model_validate(
        {"name": "chain", "encoding": "{a}{b}{c}", "layers": [{"name": n, "operators": ["x", "y", "z"]} for n in "abc"]}
    )
)
SPACES = (NAS201, TRANS101, DARTS, CHAIN)


def holds(space: SearchSpace, text: str, declared: dict[str, Any]) -> bool:
    (held,) = holding(condition_of(declared), Cells.of(space, [space.decode(text)]))
    return bool(held)


def cell(letters: str) -> str:
    """NAS-Bench-201's text of a cell: the operators of 0->1, 0->2, 1->2, 0->3, 1->3, 2->3."""
    names = {"n": "none", "s": "skip_connect", "1": "nor_conv_1x1", "3": "nor_conv_3x3", "p": "avg_pool_3x3"}
    return NAS201.encode(Architecture(tuple(names[letter] for letter in letters), ("0", "0", "1", "0", "1", "2")))


# --- by hand ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("letters", "declared", "expected"),
    [
        ("3nnnn3", {"count": {"operators": ["nor_conv_3x3"], "at_least": 1}}, False),  # neither leads to the output
        ("3nnnn3", {"count": {"operators": ["nor_conv_3x3"], "at_least": 2, "live": False}}, True),
        ("3nnn3n", {"path": {"operators": ["nor_conv_3x3"], "at_least": 2}}, True),
        ("3nnn3n", {"path": {"operators": ["nor_conv_3x3"], "at_least": 2, "length": {"at_most": 1}}}, False),
        ("33n333", {"path": {"operators": ["nor_conv_3x3"], "at_least": 3}}, False),
        ("333333", {"path": {"operators": ["nor_conv_3x3"], "at_least": 3, "length": {"at_least": 3}}}, True),
        ("sssp3s", {"path": {"only": ["skip_connect"]}}, True),  # 0->2, 2->3
        ("snspsn", {"path": {"only": ["skip_connect"], "length": {"at_least": 2}}}, True),
        ("3nnp3n", {"path": {"operators": ["nor_conv_3x3"], "at_most": 0}}, True),  # the pooling
        ("3n3nnn", {"path": {"from": "0", "to": "2", "operators": ["nor_conv_3x3"], "at_least": 2}}, True),
        ("3n3nnn", {"path": {"from": "1", "operators": ["nor_conv_3x3"], "at_least": 1}}, False),
        ("3nnn3n", {"reaches": {"layers": ["0->1"]}}, True),
        ("3nnnn3", {"reaches": {"layers": ["0->1", "2->3"]}}, False),
        ("3s3s1n", {"depth": {"at_least": 2, "at_most": 2}}, True),  # 0->1->3; through 1->2 nothing goes on
        ("ssssss", {"depth": {"at_most": 0}}, True),
        ("33nn3n", {"width": {"at_most": 1}}, True),
        ("33nn3n", {"source": {"node": "0", "at_least": 2}}, True),
        ("33nn3n", {"count": {"into": "output", "at_least": 1, "at_most": 1}}, True),
        ("33nn3n", {"count": {"reads": "1", "at_least": 1}}, True),
        ("nnnnnn", {"count": {"at_most": 0}}, True),
        ("3nnnnn", {"choice": {"layer": "0->1", "operators": ["none", "nor_conv_3x3"]}}, True),
        ("3nnnnn", {"if": {"reaches": {"layers": ["0->1"]}}, "then": {"depth": {"at_least": 9}}}, True),
        ("3nnnnn", {"not": {"choice": {"layer": "0->1", "sources": ["0"]}}}, False),
        ("3sn", None, None),
    ],
)
def test_leaves_by_hand(letters: str, declared: dict[str, Any] | None, expected: bool | None) -> None:
    if declared is not None:
        assert holds(NAS201, cell(letters), declared) is expected


def test_at_least_k_of_counts_those_that_hold() -> None:
    parts = [{"reaches": {"layers": [layer]}} for layer in ("0->1", "0->2", "0->3")]
    held = [holds(NAS201, cell("3nn33n"), {"at_least": k, "of": parts}) for k in (1, 2, 3)]
    assert held == [True, True, False]


def test_the_whole_of_a_small_space_is_looked_at_and_a_sample_of_a_large_one() -> None:
    assert [len(members_of(space)) for space in (TRANS101, DARTS)] == [4096, SAMPLED]
    everywhere = evidence_of(
        condition_of({"choice": {"layer": "0->1", "operators": ["none"]}}), Cells.of(TRANS101, ()), TRANS101
    )
    assert (everywhere.base_rate, everywhere.support, everywhere.of) == (0.25, 0.0, 0)


def test_evidence_is_support_beside_the_base_rate() -> None:
    read = Cells.of(NAS201, [NAS201.decode(cell(letters)) for letters in ("3nnnnn", "3sssss", "ssssss", "nnnnnn")])
    found = evidence_of(condition_of({"choice": {"layer": "0->1", "operators": ["nor_conv_3x3"]}}), read, NAS201)
    assert (found.support, found.base_rate, found.lift, found.of) == (0.5, pytest.approx(0.2), pytest.approx(2.5), 4)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"choice": {"layer": "0->9", "operators": ["none"]}}, "0->9"),
        ({"choice": {"layer": "0->1", "operators": ["conv"]}}, "conv"),
        ({"choice": {"layer": "0->1", "sources": ["1"]}}, "0->1"),
        ({"count": {"operators": ["conv"], "at_least": 1}}, "nor_conv_3x3"),
        ({"count": {"cell": "normal", "at_least": 1}}, "normal"),
        ({"path": {"to": "7"}}, "output"),
        ({"source": {"node": "input1", "at_least": 1}}, "input1"),
        ({"size": {"of": "parameters", "at_most": 0.5}}, "sizes"),
    ],
)
def test_what_a_space_does_not_have_is_said(declared: dict[str, Any], said: str) -> None:
    space = CHAIN if "size" in declared else NAS201
    assert said in (fits(condition_of(declared), space) or "")
    with pytest.raises(SpaceError, match="expected"):
        holding(condition_of(declared), members_of(space))
    assert fits(condition_of({"count": {"at_least": 1}}), space) is None


def test_larger_cells_have_more_parameters() -> None:
    def larger(than: float) -> np.ndarray[Any, Any]:
        return holding(condition_of({"size": {"of": "parameters", "at_least": than}}), members_of(NAS201))

    half, tenth = larger(0.5), larger(0.9)
    assert 0.4 < half.mean() < 0.7
    assert tenth.mean() < 0.2
    assert not (tenth & ~half).any()
    assert holds(NAS201, cell("333333"), {"size": {"of": "multiply_adds", "at_least": 0.95}})
    assert holds(NAS201, cell("3nnnn3"), {"size": {"of": "parameters", "at_most": 0.1}})  # what is dead weighs nothing


# --- against a slow judge --------------------------------------------------------------------------------------------
def ways(graph: CellGraph, zero: str | None, start: int, end: int) -> Iterator[list[OperatorEdge]]:
    """Every path between two nodes through edges that are not zero, one after the other."""
    if start == end:
        yield []
    for edge in graph.edges:
        if edge.source == start and edge.operator != zero:
            yield from ([edge, *rest] for rest in ways(graph, zero, edge.target, end))


def paths(space: SearchSpace, architecture: Architecture) -> Iterator[list[OperatorEdge]]:
    for graph in space.family.graphs(architecture):
        fed = {edge.target for edge in graph.edges} | ({len(graph.nodes) - 1} if graph.joined else set())
        inputs = [at for at in range(len(graph.nodes)) if at not in fed]
        for start in inputs:
            for end in graph.joined or (len(graph.nodes) - 1,):
                yield from ways(graph, space.family.zero, start, end)


@st.composite
def cells(draw: st.DrawFn) -> tuple[SearchSpace, list[Architecture]]:
    space = draw(st.sampled_from(SPACES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return space, [space.sample(rng) for _ in range(8)]


@given(cells(), st.data())
def test_paths_counts_and_depths_are_those_of_a_judge_that_walks_every_path(
    drawn: tuple[SearchSpace, list[Architecture]], data: st.DataObject
) -> None:
    space, architectures = drawn
    known = sorted({operator for layer in space.layers for operator in layer.operators})
    wanted = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
    only = data.draw(st.lists(st.sampled_from(known), max_size=4, unique=True))
    least, most = sorted(data.draw(st.tuples(st.integers(0, 4), st.integers(0, 4))))
    short, long = sorted(data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5))))
    path = {"operators": wanted, "at_least": least, "at_most": most, "length": {"at_least": short, "at_most": long}}
    found = holding(condition_of({"path": {**path, "only": only}}), Cells.of(space, architectures))
    count = {"operators": wanted, "at_least": least, "at_most": most}
    counted = holding(condition_of({"count": count}), Cells.of(space, architectures))
    deep = holding(condition_of({"depth": {"at_least": least, "at_most": most}}), Cells.of(space, architectures))
    for at, architecture in enumerate(architectures):
        every = list(paths(space, architecture))
        assert found[at] == any(
            least <= sum(edge.operator in wanted for edge in way) <= most
            and short <= len(way) <= long
            and (not only or all(edge.operator in only for edge in way))
            for way in every
        )
        if space is not DARTS:  # its graphs have no edges of which one tells whose they are
            live = {edge for way in every for edge in way}
            assert counted[at] == (least <= sum(edge.operator in wanted for edge in live) <= most)
        identity = space.family.identity
        depth = max((sum(edge.operator != identity for edge in way) for way in every), default=0)
        assert deep[at] == (least <= depth <= most)
