"""An additive predictor of a latency: what each live operator adds, fitted to a few measured architectures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from lapt.base.statistics import Scores
from lapt.latency.timing import Protocol
from lapt.spaces import Architecture, SearchSpace

Part = tuple[str, str, str]
"""(cell, place, operator). Place: "input" for an edge that reads the cell's input, where widths and strides differ,
"inside" for others; of a family whose layers differ in width or side, the layer."""
SHRINKAGE = 1e-3
"""Ridge penalty, in units of the mean squared count: parts that few measurements tell apart share their time."""
FOLDS = 5
NEEDED = 12
"""Smallest number of measurements that a predictor is fitted to."""


class MeasuredLatency(Protocol):
    """The latency of deployed networks on the machine of the run: how it is measured and predicted."""

    fit: int = Field(30, ge=NEEDED, description="networks that are measured first, to predict others")


@dataclass(frozen=True)
class Additive:
    """Latency = constant + sum over live operators of what their part adds; no part adds less than nothing.

    ``error``: median over the measured architectures of |predicted - measured| / measured, each predicted by a fit that
    did not see it (``FOLDS`` folds). ``spread``: the 90 % quantile of the same. ``measured``: their number.
    """

    space: SearchSpace
    constant: float
    adds: tuple[tuple[Part, float], ...]
    error: float
    spread: float
    measured: int

    @classmethod
    def fit(cls, space: SearchSpace, architectures: Sequence[Architecture], latencies: Scores) -> Additive:
        """Fit to N >= 2 measured architectures, N latencies above 0."""
        parts = sorted({part for one in architectures for part in parts_of(space, one)})
        counts = _counts(space, architectures, parts)
        held_out = np.empty(len(latencies))
        for fold in range(min(FOLDS, len(latencies))):
            out = np.arange(len(latencies)) % FOLDS == fold
            constant, adds = _solved(counts[~out], latencies[~out])
            held_out[out] = constant + counts[out] @ adds
        errors = np.abs(held_out - latencies) / latencies
        constant, adds = _solved(counts, latencies)
        error, spread = np.quantile(errors, (0.5, 0.9))
        named = tuple(zip(parts, adds.tolist(), strict=True))
        return cls(space, constant, named, float(error), float(spread), len(latencies))

    def predict(self, architectures: Sequence[Architecture]) -> Scores:
        """N latencies. An operator that no measured architecture had adds nothing."""
        parts = [part for part, _ in self.adds]
        adds = np.array([add for _, add in self.adds])
        return np.asarray(self.constant + _counts(self.space, architectures, parts) @ adds)


def parts_of(space: SearchSpace, architecture: Architecture) -> Counter[Part]:
    """The live operators of the canonical form, by their parts."""
    found: Counter[Part] = Counter()
    for graph in space.family.graphs(space.canonical(architecture)):
        read = {edge.target for edge in graph.edges}
        for edge in graph.edges:
            if not edge.live or edge.operator == space.family.zero:
                continue
            inside = "inside" if edge.source in read else "input"
            place = graph.nodes[edge.target] if space.family.layers_differ else inside
            found[graph.name, place, edge.operator] += 1
    return found


def _counts(space: SearchSpace, architectures: Sequence[Architecture], parts: Sequence[Part]) -> Scores:
    """N x P counts."""
    found = [parts_of(space, one) for one in architectures]
    return np.array([[counted[part] for part in parts] for counted in found], dtype=np.float64).reshape(-1, len(parts))


def _solved(counts: Scores, latencies: Scores) -> tuple[float, Scores]:
    """The constant and P additions of least relative squares, none below 0."""
    from scipy.optimize import nnls  # scipy takes half a second to import

    design = np.hstack([np.ones((len(counts), 1)), counts]) / latencies[:, None]  # errors relative to the latency
    scale = np.sqrt(SHRINKAGE * float((design**2).mean()))
    ridge = scale * np.eye(design.shape[1])
    ridge[0, 0] = 0
    solution, _ = nnls(np.vstack([design, ridge]), np.concatenate([np.ones(len(counts)), np.zeros(len(ridge))]))
    return float(solution[0]), np.asarray(solution[1:])
