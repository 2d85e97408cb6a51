"""Size of the network that is deployed: as it is built and exported, with its task's head, at its final width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapt.base.statistics import Scores
from lapt.errors import ConfigError
from lapt.evaluation import Quantity, unknown_quantity
from lapt.evaluators.images import TrainingSpec, data_of, task_of
from lapt.spaces import Architecture

if TYPE_CHECKING:
    from lapt.networks.family import Counts

Count = Literal["parameters", "multiply_adds"]
COUNTS: tuple[Count, ...] = ("parameters", "multiply_adds")
"""Quantities of a network that are known before it is trained."""
LATENCY = "latency_ms"
"""A quantity that is measured before it is trained."""


def known_of(spec: TrainingSpec, latency: Quantity | None, name: str, column: str | None = None) -> Quantity:
    """A count of the deployed network as a quantity of architectures, or its ``latency`` if that is measured.

    A count is quick where no network is built for it. Raises ConfigError for another name, and for a column.
    """
    from lapt.networks.family import networks_of

    if column is not None:
        raise ConfigError(f"no column of {name}, of networks that are trained", column, "leave the column out")
    for count in COUNTS:
        if name == count:
            return Quantity(_Counted(spec, count), quick=networks_of(spec.space).in_closed_form)
    if name == LATENCY and latency is not None:
        return latency
    raise unknown_quantity(name, COUNTS if latency is None else (*COUNTS, LATENCY), f"a training on {spec.name}")


def deployed(spec: TrainingSpec, architectures: Sequence[Architecture]) -> list[Counts]:
    """Weights, and multiply-adds of one image, of the networks that ``lapt export`` writes for N architectures.

    The canonical form is built, without dead edges, with the head of the task; an auxiliary head is not deployed.
    Multiply-adds are counted as in ``lapt.networks.counts``; those of a decoder are its convolutions'.
    """
    from lapt.networks.family import Counts, networks_of

    networks, size, task = networks_of(spec.space), spec.network_size(), task_of(spec)
    classes = len(task.classes) if task.name == "classification" else None
    heads: dict[tuple[int, int], Counts] = {}
    found = []
    for canonical in map(spec.space.canonical, architectures):
        built = networks.built(canonical, size)
        features = built.out_channels, built.reduction
        if features not in heads:
            heads[features] = _head(_HeadOf(spec), *features)
            if classes is not None:  # as the family counts a classifier
                with_head, without = (networks.counts(canonical, size, of).flops for of in (classes, None))
                heads[features] = Counts(heads[features].parameters, with_head - without)
        found.append(built.counts.plus(heads[features]))
    return found


@dataclass(frozen=True)
class _Counted:
    """A count as a function of architectures. Picklable."""

    spec: TrainingSpec
    count: Count

    def __call__(self, architectures: Sequence[Architecture]) -> Scores:
        at = COUNTS.index(self.count)
        return np.array([counts[at] for counts in deployed(self.spec, architectures)], dtype=np.float64)


class _HeadOf:
    """A specification as a key: by all that its task's head depends on."""

    def __init__(self, spec: TrainingSpec) -> None:
        self.spec = spec
        self._key = spec.task, data_of(spec).digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _HeadOf) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=64)
def _head(of: _HeadOf, out_channels: int, reduction: int) -> Counts:
    """Weights of the head, and the multiply-adds of its convolutions and linear layers. Nothing is allocated."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from lapt.networks.family import Counts

    task = task_of(of.spec)
    _, height, width = task.shape
    with torch.device("meta"):
        head = task.head(out_channels, reduction).eval()
        features = torch.zeros(1, out_channels, -(-height // reduction), -(-width // reduction))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        head(features)
    return Counts(sum(parameter.numel() for parameter in head.parameters()), counter.get_total_flops() // 2)
