"""Figures of cells. Operators are edges, and those without effect are grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.patches import FancyArrowPatch

from lapt.report.figures import PAGE, PRINT, Draw, Palette, png, svg
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.graphs import CellGraph, short

Place = tuple[float, float]
ROW = 4
"""Number of layers in a row of the figure, for layers that only follow each other."""


def cell_figures(name: str, space: SearchSpace, architecture: Architecture) -> list[tuple[str, str]]:
    """(name, SVG element) of each cell of the architecture. ``name``: as of ``figures.svg``."""
    return [
        (graph.name, svg(f"{name}-{number}", said(graph), draw, size=_size(graph)))
        for number, (graph, draw) in enumerate(_drawings(space, architecture, PAGE))
    ]


def legend(space: SearchSpace, architecture: Architecture) -> str:
    """Explanation of the lines in the figures of an architecture."""
    found = space.family.graphs(architecture)
    dead = any(not edge.live for graph in found for edge in graph.edges)
    said = ["Edges are operators."]
    said += ["Dotted grey ones have no part in what the cell computes."] if dead else []
    said += ["Thin grey lines join the nodes to the output."] if any(graph.joined for graph in found) else []
    return " ".join(said)


def cell_pictures(space: SearchSpace, architecture: Architecture) -> list[tuple[str, bytes]]:
    """(description, PNG) of each cell of the architecture."""
    return [(said(graph), png(draw, size=_size(graph))) for graph, draw in _drawings(space, architecture, PRINT)]


def _drawings(space: SearchSpace, architecture: Architecture, palette: Palette) -> list[tuple[CellGraph, Draw]]:
    """Each cell and its drawing; an operator has one colour in all cells of the space."""
    found = space.family.graphs(architecture)
    operators = dict.fromkeys(operator for layer in space.layers for operator in layer.operators)
    coloured = [operator for operator in operators if operator != space.family.zero]  # an edge without effect
    colours = {op: palette.series[at % len(palette.series)] for at, op in enumerate(coloured)}
    return [(graph, partial(_draw, graph=graph, palette=palette, colours=colours)) for graph in found]


def said(graph: CellGraph) -> str:
    """The graph in words, edge by edge."""
    nodes = graph.nodes
    edges = (
        f"{nodes[edge.source]} to {nodes[edge.target]}: {short(edge.operator)}{'' if edge.live else ' (dead)'}"
        for edge in graph.edges
    )
    return f"{graph.name}; {', '.join(edges)}"


def _draw(axes: Any, graph: CellGraph, palette: Palette, colours: Mapping[str, str]) -> None:
    places = places_of(graph)
    axes.set_axis_off()
    axes.set_aspect("equal")
    for node in graph.joined:
        _arrow(axes, places[node], places[-1], 0, palette.dead, 0.8, "-")
    written: list[Place] = []
    for edge in graph.edges:
        start, end = places[edge.source], places[edge.target]
        bend = _bend(graph, edge.source, edge.target, start, end)
        colour = colours[edge.operator] if edge.live else palette.dead
        _arrow(axes, start, end, bend, colour, 1.8 if edge.live else 1.0, "-" if edge.live else ":")
        written.append(_free(start, end, bend, [*written, *places]))
        axes.text(
            *written[-1],
            short(edge.operator),
            ha="center",
            va="center",
            fontsize=9,
            color=colour,
            bbox={"facecolor": palette.paper, "edgecolor": "none", "pad": 1.2},
        )
    for (x, y), label in zip(places, graph.nodes, strict=True):
        axes.text(
            x,
            y,
            label,
            ha="center",
            va="center",
            fontsize=9,
            zorder=5,
            bbox={"boxstyle": "round,pad=0.35", "facecolor": palette.paper, "edgecolor": palette.ink},
        )
    xs, ys = zip(*places, strict=True)
    above, below = (1.1, 1.1) if graph.joined else (1.8, 1.1) if _is_cell(graph) else (0.35, 0.35)
    axes.set(xlim=(min(xs) - 0.4, max(xs) + 0.4), ylim=(min(ys) - below, max(ys) + above))


def _arrow(axes: Any, start: Place, end: Place, bend: float, colour: str, width: float, dash: str) -> None:
    arrow = FancyArrowPatch(
        start,
        end,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>",
        mutation_scale=9,
        shrinkA=11,
        shrinkB=11,
        color=colour,
        linewidth=width,
        linestyle=dash,
    )
    axes.add_patch(arrow)


def _free(start: Place, end: Place, bend: float, taken: Sequence[Place]) -> Place:
    """Place on an edge that is furthest from the ``taken`` ones, in widths and heights of a label."""

    def distance(t: float) -> float:
        x, y = _on_arc(start, end, bend, t)
        return min(1.0, *(max(abs(x - other) / 1.2, abs(y - across) / 0.3) for other, across in taken))

    return _on_arc(start, end, bend, max((0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74), key=distance))


def _on_arc(start: Place, end: Place, bend: float, t: float) -> Place:
    """A point of the edge, 0 at its start and 1 at its end: a quadratic Bezier curve, as matplotlib's arc3."""
    (x0, y0), (x1, y1) = start, end
    control = (x0 + x1) / 2 + bend * (y1 - y0), (y0 + y1) / 2 - bend * (x1 - x0)
    one, two, three = (1 - t) ** 2, 2 * t * (1 - t), t**2
    return one * x0 + two * control[0] + three * x1, one * y0 + two * control[1] + three * y1


def _is_cell(graph: CellGraph) -> bool:
    """Whether some node has two sources or more, so that the graph is more than layers in a row."""
    return len(graph.edges) > len(graph.nodes) - 1


def _is_star(graph: CellGraph) -> bool:
    """Whether many nodes read the one input alone, as settings of a network do."""
    return len(graph.edges) > 4 and bool(graph.joined) and all(edge.source == 0 for edge in graph.edges)


def places_of(graph: CellGraph) -> Sequence[Place]:
    """Place of each node in the figure."""
    if _is_star(graph):  # the nodes below each other
        middle = -0.3 * (len(graph.edges) - 1)
        return [(-0.4, middle), *((4.0, -0.6 * at) for at in range(len(graph.edges))), (7.0, middle)]
    if graph.joined:  # one or two inputs, nodes left and right of the middle, the output
        inner = len({edge.target for edge in graph.edges})
        inputs = [(-0.4, 1.0), (-0.4, -1.0)] if len(graph.nodes) > inner + 2 else [(-0.4, 0.0)]
        nodes = [(1.5 * (at + 1), 1.0 if at % 2 == 0 else -1.0) for at in range(inner)]
        return [*inputs, *nodes, (1.5 * (inner + 1), 0.0)]
    if _is_cell(graph):
        return [(1.6 * at, 0.0) for at in range(len(graph.nodes))]
    return [(1.6 * (at % ROW), -0.8 * (at // ROW)) for at in range(len(graph.nodes))]


def _bend(graph: CellGraph, source: int, target: int, start: Place, end: Place) -> float:
    """Curvature of an edge, large enough to pass the nodes between."""
    if not _is_cell(graph) or _is_star(graph):
        return 0.0
    if not graph.joined:
        height = 0.22 * (target - source)
        return 0.0 if target == source + 1 else height if source % 2 else -height
    if start[1] == end[1]:
        return (-0.26 if start[1] > 0 else 0.26) if end[0] - start[0] > 2 else 0.0
    return 0.0


def _size(graph: CellGraph) -> tuple[float, float]:
    if _is_star(graph):
        return 6.8, 0.6 * len(graph.edges)
    if graph.joined:
        return 6.8, 3.5
    return (5.0, 2.9) if _is_cell(graph) else (5.6, 0.5 + 0.75 * (1 + (len(graph.nodes) - 1) // ROW))
