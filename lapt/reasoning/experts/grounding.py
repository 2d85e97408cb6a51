"""Principles that people found before, each as a check of a cell, beside those that were learned (Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lapt.errors import ConfigError
from lapt.principles import Principles
from lapt.reasoning.experts.darts import DARTS_EXPERTS
from lapt.reasoning.experts.principle import ExpertPrinciple
from lapt.spaces import ENUMERABLE, Architecture, DagCell, DartsCell, SearchSpace

Floats = npt.NDArray[np.float64]
CONV = "nor_conv_3x3"
POOL = "avg_pool_3x3"


def _live(cell: DagCell, architecture: Architecture) -> list[tuple[str, str]]:
    """(layer, operator) of the edges that reach the output."""
    return [(cell.layer_names[e], architecture.operators[e]) for e in cell.live_edges(architecture.operators)]


def _convolutions(cell: DagCell, architecture: Architecture) -> bool:
    return sum(operator == CONV for _, operator in _live(cell, architecture)) >= 2


def _deep(cell: DagCell, architecture: Architecture) -> bool:
    live = dict(_live(cell, architecture))
    return any(all(e in live for e in path) and sum(live[e] == CONV for e in path) >= 2 for path in cell.paths)


def _residual(cell: DagCell, architecture: Architecture) -> bool:
    live = dict(_live(cell, architecture))
    around = [path for path in cell.paths if len(path) > 1 and all(e in live for e in path)]
    return live.get("0->3") == cell.identity and any("conv" in live[e] for path in around for e in path)


def _wide(cell: DagCell, architecture: Architecture) -> bool:
    return sum(layer.endswith("->3") for layer, _ in _live(cell, architecture)) >= 2


def _early(cell: DagCell, architecture: Architecture) -> bool:
    return any(
        layer.startswith("0->") and layer != "0->3" and operator == CONV
        for layer, operator in _live(cell, architecture)
    )


def _connected(cell: DagCell, architecture: Architecture) -> bool:
    return len(_live(cell, architecture)) >= 5


def _no_pooling(cell: DagCell, architecture: Architecture) -> bool:
    return all(operator != POOL for _, operator in _live(cell, architecture))


EVERY = ("0->1", "0->2", "1->2", "0->3", "1->3", "2->3")
EXPERTS = (
    ExpertPrinciple(
        "3x3 convolutions do most of the work: two or more of them reach the output.",
        "Ying et al. 2019, NAS-Bench-101: replacing a 3x3 convolution costs accuracy",
        _convolutions,
        tuple((layer, CONV, "keep") for layer in EVERY),
    ),
    ExpertPrinciple(
        "3x3 convolutions are stacked: a path to the output has two or more.",
        "Simonyan and Zisserman 2015, VGG",
        _deep,
        tuple((layer, CONV, "keep") for layer in ("0->1", "1->2", "2->3")),
    ),
    ExpertPrinciple(
        "The input skips straight to the output, around a path with convolutions.",
        "He et al. 2016, residual learning",
        _residual,
        (("0->3", "skip_connect", "keep"),),
    ),
    ExpertPrinciple(
        "The cell is wide: two or more edges reach the output.",
        "Shu et al. 2020, common connection patterns of cell-based search",
        _wide,
        tuple((layer, "none", "avoid") for layer in ("0->3", "1->3", "2->3")),
    ),
    ExpertPrinciple(
        "No pooling on the way: it costs accuracy where a convolution could stand.",
        "Ying et al. 2019, NAS-Bench-101",
        _no_pooling,
        tuple((layer, POOL, "avoid") for layer in EVERY),
    ),
    ExpertPrinciple(
        "A 3x3 convolution leads from the input into the cell: local patterns are found before they are mixed.",
        "Xiao et al. 2021, early convolutions",
        _early,
        tuple((layer, CONV, "keep") for layer in ("0->1", "0->2")),
    ),
    ExpertPrinciple(
        "Few edges are cut: five or more of six are on a way to the output.",
        "Huang et al. 2017, DenseNet: features are reused over many connections",
        _connected,
        tuple((layer, "none", "avoid") for layer in EVERY),
    ),
)
"""For cells of four nodes with NAS-Bench-201's operators. Most were found on ImageNet and CIFAR: of these as targets
they know more than of a new task."""


_SAMPLED = 2_000
"""Architectures that stand for a space too large to list."""


def known_to_hold(space: SearchSpace, architectures: Sequence[Architecture]) -> Floats:
    """N x K of 0 and 1: which expert principles that apply to ``space`` (``applying``) hold for each architecture."""
    family = space.family
    if not isinstance(family, DagCell | DartsCell):
        return np.zeros((len(architectures), 0))
    experts = applying(space)
    rows = [_holding(family, architecture, experts) for architecture in architectures]
    return np.array(rows, dtype=np.float64).reshape(len(architectures), len(experts))


def applying(space: SearchSpace) -> tuple[ExpertPrinciple, ...]:
    """Those that speak of layers, operators and sources that ``space``, the whole of it, has."""
    known = {DagCell: EXPERTS, DartsCell: DARTS_EXPERTS}
    mine = next((experts for family, experts in known.items() if isinstance(space.family, family)), ())
    return tuple(expert for expert in mine if expert.applies(space))


@lru_cache(maxsize=40_000)
def _holding(
    cell: DagCell | DartsCell, architecture: Architecture, experts: tuple[ExpertPrinciple, ...]
) -> tuple[bool, ...]:
    # A cell that computes nothing avoids everything: it does nothing well.
    alive = not isinstance(cell, DagCell) or bool(cell.live_edges(architecture.operators))
    return tuple(alive and expert.holds(cell, architecture) for expert in experts)


@dataclass(frozen=True)
class Grounded:
    """An expert principle beside an archive: the share of it that does so, of the whole space, and the numbers, from 1,
    of the learned principles that say the same."""

    expert: ExpertPrinciple
    support: float
    base_rate: float
    matched: tuple[int, ...]


def grounded(space: SearchSpace, archive: Sequence[Architecture], learned: Principles) -> list[Grounded]:
    """Every expert principle that applies to ``space``. Raises ConfigError where none does."""
    known = applying(space)
    if not known:
        raise ConfigError(
            "a space of NAS-Bench-201's or DARTS's cells and operators", space.name, "expert principles are theirs"
        )
    if space.size <= ENUMERABLE:
        members = list(space.members())
    else:
        rng = np.random.default_rng(0)
        members = [space.sample(rng) for _ in range(_SAMPLED)]

    def share(expert: ExpertPrinciple, cells: Sequence[Architecture]) -> float:
        return sum(expert.holds(space.family, cell) for cell in cells) / len(cells)

    return [
        Grounded(
            expert,
            share(expert, archive),
            share(expert, members),
            tuple(n for n, principle in enumerate(learned.principles, start=1) if expert.matched_by(principle)),
        )
        for expert in known
    ]
