"""A network as one Python file that needs torch alone; with pillow it reads and classifies image files too.

The network is built on torch's ``meta`` device and written down: classes that every network shares are quoted from
LAPT's source, and what depends on the architecture (the cell, the backbone) becomes straight code.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from textwrap import fill
from typing import Any, cast

import torch
from torch import nn

from lapt.base.packages import imported
from lapt.base.templates import rendered
from lapt.data.facts import Images
from lapt.data.pictures import fitted
from lapt.export.onnx import ExportError
from lapt.export.text import Written, sequential
from lapt.inference.card import IN_PYTHON, Card
from lapt.networks.family import Features, NetworkSize, networks_of
from lapt.networks.operators import ConvNorm, FactorizedReduction, ResidualReduction, average_pool
from lapt.spaces import Architecture, SearchSpace
from lapt.training.network import build
from lapt.training.tasks import Task, heads

WIDTH = 120
"""Width of the lines that are wrapped, in characters."""


def python_source(
    space: SearchSpace,
    architecture: Architecture,
    task: Task,
    card: Card | None = None,
    *,
    about: str = "",
    **size: Any,
) -> str:
    """Text of a module that rebuilds the network which LAPT trains, without LAPT.

    That network is ``lapt.training.network.build(lambda: backbone(space, architecture, ...), task, seed=...)`` for the
    task's images. The module's ``Network`` has the same state_dict keys and shapes and, with the same weights in
    evaluation mode, the same outputs for images [B, C, H, W] in 0..1; under ``torch.manual_seed(seed)`` it starts from
    the same weights. Its ``load(path)`` reads a saved state_dict, alone or as ``lapt.export.weights`` wraps it. Of a
    classifier, ``read(path)`` makes an image file the input, and ``predict(path)`` gives classes and probabilities.

    ``card``: the facts for the constants at its top; if unset, those that the task tells. ``about``: more for its
    reader, one paragraph. ``size``: as in :func:`lapt.networks.backbone`, without the images'. Raises SpaceError and
    ConfigError as that does, and ExportError for a family whose networks are not written so, and for a head that is
    neither a Decoder nor a row of torch's own layers.
    """
    family, networks = space.family, networks_of(space)
    if family.export is None:
        raise ExportError("a space whose networks are written as Python", space.name, "write an ONNX model instead")
    built = NetworkSize(**size, image_channels=task.shape[0], image_size=task.shape[1:])
    with torch.device("meta"):
        network = build(lambda: networks.backbone(architecture, built), task, seed=0).eval()
        output = network(torch.zeros(1, *task.shape))
    body = cast(Features, network.backbone)
    found: Written = imported(family.export)(family, architecture, body, built)
    input_shape = ", ".join(map(str, task.shape))
    card = card or untold(task)
    named = bool(card.predicted)
    head = _head(network.head, body)
    whole = rendered("lapt.export", "network", input=input_shape, head=head, task=task.name, predicts=named)
    written = [*found.classes, whole]
    parts = [*_quoted(network, written, found.quoted), *written]
    if named:
        height, width = card.image_size
        reading = rendered(
            "lapt.export",
            "reading",
            colour="L" if card.channel_order == "grey" else "RGB",
            channels=task.shape[0],
            height=height,
            width=width,
            ranges=card.ranges,
        )
        parts = [*parts[:-1], inspect.getsource(fitted), reading, parts[-1]]
    preface = rendered(
        "lapt.export",
        "preface",
        family=family.name,
        task=task.name,
        architecture=fill(space.encode(architecture), WIDTH - 4, subsequent_indent=" " * 4, break_long_words=False),
        input=f"[B, {input_shape}]",
        about=fill(about, WIDTH),
        output=f"[{', '.join(['B', *map(str, output.shape[1:])])}]",
        live=found.live,
        dead=found.dead,
        body="\n".join(parts),
        predicts=named,
    )
    top = "\n\n".join([preface.rstrip(), _constants(card)])
    return "\n\n\n".join(part.strip() for part in (top, *parts)) + "\n"


def untold(task: Task) -> Card:
    """The facts that the task alone tells, of a network that nothing was trained for."""
    images = Images("", "", task.shape, task.classes)
    channels = task.shape[0]
    return Card.of_images(images, task.name, [0.0] * channels, [1.0] * channels, trained=False)


_IF_ANY = ("classes", "components", "ranges")
_SAID = {
    "components": "of the output, in this order",
    "image_size": "height, width",
    "value_range": "of pixels at the input",
    "mean": "of the training images, a channel each; Network subtracts it",
    "std": "and divides by it",
    "background": "of transparent images",
    "ranges": "values of deeper images that become 0 and 255",
    "trained": "whether there are weights for it",
}


def _constants(card: Card) -> str:
    """The assignments of the facts in IN_PYTHON. Those of no use for this network are left out."""
    facts = {name: getattr(card, name) for name in IN_PYTHON}
    if not card.predicted:
        facts = {name: facts[name] for name in facts if name not in ("background", "ranges")}
    return "\n".join(_constant(name, value) for name, value in facts.items() if value or name not in _IF_ANY)


def _constant(name: str, value: Any) -> str:
    """An assignment, in one line if it fits, with a comment if that fits too."""
    opening, parts, closing = "", [_literal(value)], ""
    if isinstance(value, tuple):
        opening, parts, closing = "(", [_literal(one) for one in value], ",)" if len(value) == 1 else ")"
    elif isinstance(value, Mapping):
        opening, closing = "{", "}"
        parts = [f"{_literal(key)}: {_literal(one)}" for key, one in value.items()]
    line = f"{name.upper()} = {opening}{', '.join(parts)}{closing}"
    if len(line) > WIDTH:
        return "\n".join([f"{name.upper()} = {opening}", *(f"    {part}," for part in parts), closing[-1]])
    said = f"{line}  # {_SAID[name]}" if name in _SAID else line
    return said if len(said) <= WIDTH else line


def _literal(value: Any) -> str:
    """A value as Python. Texts are JSON strings, with lone surrogates escaped."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' * (len(value) == 1)})"
    return repr(value)


def _quoted(network: nn.Module, written: list[str], theirs: tuple[Any, ...]) -> list[str]:
    """The source of the network's module classes, and of the functions that these and the written text call.

    ``theirs``: of the cell family, its classes before its functions.
    """
    classes, functions = (
        (ConvNorm, FactorizedReduction, ResidualReduction),
        (heads.Decoder, heads.Rescaled, average_pool),
    )
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
    layers = list(head) if isinstance(head, nn.Sequential) else [head]
    ours = [isinstance(layer, heads.Rescaled) for layer in layers]
    if not isinstance(head, nn.Sequential) or any(
        getattr(nn, type(layer).__name__, None) is not type(layer) and not mine
        for layer, mine in zip(layers, ours, strict=True)
    ):
        raise ExportError(
            "a Decoder or an nn.Sequential of torch's layers as head",
            type(head).__name__,
            "write an ONNX model instead",
        )
    written = (f"{'' if mine else 'nn.'}{layer!r}" for layer, mine in zip(layers, ours, strict=True))
    return f"self.head = {sequential(written)}"
