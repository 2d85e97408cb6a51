"""Cells as graphs and figures, on cells whose dead edges are known."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from lapt.report.cells import cell_figures, cell_pictures, legend, places_of
from lapt.report.figures import PAGE, svg
from lapt.spaces import BUILTIN, DeclaredSpace, SearchSpace, whole_of
from lapt.spaces.graphs import short

NAS201 = BUILTIN["nas201"]


def test_an_edge_from_a_node_that_nothing_feeds_is_dead() -> None:
    cell = NAS201.decode("|none~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|")
    (graph,) = NAS201.family.graphs(cell)
    assert graph.nodes == ("in", "1", "2", "out")
    assert {(edge.source, edge.target): edge.live for edge in graph.edges} == {
        (0, 1): False,  # none
        (0, 2): True,
        (1, 2): False,  # node 1 is zeros
        (0, 3): True,
        (1, 3): False,
        (2, 3): True,
    }
    ((_, drawn),) = cell_figures("t", NAS201, cell)
    assert 'aria-label="cell; in to 1: none (dead), in to 2: conv 3×3, 1 to 2: conv 1×1 (dead)' in drawn
    assert drawn.count("var(--dead)") >= 3
    assert "Dotted grey ones have no part" in legend(NAS201, cell)
    alive = NAS201.decode(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|skip_connect~2|"
    )
    assert legend(NAS201, alive) == "Edges are operators."


def test_both_cells_of_darts_with_their_two_inputs() -> None:
    space = BUILTIN["darts"]
    normal, reduction = space.family.graphs(space.sample(np.random.default_rng(1)))
    assert (normal.name, reduction.name) == ("normal cell", "reduce cell")
    for graph in (normal, reduction):
        assert [edge.target for edge in graph.edges] == [2, 2, 3, 3, 4, 4, 5, 5]
        assert graph.joined == (2, 3, 4, 5)
        assert graph.nodes[-1] == "out"


def test_settings_of_a_network_stand_below_each_other() -> None:
    """Each has a row of its own, and the input and the output are at their middle."""
    space = BUILTIN["mobile"]
    _, settings = space.family.graphs(space.sample(np.random.default_rng(0)))
    first, *rows, last = places_of(settings)
    assert len(rows) == len(settings.edges) == 9
    assert len({x for x, _ in rows}) == 1
    heights = [y for _, y in rows]
    assert all(above - below > 0.5 for above, below in pairwise(heights))  # a label is 0.3 high
    assert first[1] == last[1] == pytest.approx((heights[0] + heights[-1]) / 2)
    ((_, _), (name, drawn)) = cell_figures("t", space, space.sample(np.random.default_rng(0)))
    assert name == "settings"
    assert "stage4.width" in drawn


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"name": "a"}, {"name": "b"}], [(0, 1), (1, 2)]),
        ([{"name": "a"}, {"name": "b", "sources": ["a", "input"]}], [(0, 1), (1, 2)]),
        ([{"name": "a"}, {"name": "b", "sources": ["x", "y"]}], [(0, 1), (1, 2)]),
    ],
)
def test_layers_of_a_declared_space_follow_each_other_or_their_sources(
    layers: list[dict[str, object]], expected: list[tuple[int, int]]
) -> None:
    declared = DeclaredSpace.model_validate(
        {
            "name": "mine",
            "encoding": "{a}-{b}" + ("{b:source}" if "sources" in layers[-1] else ""),
            "layers": [{"operators": ["conv", "pool"], **layer} for layer in layers],
        }
    )
    space = whole_of(declared)
    first = next(iter(space.members()))
    (graph,) = space.family.graphs(first)
    assert [(edge.source, edge.target) for edge in graph.edges] == expected


def test_an_operator_of_a_declared_space_may_be_called_none() -> None:
    layers = [{"name": name, "operators": ["none", "conv"]} for name in "ab"]
    space = whole_of(DeclaredSpace.model_validate({"name": "mine", "encoding": "{a}-{b}", "layers": layers}))
    ((_, drawn),) = cell_figures("t", space, space.decode("none-conv"))
    assert "input to a: none, a to b: conv" in drawn


@pytest.mark.parametrize("space", BUILTIN.values(), ids=str)
def test_figures_are_whole_and_take_their_colours_from_the_page(space: SearchSpace) -> None:
    architecture = space.sample(np.random.default_rng(0))
    drawn = cell_figures("one", space, architecture) + cell_figures("two", space, architecture)
    for _, text in drawn:
        root = ElementTree.fromstring(text)
        assert root.attrib["role"] == "img"
        assert not re.search(r"#0000[0-9a-f]{2}", text)
        assert "<style" not in text
        used = {match.removeprefix("#") for match in re.findall(r'(?:href="|url\()(#[\w-]+)', text)}
        assert used <= {element.attrib.get("id") for element in root.iter()}
    ids = [found for _, text in drawn for found in re.findall(r' id="([^"]+)"', text)]
    assert len(ids) == len(set(ids))
    assert all(picture.startswith(b"\x89PNG") for _, picture in cell_pictures(space, architecture))


def test_text_of_others_is_text() -> None:
    drawn = svg("t", '"><script>', lambda axes: axes.set_title("$\\frac{1}</text><script>"))
    assert "<script" not in drawn
    assert "$\\frac{1}" in drawn
    ElementTree.fromstring(drawn)


def test_stand_in_colours_differ() -> None:
    colours = [PAGE.ink, PAGE.pale, PAGE.paper, PAGE.dead, *PAGE.series]
    assert len(set(colours)) == len(colours)


def test_operators_have_short_names() -> None:
    assert [short(name) for name in ("nor_conv_3x3", "skip_connect", "sep_conv_5x5", "none")] == [
        "conv 3×3",
        "skip",
        "sep conv 5×5",
        "none",
    ]
