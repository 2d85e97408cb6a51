"""NAS-Bench-Graph's space: 26,206 functions, each with one form, whatever the order of its nodes is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from flows.studies.entrants.pairs import pairs
from lapt.conditions.cells import Cells
from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import Condition
from lapt.conditions.sentences import sentence
from lapt.errors import ConfigError, SpaceError
from lapt.evaluation import Metric
from lapt.evaluators.config import TableEvaluation
from lapt.evaluators.table import Table, TableEvaluator
from lapt.families.graph.cell import SHAPES, SOURCES
from lapt.families.graph.family import GRAPH
from lapt.pipeline.config import load_pipeline
from lapt.report.cells import cell_figures, legend
from lapt.spaces import BUILTIN, Architecture

SPACE = BUILTIN["nas_bench_graph"]
OPERATORS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
"""The benchmark's own order, which its numbers depend on."""


def network(text: str) -> Architecture:
    return SPACE.decode(text)


def canonical(text: str) -> str:
    return SPACE.encode(SPACE.canonical(network(text)))


@st.composite
def networks(draw: st.DrawFn) -> Architecture:
    sources = [draw(st.sampled_from(SOURCES[:at])) for at in range(1, 5)]
    few = st.sampled_from(draw(st.sampled_from([OPERATORS, ("gcn", "skip"), ("gat", "fc", "skip")])))
    return Architecture(tuple(draw(few) for _ in range(4)), tuple(sources))


def test_the_space_is_that_of_the_benchmark() -> None:
    assert GRAPH.operators == OPERATORS
    assert SPACE.size == 24 * 9**4
    functions = GRAPH.functions
    assert len(functions) == 26_206  # Qin et al. 2022
    assert sum({*one.operators} <= {"gcn", "sage", "arma", "fc", "skip"} for one in functions) == 2_021  # proteins
    assert all(SPACE.canonical(one) == one and SPACE.contains(one) for one in functions[::100])
    keys = [GRAPH.key(one) for one in functions]
    assert keys == sorted(set(keys))
    assert all(GRAPH.of_key(key) == one for key, one in zip(keys[::100], functions[::100], strict=True))


def test_the_example_of_its_authors_is_one_network_in_either_order() -> None:
    one, other = network("0121-gcn-gin-fc-cheb"), network("0112-gcn-gin-cheb-fc")
    assert SPACE.canonical(one) == SPACE.canonical(other) == other
    assert GRAPH.key(one) == GRAPH.key(other) == 61237  # links 0112 are the seventh; gcn 1, gin 2, cheb 3, fc 7


@given(networks(), st.permutations([1, 2, 3, 4]))
def test_the_order_of_nodes_does_not_matter(architecture: Architecture, order: list[int]) -> None:
    operators, read = GRAPH.numbers(architecture)
    place = {0: 0} | {node: at for at, node in enumerate(order, start=1)}
    if any(place[read[node - 1]] > place[node] for node in order):
        return  # a node would stand before the one that it reads
    links = "".join(str(place[read[node - 1]]) for node in order)
    moved = GRAPH.architecture(links, [OPERATORS[operators[node - 1]] for node in order])
    assert GRAPH.canonical(moved) == GRAPH.canonical(architecture)
    assert np.array_equal(GRAPH.features([moved]), GRAPH.features([architecture]))


@given(networks())
def test_a_canonical_form_is_one_that_the_benchmark_lists(architecture: Architecture) -> None:
    form = GRAPH.canonical(architecture)
    assert GRAPH.canonical(form) == form
    assert SPACE.encode(form)[:4] in SHAPES
    assert network(SPACE.encode(architecture)) == architecture
    assert GRAPH.computes(architecture) == (form in GRAPH.functions)
    working = [one for one in architecture.operators if one != "skip"]
    assert sorted(working) == sorted(one for one in form.operators if one != "skip")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("0123-gcn-skip-gat-skip", "0123-skip-skip-gcn-gat"),  # between two nodes, and alone behind one
        ("0000-gcn-skip-gcn-skip", "0122-skip-skip-gcn-gcn"),  # from the input to the output
        ("0011-gat-fc-skip-gcn", "0011-gat-fc-gcn-skip"),  # beside a reader: gat itself is at the output
        ("0112-gat-skip-gcn-skip", "0122-skip-gat-gcn-skip"),
        ("0000-skip-skip-skip-skip", "0123-skip-skip-skip-skip"),
    ],
)
def test_skips_that_compute_nothing_stand_in_front(text: str, form: str) -> None:
    assert canonical(text) == form


def test_skips_alone_compute_nothing() -> None:
    assert not GRAPH.computes(network("0012-skip-skip-skip-skip"))
    with pytest.raises(SpaceError, match="number of an architecture of nas_bench_graph; got 88888"):
        GRAPH.of_key(88888)


def test_its_own_code_gives_the_same_numbers() -> None:
    theirs = pytest.importorskip("nas_bench_graph.architecture", reason="the extra graph is not installed")
    for operators in itertools.product(("gat", "gcn", "fc", "skip"), repeat=4):
        for tail in itertools.product("01", "012", "0123"):
            links = "".join(("0", *tail))
            number = theirs.Arch([int(digit) for digit in links], list(operators)).valid_hash()
            assert GRAPH.key(GRAPH.architecture(links, operators)) == number


@pytest.mark.parametrize("text", ["0121-gcn-gin-fc", "0221-gcn-gin-fc-cheb", "0121-gcn-gin-fc-conv", "", "0121"])
def test_other_texts_are_no_network(text: str) -> None:
    with pytest.raises(SpaceError, match="a nas_bench_graph network such as 0121-gcn-gin-fc-cheb"):
        SPACE.decode(text)


def test_features_by_hand() -> None:
    row = GRAPH.features([network("0121-gcn-gin-fc-cheb")])[0]
    said = {name: value for name, value in zip(GRAPH.feature_names, row, strict=True) if value}
    assert said == {
        **{f"{one} as the {place} operator": 1 for one, place in (("gcn", "first"), ("gin", "second"))},
        **{"cheb as the second operator": 1, "fc as the third operator": 1, "cheb at the output": 1},
        **{"fc at the output": 1, "gin after gcn": 1, "cheb after gcn": 1, "fc after gin": 1},
        **{f"{one} anywhere": 1 for one in ("gcn", "gin", "cheb", "fc")},
        **{"operators that read the input": 1, "nodes at the output": 2, "depth": 3},
    }
    assert [block.stop for block in GRAPH.blocks] == [40, 112, None]


@pytest.mark.parametrize(
    ("condition", "held"),
    [
        ({"depth": {"at_least": 3}}, [True, False, False]),
        ({"count": {"into": "output", "at_least": 3}}, [False, True, True]),
        ({"path": {"operators": ["gcn"], "at_least": 1, "length": {"at_most": 1}}}, [False, False, True]),
        ({"width": {"at_least": 2}}, [False, False, True]),
    ],
)
def test_the_output_is_the_nodes_that_no_other_reads(condition: dict[str, object], held: list[bool]) -> None:
    read: Condition = TypeAdapter(Condition).validate_python(condition)
    cells = Cells.of(SPACE, map(network, ("0121-gcn-gin-fc-cheb", "0111-gcn-gin-fc-cheb", "0011-gat-gcn-gin-fc")))
    assert list(holding(read, cells)) == held
    assert sentence(read)


def test_base_rates_are_over_functions() -> None:
    assert members_of(SPACE).architectures == GRAPH.functions


def test_a_table_is_searched_function_by_function() -> None:
    known = (GRAPH.functions[0], network("0112-gcn-gin-cheb-fc"), network("0123-skip-skip-gcn-gat"))
    scores = {"cora": {"validation": np.array([1.0, 2.0, 3.0])}, "proteins": {"validation": np.array([np.nan, 5, 4])}}
    metrics = {task: Metric("points") for task in scores}
    texts = tuple(map(SPACE.encode, known))
    table = Table("few", SPACE.name, texts, scores, metrics, "0", canonical=True, holes=True)  # type: ignore[arg-type]
    for task, rows in (("cora", known), ("proteins", known[1:])):
        holding = TableEvaluator(table, SPACE, task, "never").holding
        assert set(holding.pool().rows) == set(rows)
    evaluator = TableEvaluator(table, SPACE, "cora")
    one, other, none = evaluator.evaluate(
        [network("0121-gcn-gin-fc-cheb"), known[1], network("0000-" + "-".join(["skip"] * 4))]
    )
    assert (one.identity, one.score) == (other.identity, other.score) == (texts[1], 2.0)
    assert none.failed


def test_a_network_can_be_drawn() -> None:
    (figure,) = cell_figures("one", SPACE, network("0121-gcn-gin-fc-cheb"))
    assert figure[0] == "network"
    assert "node2 to node3: fc" in figure[1]
    assert "join the nodes to the output" in legend(SPACE, network("0121-gcn-gin-fc-cheb"))


def test_it_cannot_be_trained() -> None:
    with pytest.raises(ConfigError, match=r"evaluator.kind table for nas_bench_graph; got training; import scores"):
        GRAPH.check_trained("training", shared=False)


def test_the_preset_has_nine_tasks_and_72_pairs() -> None:
    declared = load_pipeline("nas_bench_graph", ["search.method=gp", "controls=[]"])
    assert declared.evaluator == TableEvaluation(table="nas_bench_graph", pool="table")
    ours = [one for one in pairs(declared, [declared], 1) if one.default and one.method == "lapt-gp"]
    between = {(one.pipeline.source.task, one.pipeline.targets[0]) for one in ours}
    assert len(between) == 72
