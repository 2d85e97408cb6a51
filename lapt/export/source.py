"""A network as one Python file that needs torch alone.

The network is built on torch's ``meta`` device and written down: classes that every network shares are quoted from
LAPT's source, and what depends on the architecture (the cell, the backbone) becomes straight code.
"""

from __future__ import annotations

import inspect
import json
from textwrap import fill, indent
from typing import Any, cast

import torch
from torch import nn

from lapt.base.packages import imported
from lapt.export.onnx import ExportError
from lapt.export.text import Written, sequential
from lapt.networks.family import Features, NetworkSize, networks_of
from lapt.networks.operators import ConvNorm, FactorizedReduction, ResidualReduction, average_pool
from lapt.spaces import Architecture, SearchSpace
from lapt.training import heads
from lapt.training.network import build
from lapt.training.tasks import Task

WIDTH = 120
"""Width of the lines that are wrapped, in characters."""

MEANINGS = {
    "classification": "a logit for each of CLASSES",
    "rotation": "a logit for each number of quarter turns counter-clockwise, from 0",
    "jigsaw": "a logit for each order that the patches may have been put in",
    "autoencoding": "the image itself, in 0..1",
    "segmentation": "a logit for each class at each pixel",
    "surface_normal": "the surface normal at each pixel, components in -1..1",
    "room_layout": "the layout, on the scale of the training targets",
}
"""The meaning of the output, by the task's name."""

DOCSTRING = '''"""A network for {task}, with a cell of {family}.

    {architecture}

Input: float images in 0..1, {input}.
Output: {output}{meaning}.
Cell: {live}.{dead}

Exported by LAPT; needs torch alone. Run it for the shape of the output and the number of parameters, with the weights
in a file (a state_dict, alone or as LAPT exports it) or with random ones:

    python THIS_FILE [WEIGHTS]
"""'''

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


def python_source(space: SearchSpace, architecture: Architecture, task: Task, **size: Any) -> str:
    """Text of a module that rebuilds the network which LAPT trains, without LAPT.

    That network is ``lapt.training.network.build(lambda: backbone(space, architecture, ...), task, seed=...)`` for the
    task's images. The module's ``Network`` has the same state_dict keys and shapes and, with the same weights in
    evaluation mode, the same outputs for images [B, C, H, W] in 0..1; under ``torch.manual_seed(seed)`` it starts from
    the same weights. Its ``load(path)`` reads a saved state_dict, alone or as ``lapt.export.weights`` wraps it.

    ``size``: as in :func:`lapt.networks.backbone`, without the images'. Raises SpaceError and ConfigError as that does,
    and ExportError for a family whose networks are not written so, and for a head that is neither a Decoder nor a row
    of torch's own layers.
    """
    family, networks = space.family, networks_of(space)
    if family.export is None:
        raise ExportError("a space whose networks are written as Python", space.name, "write an ONNX model instead")
    built = NetworkSize(**size, image_channels=task.shape[0])
    with torch.device("meta"):
        network = build(lambda: networks.backbone(architecture, built), task, seed=0).eval()
        output = network(torch.zeros(1, *task.shape))
    body = cast(Features, network.backbone)
    found: Written = imported(family.export)(family, architecture, body, built)
    input_shape = ", ".join(map(str, task.shape))
    head = indent(_head(network.head, body), " " * 8)
    written = [*found.classes, NETWORK.format(input=input_shape, image_channels=task.shape[0], head=head)]
    parts = [*_quoted(network, written, found.quoted), *written]
    preface = DOCSTRING.format(
        family=family.name,
        task=task.name,
        architecture=fill(space.encode(architecture), WIDTH - 4, subsequent_indent=" " * 4, break_long_words=False),
        input=f"[B, {input_shape}]",
        output=f"[{', '.join(['B', *map(str, output.shape[1:])])}]",
        meaning=f", {MEANINGS[task.name]}" if task.name in MEANINGS else "",
        live=found.live,
        dead=found.dead,
    )
    names = [_names(task.classes)] if task.name == "classification" else []
    top = "\n\n".join([preface, _imports("\n".join(parts)), *names])
    return "\n\n\n".join(part.strip() for part in (top, *parts)) + "\n"


def _imports(text: str) -> str:
    """The imports that ``text`` needs."""
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
    """The assignment of CLASSES, in one line if it fits. Texts are JSON strings, with lone surrogates escaped."""
    texts = [json.dumps(name, ensure_ascii=False).encode(errors="backslashreplace").decode() for name in classes]
    line = f"CLASSES = ({', '.join(texts)})"
    return line if len(line) <= WIDTH else "\n".join(["CLASSES = (", *(f"    {text}," for text in texts), ")"])


def _quoted(network: nn.Module, written: list[str], theirs: tuple[Any, ...]) -> list[str]:
    """The source of the network's module classes, and of the functions that these and the written text call.

    ``theirs``: of the cell family, its classes before its functions.
    """
    classes, functions = (ConvNorm, FactorizedReduction, ResidualReduction), (heads.Decoder, average_pool)
    of_family = [part for part in theirs if isinstance(part, type)]
    parts: list[Any] = [
        *classes,
        *of_family,
        *functions,
        *(part for part in theirs if part not in of_family),
        heads._factors,
    ]
    used = {type(module) for module in network.modules()}
    sources: list[str] = []
    for part in parts:
        called = any(f"{part.__name__}(" in text for text in (*sources, *written))
        if part in used or called:
            sources.append(inspect.getsource(part))
    return sources


def _head(head: nn.Module, body: Features) -> str:
    """The statement that builds the head: a decoder by its arguments, torch's own layers by their representations."""
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
    return f"self.head = {sequential(f'nn.{layer!r}' for layer in head)}"
