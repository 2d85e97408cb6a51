"""Networks of a declared space: a function of the user's own builds them, found by the name that the declaration has.

To find it is to import its module, which runs that module's code.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lapt.base.allowed import allowed, on_worker
from lapt.base.digests import digest
from lapt.base.packages import OURS
from lapt.errors import ConfigError
from lapt.spaces import Architecture, DeclaredSpace

ALLOWED = "LAPT_ALLOW_BUILDERS"
"""Environment variable of a worker: patterns of the ``module:function`` that its runs may name."""
Shape = tuple[int, int, int]
"""(channels, height, width) of an image."""


class BuilderError(ConfigError):
    """A builder that is not there, or that builds no backbone."""


class DeclaredBackbone(nn.Module):
    """What a builder returned: [B, C, H, W] -> [B, out_channels, H / reduction, W / reduction], sides rounded up."""

    def __init__(self, body: nn.Module, out_channels: int, reduction: int) -> None:
        super().__init__()
        self.body, self.out_channels, self.reduction = body, out_channels, reduction

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images)
        return features


def declared_backbone(
    declared: DeclaredSpace, architecture: Architecture, shape: Shape, *, channels: int, cells: int
) -> DeclaredBackbone:
    """By the builder of ``declared``, with fresh weights from torch's global generator.

    What it returns is tried on two images of zeros. Raises BuilderError: a builder that cannot be imported, that raises
    or returns no module, and one whose module does not give features.
    """
    name, text = declared.network, declared.encode(architecture)
    expected = f"{name}(architecture, channels=, cells=, image_channels=) to build {text}"
    build = builder(declared)
    try:
        body = build(architecture, channels=channels, cells=cells, image_channels=shape[0])
    except Exception as error:
        raise BuilderError(
            expected, _said(error), "mend the builder, or leave the operator out of the space"
        ) from error
    if not isinstance(body, nn.Module):
        raise BuilderError(f"{expected} as a torch.nn.Module", type(body).__name__, "return the module")
    _, height, width = shape
    try:
        with torch.no_grad():
            found = body.eval()(torch.zeros(2, *shape))
    except Exception as error:
        raise BuilderError(
            f"a network of {name} for {text} that takes images [2, {shape[0]}, {height}, {width}]",
            _said(error),
            "mend its forward",
        ) from error
    body.train()
    got = f"of shape {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
    if isinstance(found, Tensor) and found.dim() == 4 and len(found) == 2 and 0 not in found.shape:
        reduction = -(-height // found.shape[2])
        if (-(-height // reduction), -(-width // reduction)) == found.shape[2:]:
            return DeclaredBackbone(body, found.shape[1], reduction)
    raise BuilderError(
        f"features [2, any number, {height} / r, {width} / r], sides rounded up, from the network of {name} for {text}",
        got,
        "return what stands before pooling and classifier, which LAPT adds for the task, and pad what loses a border",
    )


def check_builder(declared: DeclaredSpace, shape: Shape, *, channels: int, cells: int) -> None:
    """Builds a few networks in which every operator and source stands once. Raises BuilderError."""
    for n in range(
        max(len(candidates) for layer in declared.layers for candidates in (layer.operators, layer.sources))
    ):
        operators = (layer.operators[n % len(layer.operators)] for layer in declared.layers)
        sources = (layer.sources[n % len(layer.sources)] for layer in declared.layers)
        backbone_size(declared, Architecture(tuple(operators), tuple(sources)), shape, None, channels, cells)


@lru_cache(maxsize=1024)
def backbone_size(
    declared: DeclaredSpace, architecture: Architecture, shape: Shape, classes: int | None, channels: int, cells: int
) -> tuple[int, int]:
    """Parameters and flops (multiply-adds of the convolutions and products of one image) of the network as it is built,
    with a linear classifier, or without a head if None. Torch's generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        body = declared_backbone(declared, architecture, shape, channels=channels, cells=cells)
    head = body.out_channels * (classes or 0)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        body.eval()(torch.zeros(1, *shape))
    parameters = sum(parameter.numel() for parameter in body.parameters())
    return parameters + head + (classes or 0), counter.get_total_flops() // 2 + head


def builder(declared: DeclaredSpace) -> Callable[..., object]:
    """The function that ``declared.network`` names, its module imported. Raises BuilderError.

    In a run that a worker took, whoever started it named the function: only those that the operator lists are imported.
    """
    module, function = _named(declared)
    if on_worker() and not allowed(ALLOWED, f"{module}:{function}"):
        raise BuilderError(
            "a builder that this worker's operator allows",
            f"{module}:{function}",
            f"start the worker with {ALLOWED}={module}:{function} (patterns too, with commas between them)",
        )
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:
        remedy = (
            "correct the name, or install its package (or set PYTHONPATH to its folder), here and where workers run"
        )
        if module.partition(".")[0] in OURS:
            remedy = "give its module another name: LAPT has a package of that one"
        raise BuilderError(
            f"the builder {declared.network} of the networks of {declared.name}", _said(error), remedy
        ) from error
    if not callable(found):
        raise BuilderError(
            f"a function {declared.network} that builds networks of {declared.name}",
            type(found).__name__,
            "name the function",
        )
    build: Callable[..., object] = found
    return build


def digest_of(declared: DeclaredSpace) -> str:
    """Of what a trained score depends on beside the architecture's text: what the text means, and the text of the
    builder's module, though not of what that imports. Raises BuilderError."""
    builder(declared)
    module, _ = _named(declared)
    try:
        source = inspect.getsource(importlib.import_module(module))
    except (OSError, TypeError) as error:
        raise BuilderError(
            f"the source of {module}, which scores depend on", _said(error), "name a builder in a Python file"
        ) from error
    return digest([declared.model_dump(mode="json", exclude={"meanings"}), source])


def _named(declared: DeclaredSpace) -> tuple[str, str]:
    if declared.network is None:
        raise BuilderError(
            f"a builder of the networks of {declared.name}",
            "none",
            "name one in its declaration: network: MODULE:FUNCTION",
        )
    module, _, function = declared.network.partition(":")
    return module, function


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
