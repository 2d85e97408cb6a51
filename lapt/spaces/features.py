"""One-hot choices: the features of architectures of which only the choices are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lapt.spaces.layer import Architecture, Layer

Floats = npt.NDArray[np.float64]


def one_hot(layers: Sequence[Layer], architectures: Sequence[Architecture]) -> Floats:
    """N x (number of choices): a block a layer, one column for each (operator, source) that it has.

    A choice that a layer lacks leaves its block empty, so what lies outside a restricted space is described too.
    """
    columns: dict[tuple[int, str, str], int] = {}
    for at, layer in enumerate(layers):
        for operator, source in layer.choices:
            columns[at, operator, source] = len(columns)
    found = np.zeros((len(architectures), len(columns)))
    for row, (operators, sources) in enumerate(architectures):
        for at, (operator, source) in enumerate(zip(operators, sources, strict=True)):
            if (column := columns.get((at, operator, source))) is not None:
                found[row, column] = 1
    return found


def choices(layers: Sequence[Layer]) -> tuple[str, ...]:
    """The columns of ``one_hot``, in words."""
    return tuple(
        f"{operator} from {source} on {layer.name}" if len(layer.sources) > 1 else f"{operator} on {layer.name}"
        for layer in layers
        for operator, source in layer.choices
    )
