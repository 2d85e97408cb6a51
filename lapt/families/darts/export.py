"""DARTS networks as Python source."""

from __future__ import annotations

from lapt.base.templates import rendered
from lapt.export.text import Written
from lapt.families.darts.cell import DartsCell
from lapt.families.darts.genotype import FIRST, KINDS, Genotype
from lapt.families.darts.networks import family as networks
from lapt.families.darts.networks.family import (
    DartsBackbone,
    DartsCellNetwork,
    DilatedConv,
    MaxPool,
    MeanPool,
    SeparableConv,
    reads_rectified,
)
from lapt.families.darts.networks.skeleton import DartsSkeleton, darts_skeleton, edges_of
from lapt.networks.family import NetworkSize
from lapt.spaces import Architecture

NAMES = dict(zip(KINDS, ("NormalCell", "ReductionCell"), strict=True))


def written(family: DartsCell, architecture: Architecture, body: DartsBackbone, size: NetworkSize) -> Written:
    """The answer to ``lapt.export.source``."""
    found = family.genotype(architecture)
    skeleton = darts_skeleton(found, size)
    made = {place.kind: cell for place, cell in zip(skeleton.places, body.cells, strict=True)}
    return Written(
        [*(_cell(found, kind, made[kind]) for kind in KINDS), _backbone(body, skeleton)],
        "as the genotype says, whose inputs 0 and 1 are the outputs of the cells before the last and last",
        quoted=(SeparableConv, DilatedConv, MaxPool, MeanPool, networks._half),
    )


def _cell(found: Genotype, kind: str, cell: object) -> str:
    assert isinstance(cell, DartsCellNetwork)
    nodes = f"{len(cell.concat)} C" if len(cell.concat) > 1 else "C"
    shape = f"[B, {nodes}, H, W]" if kind == "normal" else f"[B, {nodes}, ceil(H / 2), ceil(W / 2)]"
    return rendered(
        "lapt.families.darts",
        "cell",
        name=NAMES[kind],
        shape=shape,
        edges={name: _call(module) for name, module in cell.edges.items()},
        forward=_forward(found, kind, cell),
    )


def _call(module: object) -> str:
    """The call that builds the module of an edge."""
    if isinstance(module, SeparableConv | DilatedConv):
        stride = f", {module.stride}" if module.stride > 1 else ""
        return f"{type(module).__name__}(channels, {module.kernel}{stride})"
    if isinstance(module, MaxPool | MeanPool):
        return f"{type(module).__name__}({module.stride})"
    return "FactorizedReduction(channels, channels)"


def _forward(found: Genotype, kind: str, cell: DartsCellNetwork) -> list[str]:
    """A line for each input, rectified value and node that is read, in the order in which the cell adds up."""
    summands: dict[int, list[str]] = {number: [] for number in cell.concat}
    before: dict[int, list[str]] = {}
    rectified: set[int] = set()
    read: set[int] = set()
    for name, (node, edge) in edges_of(found, kind).items():
        read.add(edge.source)
        value = f"node{edge.source}"
        if name in cell.edges and reads_rectified(cell.edges[name]):
            if edge.source not in rectified:
                before.setdefault(node, []).append(f"relu{edge.source} = functional.relu({value})")
                rectified.add(edge.source)
            value = f"relu{edge.source}"
        summand = f'self.edges["{name}"]({value})' if name in cell.edges else value
        summands.setdefault(node, []).append(summand)
    for source in read - set(range(FIRST)):
        summands.setdefault(source, [])
    empty = [node for node, terms in summands.items() if not terms]
    inputs = [number for number in range(FIRST) if number in read or (number == 1 and empty)]
    given = ("before", "last")
    lines = [f"node{number} = self.inputs[{number}](functional.relu({given[number]}))" for number in inputs]
    if empty:
        sides = ("height", "width") if kind == "normal" else ("-(-height // 2)", "-(-width // 2)")
        lines += ["batch, channels, height, width = node1.shape"]
        lines += [f"zeros = node1.new_zeros(batch, channels, {', '.join(sides)})"]
    for node in sorted(summands):
        lines += [*before.get(node, []), f"node{node} = {' + '.join(summands[node]) or 'zeros'}"]
    return [*lines, f"return torch.cat([{', '.join(f'node{node}' for node in cell.concat)}], dim=1)"]


def _backbone(body: DartsBackbone, skeleton: DartsSkeleton) -> str:
    widths = [body.image_channels, *(wide for wide, _ in skeleton.stem)]
    stem = [
        f"ConvNorm({width}, {wide}, 3{f', {stride}' if stride > 1 else ''})"
        for width, (wide, stride) in zip(widths, skeleton.stem, strict=False)
    ]
    return rendered("lapt.families.darts", "backbone", body=body, stem=stem, places=skeleton.places, names=NAMES)
