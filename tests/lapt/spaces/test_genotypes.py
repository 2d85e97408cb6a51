"""Genotypes are read as the literature prints them, and nothing is run that stands in one."""

from __future__ import annotations

import pytest

from lapt.errors import SpaceError
from lapt.spaces import BUILTIN
from lapt.spaces.darts import DARTS
from lapt.spaces.genotype import genotype
from lapt.spaces.published_cells import PUBLISHED_CELLS

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


def test_fields_may_stand_without_their_names() -> None:
    bare = (
        text().replace("normal=", "").replace("normal_concat=", "").replace("reduce=", "").replace("reduce_concat=", "")
    )
    assert genotype(bare) == genotype(text())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (text(normal=EDGES.replace("none", "sep_conv_7x7")), "normal node 3 with the operator 'sep_conv_7x7'"),
        (text(reduce=EDGES.replace("('none', 1)", "('none', 0)", 1)), "reduce node 3 reads 0 twice"),
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
