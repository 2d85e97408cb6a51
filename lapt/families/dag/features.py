"""Features of cells on a fixed graph for predictors: the operators on the paths that are open.

The encoding behind BANANAS (White et al. 2021; White et al. 2020 compare encodings), here as counts and not as one bit
for each possible path: 4 paths need 20 numbers where NAS-Bench-201 has 155 possible paths. All functions work on whole
spaces at once, N architectures of L layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lapt.families.dag.cell import DagCell
from lapt.spaces import Architecture
from lapt.spaces.features import Floats

Codes = npt.NDArray[np.int8]

_CANONICAL_AT_MOST = 20_000
"""Largest number of cells a family may have for canonical forms to be listed (1 s for NAS-Bench-201's 15,625)."""


def codes(cell: DagCell, architectures: Sequence[Architecture]) -> Codes:
    """N x L: each layer's operator as its position in ``cell.operators``."""
    position = {operator: code for code, operator in enumerate(cell.operators)}
    flat = [position[operator] for architecture in architectures for operator in architecture.operators]
    return np.array(flat, dtype=np.int8).reshape(len(architectures), len(cell.edges))


def open_paths(cell: DagCell, coded: Codes) -> npt.NDArray[np.bool_]:
    """N x P: whether each path from input to output (``cell.paths``) is free of zero operators."""
    present = coded != cell.operators.index(cell.zero)
    return np.stack([present[:, list(path)].all(axis=1) for path in _positions(cell)], axis=1)


def live_layers(cell: DagCell, coded: Codes) -> npt.NDArray[np.bool_]:
    """N x L: layers on some open path, as ``cell.live_edges`` says for one cell."""
    is_open = open_paths(cell, coded)
    live = np.zeros(coded.shape, dtype=bool)
    for way, path in enumerate(_positions(cell)):
        live[:, list(path)] |= is_open[:, [way]]
    return live


def path_features(cell: DagCell, coded: Codes) -> Floats:
    """N x (P O + 2 (O + 1)) for P paths and O operators: what is on each open path, and over all of them.

    For each path: whether it is open, and the count of each operator but the zero operator (0 if closed). Then the
    sum and the maximum of each of these over the paths, and the sum and the maximum of the depths: operators on an
    open path that are not the identity.
    """
    is_open = open_paths(cell, coded)
    working = [code for code, operator in enumerate(cell.operators) if operator != cell.zero]
    deep = [at for at, code in enumerate(working, start=1) if cell.operators[code] != cell.identity]
    counts = np.zeros((len(coded), len(cell.paths), 1 + len(working)))
    for way, path in enumerate(_positions(cell)):
        on = coded[:, list(path)]
        counts[:, way, 0] = 1
        for at, code in enumerate(working, start=1):
            counts[:, way, at] = (on == code).sum(axis=1)
    counts *= is_open[:, :, None]
    depth = counts[:, :, deep].sum(axis=2, keepdims=True)
    per_path = np.concatenate([counts, depth], axis=2)
    return np.hstack(
        [counts.reshape(len(coded), counts.shape[1] * counts.shape[2]), per_path.sum(axis=1), per_path.max(axis=1)]
    )


def graphs(cell: DagCell, coded: Codes) -> tuple[Floats, Floats]:
    """N x V x V adjacency and N x V x (O + 2) operators, V = L + 2: the input, the layers in order, the output.

    Adjacency: 1 where the column's node reads the row's; nothing into or out of a layer that is not live. A layer reads
    the layers that end where it starts; the first read the input. Operators: one-hot, input, output, then the family's.
    """
    size = len(cell.edges) + 2
    operators = np.zeros((len(coded), size, len(cell.operators) + 2))
    operators[:, 0, 0] = operators[:, -1, 1] = 1
    operators[:, 1:-1, 2:] = coded[:, :, None] == np.arange(len(cell.operators))
    reads = np.zeros((size, size))
    for at, (source, target) in enumerate(cell.edges, start=1):
        reads[0, at] = source == 0
        reads[at, -1] = target == cell.nodes - 1
        for other, (start, _) in enumerate(cell.edges, start=1):
            reads[at, other] = target == start
    live = np.pad(live_layers(cell, coded), ((0, 0), (1, 1)), constant_values=True)
    return reads * live[:, :, None] * live[:, None, :], operators


def features(cell: DagCell, architectures: Sequence[Architecture]) -> Floats:
    """N x F: the path features of canonical forms.

    Cells that compute the same function have equal features, so a score of one tells of all. (In a family of more
    than ``_CANONICAL_AT_MOST`` cells, forms are not made canonical.)
    """
    return path_features(cell, codes(cell, _canonical_forms(cell, architectures)))


def flat_graphs(cell: DagCell, architectures: Sequence[Architecture]) -> Floats:
    """N x (V^2 + V (O + 2)): adjacency and operators of ``graphs``, flattened, of canonical forms."""
    parts = graphs(cell, codes(cell, _canonical_forms(cell, architectures)))
    return np.hstack([part.reshape(len(part), part.shape[1] * part.shape[2]) for part in parts])


def feature_names(cell: DagCell) -> tuple[str, ...]:
    """The columns of ``features``, in words."""
    said = ["open", *(operator for operator in cell.operators if operator != cell.zero)]
    of_paths = [f"{what} {'on ' if what != 'open' else ''}{_joined(path)}" for path in cell.paths for what in said]
    over_all = [what if what != "open" else "open paths" for what in said]
    return (
        *of_paths,
        *(f"{what} on all paths together" if what != "open paths" else what for what in [*over_all, "depth"]),
        *(f"most {what} on one path" if what != "open paths" else "any open path" for what in [*over_all, "depth"]),
    )


def blocks(cell: DagCell) -> tuple[slice, ...]:
    """Columns of ``features``: the paths one by one, and all of them together."""
    single = len(cell.paths) * len(cell.operators)
    return slice(single), slice(single, None)


def graph_shape(cell: DagCell) -> tuple[int, int]:
    """(nodes, kinds of nodes) of ``graphs``."""
    return len(cell.edges) + 2, len(cell.operators) + 2


def _joined(path: Sequence[str]) -> str:
    """The name of a path: 0->1->3 for the layers 0->1 and 1->3."""
    return "->".join([path[0].split("->")[0], *(layer.split("->")[1] for layer in path)])


def _canonical_forms(cell: DagCell, architectures: Sequence[Architecture]) -> Sequence[Architecture]:
    if len(cell.operators) ** len(cell.edges) > _CANONICAL_AT_MOST:
        return architectures
    return [_canonical(cell, architecture) for architecture in architectures]


@lru_cache(maxsize=2 * _CANONICAL_AT_MOST)
def _canonical(cell: DagCell, architecture: Architecture) -> Architecture:
    return cell.canonical(architecture)


def _positions(cell: DagCell) -> list[tuple[int, ...]]:
    """``cell.paths`` as positions of layers."""
    at = {name: position for position, name in enumerate(cell.layer_names)}
    return [tuple(at[name] for name in path) for path in cell.paths]
