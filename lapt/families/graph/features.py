"""Features of graph neural networks for predictors: operators by place, pairs that follow each other, and the shape.

All are of canonical forms, and equal for networks that compute the same function.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lapt.families.graph.cell import NODES, GraphCell
from lapt.spaces import Architecture
from lapt.spaces.features import Floats

Codes = npt.NDArray[np.int64]


def coded(cell: GraphCell, architectures: Sequence[Architecture]) -> tuple[Codes, Codes]:
    """Two N x 4 of canonical forms: each node's operator, and the node that it reads (0 is the input)."""
    found = [cell.numbers(cell.canonical(architecture)) for architecture in architectures]
    both = np.array(found, dtype=np.int64).reshape(len(architectures), 2, NODES)
    return both[:, 0], both[:, 1]


def features(cell: GraphCell, architectures: Sequence[Architecture]) -> Floats:
    """N x (5 W + W (W + 1) + W + 4) for W operators that are no skip, in the order of ``feature_names``.

    A node's place is the number of operators on the way from the input to it that are no skip, its own included.
    """
    operators, read = coded(cell, architectures)
    skip, rows, width = cell.operators.index(cell.identity), np.arange(len(operators)), len(cell.operators)
    working = [code for code in range(width) if code != skip]
    place = np.zeros((len(operators), NODES + 1), dtype=np.int64)
    at = np.zeros((len(operators), NODES, width))
    ends, counts = np.zeros((len(operators), width)), np.zeros((len(operators), width))
    follows = np.zeros((len(operators), width, width))
    unread = np.ones((len(operators), NODES + 1), dtype=bool)
    started = np.zeros(len(operators))
    for node in range(1, NODES + 1):
        operator, source = operators[:, node - 1], read[:, node - 1]
        place[:, node] = place[rows, source] + (operator != skip)
        counted = place[:, node] > 0  # no skip in front
        at[rows, np.maximum(place[:, node] - 1, 0), operator] += counted
        counts[rows, operator] += counted
        after = counted & (place[rows, source] > 0)
        follows[rows, operators[rows, np.maximum(source - 1, 0)], operator] += after
        started += counted & ~after
        unread[rows, source] = False
    for node in range(1, NODES + 1):
        ends[rows, operators[:, node - 1]] += unread[:, node]
    shape = [counts[:, [skip]], started[:, None], unread[:, 1:].sum(axis=1, keepdims=True)]
    return np.hstack(
        [
            at[:, :, working].reshape(len(operators), NODES * len(working)),
            ends[:, working],
            follows[:, working][:, :, [*working, skip]].reshape(len(operators), len(working) * width),
            counts[:, working],
            *shape,
            place.max(axis=1, keepdims=True),
        ]
    )


_PLACES = ("first", "second", "third", "fourth")


def feature_names(cell: GraphCell) -> tuple[str, ...]:
    """The columns of ``features``, in words."""
    working = [operator for operator in cell.operators if operator != cell.identity]
    return (
        *(f"{operator} as the {place} operator" for place in _PLACES for operator in working),
        *(f"{operator} at the output" for operator in working),
        *(f"{after} after {first}" for first in working for after in (*working, cell.identity)),
        *(f"{operator} anywhere" for operator in working),
        f"{cell.identity} to the output",
        "operators that read the input",
        "nodes at the output",
        "depth",
    )


def blocks(cell: GraphCell) -> tuple[slice, slice, slice]:
    """Columns of ``features``: operators by place, pairs, and the network as a whole."""
    working = len(cell.operators) - 1
    placed = (NODES + 1) * working
    pairs = placed + working * len(cell.operators)
    return slice(placed), slice(placed, pairs), slice(pairs, None)
