"""Networks of a declared space, built by a user's function that the declaration names.

The function's module is imported to find it, which runs that module's code.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lapt.base.allowed import allowed, on_worker
from lapt.base.digests import digest
from lapt.base.packages import OURS, imported
from lapt.networks.family import BuilderError, Built, CellNetworks, Counts, Features, NetworkSize
from lapt.spaces import Architecture, DeclaredSpace

ALLOWED = "LAPT_ALLOW_BUILDERS"
"""Environment variable of a worker: patterns of the ``module:function`` that its runs may name."""


SHIPPED = "lapt.networks.baselines:backbone"
"""The builder that comes with LAPT, which every worker may run."""


class DeclaredBackbone(Features):
    """The module of a builder: [B, C, H, W] -> [B, out_channels, H / reduction, W / reduction], sides rounded up."""

    def __init__(self, body: nn.Module, out_channels: int, reduction: int) -> None:
        super().__init__()
        self.body, self.out_channels, self.reduction = body, out_channels, reduction

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images)
        return features


class DeclaredNetworks(CellNetworks):
    """The networks of a declaration, by the function that it names. Raises BuilderError where it names none."""

    family: DeclaredSpace

    def backbone(self, architecture: Architecture, size: NetworkSize) -> DeclaredBackbone:
        return _backbone(self.family, architecture, size)

    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        return _counts(self.family, architecture, size, classes)

    def built(self, architecture: Architecture, size: NetworkSize) -> Built:
        with torch.random.fork_rng(devices=[]):
            body = _backbone(self.family, architecture, size)
        return Built(self.counts(architecture, size, None), body.out_channels, body.reduction)

    def settings(self) -> dict[str, Any]:
        return {"network": digest_of(self.family)}

    def check(self, size: NetworkSize) -> None:
        """Build a few networks that together have every operator and source of every layer."""
        layers = self.family.layers
        for n in range(max(len(candidates) for layer in layers for candidates in (layer.operators, layer.sources))):
            operators = (layer.operators[n % len(layer.operators)] for layer in layers)
            sources = (layer.sources[n % len(layer.sources)] for layer in layers)
            self.counts(Architecture(tuple(operators), tuple(sources)), size, None)


def _backbone(declared: DeclaredSpace, architecture: Architecture, size: NetworkSize) -> DeclaredBackbone:
    """The module that the builder returns, tried on two images of zeros.

    Raises BuilderError: a builder that cannot be imported, that raises or returns no module, and one whose module does
    not give features.
    """
    name, text = declared.network, declared.encode(architecture)
    expected = f"{name}(architecture, channels=, cells=, image_channels=) to build {text}"
    build = builder(declared)
    given: dict[str, Any] = {
        "channels": size.channels,
        "cells": size.cells,
        "image_channels": size.image_channels,
        "image_size": size.image_size,
    }
    if not _takes(build, "image_size"):
        del given["image_size"]
    try:
        body = build(architecture, **given)
    except Exception as error:
        raise BuilderError(
            expected, _said(error), "mend the builder, or leave the operator out of the space"
        ) from error
    if not isinstance(body, nn.Module):
        raise BuilderError(f"{expected} as a torch.nn.Module", type(body).__name__, "return the module")
    height, width = size.image_size
    try:
        with torch.no_grad():
            found = body.eval()(torch.zeros(2, size.image_channels, height, width))
    except Exception as error:
        raise BuilderError(
            f"a network of {name} for {text} that takes images [2, {size.image_channels}, {height}, {width}]",
            _said(error),
            "mend its forward",
        ) from error
    body.train()
    got = f"of shape {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
    if isinstance(found, Tensor) and found.dim() == 4 and len(found) == 2 and 0 not in found.shape:
        reduction = _reduction((height, width), found.shape[2:])
        if reduction is not None:
            return DeclaredBackbone(body, found.shape[1], reduction)
    raise BuilderError(
        f"features [2, any number, {height} / r, {width} / r], sides rounded up, from the network of {name} for {text}",
        got,
        "return what stands before pooling and classifier, which LAPT adds for the task, and pad what loses a border",
    )


def _reduction(sides: tuple[int, int], features: Sequence[int]) -> int | None:
    """The divisor of both sides, rounded up, that gives those of the features; None if there is none.

    Several may do: the smallest of the height if it does, else a power of two, else the smallest of all.
    """
    powers: list[int] = [2**exponent for exponent in range(max(sides).bit_length() + 1)]
    divisors: list[int] = [-(-sides[0] // features[0]), *powers, *range(1, max(sides) + 1)]
    for divisor in divisors:
        if all(-(-side // divisor) == found for side, found in zip(sides, features, strict=True)):
            return divisor
    return None


def _takes(build: Callable[..., object], name: str) -> bool:
    """Whether a builder declares a parameter of that name."""
    try:
        return name in inspect.signature(build).parameters
    except (TypeError, ValueError):  # some callables of C have no signature
        return False


@lru_cache(maxsize=1024)
def _counts(declared: DeclaredSpace, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
    """The counts of the network as it is built: multiply-adds are those of its convolutions and matrix products.

    Torch's generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        body = _backbone(declared, architecture, size)
    head = body.out_channels * (classes or 0)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        body.eval()(torch.zeros(1, size.image_channels, *size.image_size))
    parameters = sum(parameter.numel() for parameter in body.parameters())
    return Counts(parameters + head + (classes or 0), counter.get_total_flops() // 2 + head)


def builder(declared: DeclaredSpace) -> Callable[..., object]:
    """The function that ``declared.network`` names, its module imported. Raises BuilderError.

    On a worker, the function was named by whoever started the run. So only functions that the worker's operator lists
    are imported there.
    """
    module, function = _named(declared)
    if on_worker() and declared.network != SHIPPED and not allowed(ALLOWED, f"{module}:{function}"):
        raise BuilderError(
            "a builder that this worker's operator allows",
            f"{module}:{function}",
            f"start the worker with {ALLOWED}={module}:{function} (patterns too, with commas between them)",
        )
    try:
        found = imported(f"{module}:{function}")
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
    """The digest of all that a trained score depends on, beside the architecture's text.

    It covers the meaning of that text and the source of the builder's module, but not the modules that this imports.
    Raises BuilderError."""
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
