"""A network as one Python file that needs torch alone.

The network is built on torch's ``meta`` device and written down: classes that every network shares are quoted from
LAPT's source, and what depends on the architecture (the cell, the backbone) becomes straight code.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from itertools import groupby
from textwrap import fill, indent
from typing import Any

import torch
from torch import nn

from lapt.export.darts_source import darts_classes
from lapt.export.onnx import ExportError
from lapt.networks import Backbone, DartsBackbone, backbone
from lapt.networks.cell import CellNetwork
from lapt.networks.darts import operators as darts_operators
from lapt.networks.darts.skeleton import Stem, darts_skeleton
from lapt.networks.operators import ConvNorm, FactorizedReduction, ResidualReduction, average_pool
from lapt.networks.skeleton import POOL, Block, Skeleton, family_of, skeleton_of
from lapt.spaces import Architecture, DagCell, DartsCell, SearchSpace
from lapt.training import heads
from lapt.training.network import build
from lapt.training.tasks import Task

WIDTH = 120
"""Of a line, where there is a choice."""

MEANINGS = {
    "classification": "a logit for each of CLASSES",
    "rotation": "a logit for each number of quarter turns counter-clockwise, from 0",
    "jigsaw": "a logit for each order that the patches may have been put in",
    "autoencoding": "the image itself, in 0..1",
    "segmentation": "a logit for each class at each pixel",
    "surface_normal": "the surface normal at each pixel, components in -1..1",
    "room_layout": "the layout, on the scale of the training targets",
}
"""What the output is, by the task's name."""

DOCSTRING = '''"""A network for {task}, with a cell of {family}.

    {architecture}

Input: float images in 0..1, {input}.
Output: {output}{meaning}.
Cell: {live}.{dead}

Exported by LAPT; needs torch alone. Run it for the shape of the output and the number of parameters, with the weights
in a file (a state_dict, alone or as LAPT exports it) or with random ones:

    python THIS_FILE [WEIGHTS]
"""'''

MODULE = '''class {name}(nn.Module):
    """{title}"""
{constructor}
    def forward(self, {input}: Tensor) -> Tensor:
{forward}'''

CONSTRUCTOR = """
    def __init__(self{parameters}) -> None:
        super().__init__()
{lines}
"""

INITIALISATION = """\
for module in self.modules():
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")"""

ZEROS = """\
# No path through the cell leads from its input to its output: it gives zeros.
batch, _, height, width = images.shape
features = images.new_zeros(batch, {channels}, -(-height // {reduction}), -(-width // {reduction}))"""

NETWORK = '''class Network(nn.Module):
    """Images [B, {input}] in 0..1 to the output: normalises them as in training, then backbone, then head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
{head}
        self.register_buffer("mean", torch.zeros({image_channels}, 1, 1))
        self.register_buffer("deviation", torch.ones({image_channels}, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone((images - self.mean) / self.deviation))


def load(path: str) -> Network:
    """The network with the weights at ``path``, ready to predict on the CPU."""
    network = Network()
    saved = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(saved.get("state_dict", saved))  # LAPT saves it beside the configuration
    return network.eval()


if __name__ == "__main__":
    network = load(sys.argv[1]) if len(sys.argv) > 1 else Network().eval()
    with torch.no_grad():
        output = network(torch.rand(1, {input}))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"output {{list(output.shape)}}, {{parameters}} parameters")
'''


def python_source(
    space: SearchSpace, architecture: Architecture, task: Task, *, channels: int, cells: int, stem: Stem = "cifar"
) -> str:
    """Text of a module that rebuilds the network which LAPT trains, without LAPT.

    That network is ``lapt.training.network.build(lambda: backbone(space, architecture, ...), task, seed=...)`` for the
    task's images. The module's ``Network`` has the same state_dict keys and shapes and, with the same weights in
    evaluation mode, the same outputs for images [B, C, H, W] in 0..1; under ``torch.manual_seed(seed)`` it starts from
    the same weights. Its ``load(path)`` reads a saved state_dict, alone or as ``lapt.export.weights`` wraps it.

    ``channels``, ``cells``, ``stem``: as in :func:`lapt.networks.backbone`. Raises SpaceError and ConfigError as that
    does, and ExportError for a head that is neither a Decoder nor a row of torch's own layers.
    """
    size: dict[str, Any] = {"channels": channels, "cells": cells, "stem": stem, "image_channels": task.shape[0]}
    with torch.device("meta"):
        network = build(lambda: backbone(space, architecture, **size), task, seed=0).eval()
        output = network(torch.zeros(1, *task.shape))
    body = network.backbone
    assert isinstance(body, Backbone | DartsBackbone)
    classes, said = _of_body(space, architecture, body, channels=channels, cells=cells, stem=stem)
    input_shape = ", ".join(map(str, task.shape))
    head = indent(_head(network.head, body), " " * 8)
    written = [*classes, NETWORK.format(input=input_shape, image_channels=task.shape[0], head=head)]
    parts = [*_quoted(network, written), *written]
    preface = DOCSTRING.format(
        family=space.family_name,
        task=task.name,
        architecture=fill(space.encode(architecture), WIDTH - 4, subsequent_indent=" " * 4, break_long_words=False),
        input=f"[B, {input_shape}]",
        output=f"[{', '.join(['B', *map(str, output.shape[1:])])}]",
        meaning=f", {MEANINGS[task.name]}" if task.name in MEANINGS else "",
        **said,
    )
    names = [_names(task.classes)] if task.name == "classification" else []
    top = "\n\n".join([preface, _imports("\n".join(parts)), *names])
    return "\n\n\n".join(part.strip() for part in (top, *parts)) + "\n"


def _of_body(
    space: SearchSpace,
    architecture: Architecture,
    body: Backbone | DartsBackbone,
    *,
    channels: int,
    cells: int,
    stem: Stem,
) -> tuple[list[str], dict[str, str]]:
    """The classes of cells and backbone, and what of the architecture is live and dead, in words."""
    if isinstance(body, DartsBackbone):
        assert isinstance(space.family, DartsCell)
        found = space.family.genotype(architecture)
        skeleton = darts_skeleton(found, channels=channels, cells=cells, stem=stem)
        live = "as the genotype says, whose inputs 0 and 1 are the outputs of the cells before the last and last"
        return darts_classes(found, body, skeleton), {"live": live, "dead": ""}
    family, operators = family_of(space, architecture), architecture.operators
    placed = skeleton_of(space.family_name, channels=channels, cells=cells)
    classes, calls = _cells(family, operators, body, placed)
    return [*classes, _backbone(body, placed, calls)], _edges(family, operators)


def _edges(family: DagCell, operators: tuple[str, ...]) -> dict[str, str]:
    """In words: the live edges, and those left out though they have an operator."""
    live = family.live_edges(operators)
    named = [f"{name} {operator}" for name, operator in zip(family.layer_names, operators, strict=True)]
    dead = [named[e] for e in range(len(named)) if e not in live and operators[e] != family.zero]
    return {
        "live": ", ".join(named[e] for e in live) or "zeros, as no path leads from its input to its output",
        "dead": f"\nLeft out, since on no path from input to output: {', '.join(dead)}." if dead else "",
    }


def _imports(text: str) -> str:
    """Those that ``text`` uses."""
    return "\n".join(
        [
            "from __future__ import annotations\n",
            *(["import math"] if "math." in text else []),
            "import sys\n",
            "import torch",
            "from torch import Tensor, nn",
            *(["from torch.nn import functional"] if "functional." in text else []),
        ]
    )


def _names(classes: tuple[str, ...]) -> str:
    """CLASSES, in one line where they fit. A JSON string is a Python string; lone surrogates must be escaped."""
    texts = [json.dumps(name, ensure_ascii=False).encode(errors="backslashreplace").decode() for name in classes]
    line = f"CLASSES = ({', '.join(texts)})"
    return line if len(line) <= WIDTH else "\n".join(["CLASSES = (", *(f"    {text}," for text in texts), ")"])


QUOTED = (
    ConvNorm,
    FactorizedReduction,
    ResidualReduction,
    darts_operators.SeparableConv,
    darts_operators.DilatedConv,
    darts_operators.MaxPool,
    darts_operators.MeanPool,
    heads.Decoder,
    average_pool,
    darts_operators._half,
    heads._factors,
)
"""LAPT's own classes and functions that networks are made of, in the order in which they are quoted."""


def _quoted(network: nn.Module, written: list[str]) -> list[str]:
    """The source of what the network's modules are, and of the functions that these and what is written call."""
    used = {type(module) for module in network.modules()}
    sources: list[str] = []
    for part in QUOTED:
        called = any(f"{part.__name__}(" in text for text in (*sources, *written))
        if part in used or called:
            sources.append(inspect.getsource(part))
    return sources


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
        lines = [f'self.edges["{edge}"] = {_operator(edge, module, keeps)}' for edge, module in edges.items()]
        shape = "the same shape" if keeps else "[B, channels_out, ceil(H / stride), ceil(W / stride)]"
        classes.append(
            _module(
                name,
                f"The searched cell: [B, {'channels' if keeps else 'channels_in'}, H, W] -> {shape}.",
                ["self.edges = nn.ModuleDict()", *lines] if lines else [],
                "node0",
                forward,
                parameters,
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
    lines, forward = [], []
    if body.is_dead:
        forward.append(ZEROS.format(channels=body.out_channels, reduction=body.reduction))
    else:
        widths = [body.image_channels, *(channels for channels, _ in skeleton.stem)]
        stem = [
            f"ConvNorm({width}, {channels}, 3{f', {stride}' if stride > 1 else ''})"
            for width, (channels, stride) in zip(widths, skeleton.stem, strict=False)
        ]
        lines.append(f"self.stem = nn.ModuleList([{', '.join(stem)}])")
        lines.append(f"self.blocks = {_sequential(_repeated(calls[block] for block in skeleton.blocks))}")
        forward.append("features = self.stem[0](images)")
        forward += [f"features = self.stem[{place}](functional.relu(features))" for place in range(1, len(stem))]
        forward.append("features = self.blocks(features)")
    if body.norm is not None:
        lines.append(f"self.norm = nn.BatchNorm2d({body.out_channels})")
        forward.append("features = functional.relu(self.norm(features))")
    if skeleton.kaiming and not body.is_dead:
        lines.append(INITIALISATION)
    features = f"[B, {body.out_channels}, H / {body.reduction}, W / {body.reduction}]"
    title = f"Images [B, {body.image_channels}, H, W] to features {features}, sides rounded up."
    return _module("Backbone", title, lines, "images", "\n".join([*forward, "return features"]))


def _head(head: nn.Module, body: Backbone | DartsBackbone) -> str:
    """The statement that builds it: a decoder by its arguments, torch's own layers by their representations."""
    if isinstance(head, heads.Decoder):
        first, last = head.steps[0], head.steps[-1]
        assert isinstance(first, nn.Conv2d)
        assert isinstance(last, nn.Conv2d)
        numbers = (first.in_channels, last.out_channels, body.reduction, head.height, head.width)
        return f"self.head = Decoder({', '.join(map(str, numbers))})"
    if not isinstance(head, nn.Sequential) or any(
        getattr(nn, type(layer).__name__, None) is not type(layer) for layer in head
    ):
        raise ExportError(
            "a Decoder or an nn.Sequential of torch's layers as head",
            type(head).__name__,
            "write an ONNX model instead",
        )
    return f"self.head = {_sequential(f'nn.{layer!r}' for layer in head)}"


def _repeated(calls: Iterable[str]) -> list[str]:
    """Arguments for the same modules, with runs of equal calls as loops."""
    runs = [(call, len(list(run))) for call, run in groupby(calls)]
    return [call if length == 1 else f"*({call} for _ in range({length}))" for call, length in runs]


def _sequential(modules: Iterable[str]) -> str:
    return "\n".join(["nn.Sequential(", *(f"    {module}," for module in modules), ")"])


def _module(name: str, title: str, lines: list[str], tensor: str, forward: str, parameters: Iterable[str] = ()) -> str:
    """A class; without a constructor where there is nothing to construct."""
    constructor = CONSTRUCTOR.format(
        parameters="".join(f", {parameter}: int" for parameter in parameters),
        lines=indent("\n".join(lines), " " * 8),
    )
    return MODULE.format(
        name=name,
        title=title,
        constructor=constructor.rstrip("\n") + "\n" if lines else "",
        input=tensor,
        forward=indent(forward, " " * 8),
    )
