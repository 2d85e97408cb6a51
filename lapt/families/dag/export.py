"""Networks of cells on a fixed graph as Python source."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from torch import nn

from lapt.base.templates import rendered
from lapt.export.text import Written
from lapt.families.dag.cell import DagCell
from lapt.families.dag.networks.family import Backbone, CellNetwork
from lapt.families.dag.networks.skeleton import POOL, Block, Skeleton, skeleton_of
from lapt.networks.family import NetworkSize
from lapt.networks.operators import ConvNorm
from lapt.spaces import Architecture


def written(family: DagCell, architecture: Architecture, body: Backbone, size: NetworkSize) -> Written:
    """The answer to ``lapt.export.source``."""
    operators, placed = architecture.operators, skeleton_of(family.name, size)
    classes, calls = _cells(family, operators, body, placed)
    return Written([*classes, _backbone(body, placed, calls)], *_edges(family, operators))


def _edges(family: DagCell, operators: tuple[str, ...]) -> tuple[str, str]:
    """Two texts: the live edges, and the edges that are left out although they have an operator."""
    live = family.live_edges(operators)
    named = [f"{name} {operator}" for name, operator in zip(family.layer_names, operators, strict=True)]
    dead = [named[e] for e in range(len(named)) if e not in live and operators[e] != family.zero]
    return (
        ", ".join(named[e] for e in live) or "zeros, as no path leads from its input to its output",
        f"\nLeft out, since on no path from input to output: {', '.join(dead)}." if dead else "",
    )


def _cells(
    family: DagCell, operators: tuple[str, ...], body: Backbone, skeleton: Skeleton
) -> tuple[list[str], dict[Block, str]]:
    """Classes of the cell, and the call that builds each block.

    One class, or two where a skip from the input makes the cell's code another one when the shape changes.
    """
    calls: dict[Block, str] = {}
    codes: dict[str, dict[Block, CellNetwork]] = {}
    for block, module in zip(skeleton.blocks, body.blocks, strict=False):  # a dead network has no blocks
        if isinstance(module, CellNetwork):
            codes.setdefault(_sums(family, operators, module), {})[block] = module
        else:
            calls[block] = f"ResidualReduction({block.channels_in}, {block.channels_out})"
    classes = []
    for forward, modules in codes.items():
        keeps = all(block.keeps_shape for block in modules)
        name = "Cell" if keeps or len(codes) == 1 else "ReductionCell"
        edges = next(iter(modules.values())).edges
        parameters = [] if not edges else ["channels"] if keeps else ["channels_in", "channels_out", "stride"]
        classes.append(
            rendered(
                "lapt.families.dag",
                "cell",
                name=name,
                keeps=keeps,
                parameters=parameters,
                edges={edge: _operator(edge, module, keeps) for edge, module in edges.items()},
                forward=forward,
            )
        )
        for block in modules:
            values = {**block._asdict(), "channels": block.channels_out}
            calls[block] = f"{name}({', '.join(str(values[parameter]) for parameter in parameters)})"
    return classes, calls


def _operator(edge: str, module: nn.Module, keeps: bool) -> str:
    """The call that builds the module of an edge."""
    outer = edge.startswith("0->")
    widths = "channels, channels" if keeps else f"{'channels_in' if outer else 'channels_out'}, channels_out"
    if isinstance(module, ConvNorm):
        return f"ConvNorm({widths}, {module.conv.kernel_size[0]}{', stride' if outer and not keeps else ''})"
    return f"{type(module).__name__}({widths})"


def _sums(family: DagCell, operators: tuple[str, ...], cell: CellNetwork) -> str:
    """The cell's forward: a line for each node that is fed and used, and one for each that is rectified."""
    lines: list[str] = []
    rectified: set[int] = set()
    live = family.live_edges(operators)
    for node in range(1, family.nodes):
        fresh, pooled, shared = [], [], []  # added in this order, as CellNetwork does: sums of floats depend on it
        for edge in (e for e in live if family.edges[e][1] == node):
            source, name = family.edges[edge][0], family.layer_names[edge]
            if name in cell.edges:
                fresh.append(f'self.edges["{name}"](relu{source})')
                if source not in rectified:
                    lines.append(f"relu{source} = functional.relu(node{source})")
                    rectified.add(source)
            elif operators[edge] == POOL:
                pooled.append(f"average_pool(node{source})")
            else:
                shared.append(f"node{source}")
        if fresh or pooled or shared:
            lines.append(f"node{node} = {' + '.join([*fresh, *pooled, *shared])}")
    return "\n".join([*lines, f"return node{family.nodes - 1}"])


def _backbone(body: Backbone, skeleton: Skeleton, calls: dict[Block, str]) -> str:
    widths = [body.image_channels, *(channels for channels, _ in skeleton.stem)]
    stem = [
        f"ConvNorm({width}, {channels}, 3{f', {stride}' if stride > 1 else ''})"
        for width, (channels, stride) in zip(widths, skeleton.stem, strict=False)
    ]
    # A dead network has no blocks, and no calls that would build them.
    blocks = [] if body.is_dead else _repeated(calls[block] for block in skeleton.blocks)
    return rendered("lapt.families.dag", "backbone", body=body, stem=stem, blocks=blocks, kaiming=skeleton.kaiming)


def _repeated(calls: Iterable[str]) -> list[str]:
    """Arguments for the same modules, with runs of equal calls as loops."""
    runs = [(call, len(list(run))) for call, run in groupby(calls)]
    return [call if length == 1 else f"*({call} for _ in range({length}))" for call, length in runs]
