"""DARTS networks as Python source."""

from __future__ import annotations

from textwrap import indent

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

CELL = '''class {name}(nn.Module):
    """A searched cell, C channels a node: what the two cells before gave to {shape}."""

    def __init__(self, before: int, last: int, halved: bool, channels: int) -> None:
        super().__init__()
        first = FactorizedReduction(before, channels) if halved else ConvNorm(before, channels, 1)
        self.inputs = nn.ModuleList([first, ConvNorm(last, channels, 1)])
        self.edges = nn.ModuleDict()
{edges}

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
{forward}'''

BACKBONE = '''class Backbone(nn.Module):
    """Images [B, {image_channels}, H, W] to features [B, {out}, H / {reduction}, W / {reduction}], sides rounded up."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleList([{stem}])
        self.cells = nn.ModuleList(
            [
{cells}
            ]
        )

    def forward(self, images: Tensor) -> Tensor:
{into}
        for cell in self.cells:
            before, last = last, cell(before, last)
        return last'''

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
    edges = [f'self.edges["{name}"] = {_call(module)}' for name, module in cell.edges.items()]
    return CELL.format(
        name=NAMES[kind],
        shape=shape,
        edges=indent("\n".join(edges), " " * 8),
        forward=indent("\n".join(_forward(found, kind, cell)), " " * 8),
    ).replace("nn.ModuleDict()\n\n\n", "nn.ModuleDict()\n\n")


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
    cells = [f"{NAMES[p.kind]}({p.before}, {p.last}, {p.halved}, {p.channels})," for p in skeleton.places]
    into = ["before = last = self.stem[0](images)"]
    if len(stem) > 1:
        into = [
            "before = self.stem[1](functional.relu(self.stem[0](images)))",
            "last = self.stem[2](functional.relu(before))",
        ]
    return BACKBONE.format(
        image_channels=body.image_channels,
        out=body.out_channels,
        reduction=body.reduction,
        stem=", ".join(stem),
        cells=indent("\n".join(cells), " " * 16),
        into=indent("\n".join(into), " " * 8),
    )
