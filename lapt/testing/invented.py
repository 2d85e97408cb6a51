"""An invented benchmark of the shape of NAS-Bench-201, for demonstrations and tests. It measures nothing."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from lapt.base.digests import digest
from lapt.evaluation import Metric
from lapt.evaluators.table import Table
from lapt.spaces import BUILTIN, SearchSpace
from lapt.training.relaxation import Relaxation, Strengths

_STRENGTH = {"none": 0.0, "skip_connect": 0.75, "nor_conv_1x1": 0.6, "nor_conv_3x3": 1.0, "avg_pool_3x3": 0.3}
_TASKS = {"invented_source": 0.0, "invented_a": 0.35, "invented_b": -0.35}
"""Task -> factor of a convolution near the output, compared with the source."""


@cache
def invented_table() -> Table:
    """All 15,625 NAS-Bench-201 cells with a formula's scores in place of accuracies, the same on every machine.

    A cell's score grows with the strength of its open paths from input to output; three tasks weigh late convolutions
    differently, and each score carries noise with a standard deviation of 0.4 points (validation and test apart).
    """
    space = BUILTIN["nas201"]
    architectures = tuple(space.encode(architecture) for architecture in space.members())
    edges = {name: position for position, name in enumerate(space.layer_names)}
    strength = np.array([[_STRENGTH[operator] for operator in cell.operators] for cell in space.members()])
    paths = [(0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3)]
    used = [[edges[f"{i}->{j}"] for i, j in pairwise(path)] for path in paths]
    rng = np.random.default_rng(201)
    scores, metrics = {}, {}
    for task, tilt in _TASKS.items():
        late = np.array([1 + tilt * (name[-1] == "3") for name in space.layer_names])
        flow = sum(np.prod((strength * late)[:, path], axis=1) for path in used)
        clean = 40 + 50 * np.tanh(0.6 * flow)
        scores[task] = {
            "validation": clean + rng.normal(0, 0.4, len(clean)),
            "test": clean + rng.normal(0, 0.4, len(clean)),
        }
        metrics[task] = Metric("invented score", "", higher_is_better=True)
    checksum = digest({task: [round(float(v), 6) for v in split["validation"]] for task, split in scores.items()})
    return Table("invented", "nas201", architectures, scores, metrics, checksum)  # type: ignore[arg-type]


def invented_strengths(space: SearchSpace, relaxation: Relaxation, seed: int) -> Strengths:
    """Invented strengths of a mixed supernet: a fixed part for each operator, and a random part of the same size."""
    rng = np.random.default_rng(seed)
    found = {}
    for layers, choices in space.nodes:
        for operator, source in choices:
            strength = _STRENGTH.get(operator, 1.0 if "conv" in operator else 0.3) + 0.1 + rng.random()
            found.update({(layer, (operator, source)): strength for layer in layers})
    return found
