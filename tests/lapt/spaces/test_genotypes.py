"""Genotypes are read as the literature prints them, and nothing is run that stands in one."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from lapt.errors import SpaceError
from lapt.families.darts.family import DARTS
from lapt.families.darts.genotype import genotype
from lapt.families.darts.published_cells import PUBLISHED_CELLS
from lapt.spaces import BUILTIN

SPACE = BUILTIN["darts"]
DARTS_V2 = """Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5],
reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),
('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"""
EDGES = "[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)" + ", ('skip_connect', 0), ('none', 1)" * 3 + "]"


def text(normal: str = EDGES, concat: str = "range(2, 6)", reduce: str = EDGES, name: str = "Genotype") -> str:
    return f"{name}(normal={normal}, normal_concat={concat}, reduce={reduce}, reduce_concat=range(2, 6))"


def test_the_printed_namedtuple_is_an_architecture() -> None:
    found = SPACE.decode(DARTS_V2)
    chosen = dict(zip(SPACE.layer_names, zip(*found, strict=True), strict=True))
    assert chosen["normal.4a"] == ("skip_connect", "input0")  # written second, and the earlier source
    assert chosen["normal.4b"] == ("sep_conv_3x3", "input1")
    assert chosen["normal.5b"] == ("dil_conv_3x3", "node2")
    assert chosen["reduce.3a"] == ("max_pool_3x3", "input1")
    assert SPACE.decode(SPACE.encode(found)) == found
    assert "\n" not in SPACE.encode(found)


@pytest.mark.parametrize("concat", ["range(2, 6)", "[2, 3, 4, 5]", "(2, 3, 4, 5)", "[5, 4, 3, 2]"])
def test_every_way_to_write_a_concatenation(concat: str) -> None:
    assert SPACE.decode(text(concat=concat)) == SPACE.decode(text())


def configured(given: str) -> str:
    """As NAS-Bench-301 does: edges by number, and what every node after the first reads."""
    first_edge, found = {2: 0, 3: 2, 4: 5, 5: 9}, {}
    cells = genotype(given)
    for kind, nodes in (("normal", cells.normal), ("reduce", cells.reduce)):
        for number, edges in enumerate(nodes, start=2):
            found |= {f"edge_{kind}_{first_edge[number] + edge.source}": edge.operator for edge in edges}
            if number > 2:
                found[f"inputs_node_{kind}_{number}"] = "_".join(
                    str(source) for source in sorted(e.source for e in edges)
                )
    return json.dumps(found)


def nested(given: str) -> str:
    cells = genotype(given)
    return (
        f"Genotype(normal={[list(map(tuple, node)) for node in cells.normal]}, normal_concat=range(2, 6), "
        f"reduce={[list(map(tuple, node)) for node in cells.reduce]}, reduce_concat=range(2, 6))"
    )


WRITTEN = {
    "lists": lambda given: re.sub(r"\('(\w+)', (\d)\)", r"['\1', \2]", given),
    "a name before it": lambda given: "DARTS_V2 = " + given,
    "a module's": lambda given: given.replace("Genotype(", "genotypes.Genotype("),
    "white space": lambda given: f"\n  {given.replace(' ', '   ')}\n",
    "double quotes": lambda given: given.replace("'", '"'),
    "list of a range": lambda given: given.replace("[2, 3, 4, 5]", "list(range(2, 6))"),
    "tuple of a range": lambda given: given.replace("[2, 3, 4, 5]", "tuple(range(2, 6))"),
    "a list a node": nested,
    "a dictionary": lambda given: str(
        {
            "normal": list(map(tuple, (edge for node in genotype(given).normal for edge in node))),
            "normal_concat": [2, 3, 4, 5],
            "reduce": list(map(tuple, (edge for node in genotype(given).reduce for edge in node))),
            "reduce_concat": [2, 3, 4, 5],
        }
    ),
    "JSON": lambda given: json.dumps(
        {
            "normal": [edge for node in genotype(given).normal for edge in node],
            "normal_concat": [2, 3, 4, 5],
            "reduce": [edge for node in genotype(given).reduce for edge in node],
            "reduce_concat": [2, 3, 4, 5],
        }
    ),
    "keywords of dict": lambda given: given.replace("Genotype(", "dict("),
    "a configuration": configured,
    "a configuration with a prefix": lambda given: (
        configured(given)
        .replace('"edge_', '"NetworkSelectorDatasetInfo:darts:edge_')
        .replace('"inputs_', '"NetworkSelectorDatasetInfo:darts:inputs_')
        .replace("{", '{"OptimizerSelector:sgd:learning_rate": 0.025, ', 1)
    ),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_every_way_to_write_a_genotype_is_the_same_architecture(written: str) -> None:
    rng = np.random.default_rng(0)
    for given in (DARTS_V2, *(SPACE.encode(SPACE.sample(rng)) for _ in range(20))):
        assert SPACE.decode(WRITTEN[written](given)) == SPACE.decode(given)


@drawn(st.integers(0, 2**32), st.permutations(range(8)))
def test_inputs_of_a_node_may_stand_in_any_order(seed: int, order: list[int]) -> None:
    """Two edges a node, in the order of the nodes: which of the two comes first is no matter."""
    found = SPACE.sample(np.random.default_rng(seed))
    cells = DARTS.genotype(found)
    turned = iter([place < 4 for place in order])
    normal, reduce = (
        [tuple(edge) for node in nodes for edge in (node[::-1] if next(turned) else node)]
        for nodes in (cells.normal, cells.reduce)
    )
    assert SPACE.decode(text(str(normal), "[2, 3, 4, 5]", str(reduce))) == found


def test_fields_may_stand_without_their_names() -> None:
    bare = (
        text().replace("normal=", "").replace("normal_concat=", "").replace("reduce=", "").replace("reduce_concat=", "")
    )
    assert genotype(bare) == genotype(text())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (text(normal=EDGES.replace("none", "sep_conv_7x7")), "normal node 3 with the operator 'sep_conv_7x7'"),
        (text(reduce=EDGES.replace("('none', 1)", "('none', 0)", 1)), "reduce node 3 reads node 0 twice; the nodes of"),
        (text(normal=EDGES.replace("('none', 1)", "('none', 3)", 1)), "normal node 3 reads 3"),
        (text(normal="[('none', 0), ('none', 1)]"), r"normal_concat of \[2, 3, 4, 5\]"),
        (text(concat="[4, 5, 6]"), r"normal_concat of \[4, 5, 6\]"),
        (text(concat="range(10**9)"), "malformed node|range"),
        (text(concat="range(2, 999999999)"), "range"),
        (text(normal="[('none', 0)]"), "normal of 1 edges"),
        (text(normal="[('none', -1), ('none', 1)]"), "normal node 2 reads -1"),
        (text(normal="[('none', 2)]"), "normal node 2 reads 2"),
        (text(normal="['none', 'none']"), "'none' is no .operator, source."),
        (text(normal="[('none', 3, 0), ('none', 4, 2)]"), "normal node 2 is read and has no edges"),
        (text(normal="[('none', 2, 0), ('none', 1)]"), "normal of 2 edges"),
        (text(normal="[('none', 99999, 0)]"), "normal node 99999"),
        (text(normal="__import__('os').abort()"), "malformed node"),
        (text(concat="range(2, __import__('os').abort())"), "malformed node"),
        ("Genotype(normal=[])", "the fields"),
        (text() + "; 1", "invalid syntax"),
        ("[1, 2]", "no Genotype"),
        ("x = y = " + text(), "invalid syntax"),
        (text(normal=f"{EDGES}, normal={EDGES}"), "a field that stands twice"),
        (str({"normal": 1, "normal_concat": 2}), "the fields"),
        (text() + ", more", "no Genotype"),
        (text(normal="[[('none', 0)], [('none', 0), ('none', 1), ('none', 2)]]"), "normal_concat"),
        (text(normal="[[1, 2], [3, 4]]"), "is no .operator, source."),
        ("{'edge_normal_0': 'none'}", "inputs_node_normal_3|edge_normal_1"),
        ("{'edge_normal_0': __import__('os').abort(), 'edge_normal_1': 'none'}", "malformed node"),
        (configured(DARTS_V2).replace('normal_3": "0_1"', 'normal_3": "0_0"'), "node 3 reads node 0 twice"),
        ("(" * 4000, ""),
        ("x" * 6000, "6000 characters"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_no_darts_cell_is_refused(given: str, words: str) -> None:
    with pytest.raises(SpaceError, match=rf"expected a darts cell.*{words}") as refused:
        SPACE.decode(given)
    assert len(str(refused.value)) < 700


def test_a_family_has_one_text_for_an_architecture() -> None:
    assert str(DARTS.genotype(SPACE.decode(DARTS_V2))) == SPACE.encode(SPACE.decode(DARTS_V2))


# --- nodes with other numbers of edges -------------------------------------------------------------------------------
def test_published_cells_are_members_but_for_fairdarts() -> None:
    for name, found in PUBLISHED_CELLS.items():
        assert genotype(str(found)) == found
        if name == "FairDARTS_a":
            with pytest.raises(SpaceError, match="normal of 3 nodes"):
                SPACE.decode(str(found))
        else:
            assert SPACE.encode(SPACE.decode(str(found))) == str(found)
    assert DARTS.architecture(PUBLISHED_CELLS["DARTS_V2"]) == SPACE.decode(DARTS_V2)


def test_nodes_that_do_not_exist_are_left_out_of_the_concatenation() -> None:
    """FairDARTS prints nodes without edges in its concatenations."""
    given = text(
        normal="[('sep_conv_3x3', 2, 0), ('sep_conv_5x5', 2, 1), ('none', 4, 0), ('none', 4, 2), ('none', 4, 1)]"
    )
    found = genotype(given.replace("normal_concat=range(2, 6)", "normal_concat=range(2, 5)"))
    assert [len(edges) for edges in found.normal] == [2, 0, 3]
    assert found.normal_concat == (2, 4)
    assert genotype(str(found)) == found
