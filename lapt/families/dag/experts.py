"""Principles of the literature for cells on a fixed graph."""

from __future__ import annotations

from lapt.families.dag.cell import DagCell
from lapt.reasoning.experts.principle import ExpertPrinciple
from lapt.spaces import Architecture

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
"""Expert principles for cells of four nodes with NAS-Bench-201's operators.

Most were found on ImageNet and CIFAR. With these as targets they have an advantage that a new task does not give."""
