"""The choices of architectures as numbers: to compare one with many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapt.spaces.layer import Architecture, Choice


def _alone(layer: int) -> Sequence[int]:
    return [layer]


@dataclass(frozen=True, eq=False)
class Coded:
    """N architectures as numbers. ``codes``: N x L, the code of each layer's choice; ``numbers``: code by choice."""

    numbers: Mapping[Choice, int]
    codes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, architectures: Iterable[Architecture]) -> Coded:
        numbers: dict[Choice, int] = {}
        rows = [
            [numbers.setdefault(choice, len(numbers)) for choice in zip(*one, strict=True)] for one in architectures
        ]
        return cls(numbers, np.array(rows, dtype=np.int64))

    def agree(
        self, architecture: Architecture, together: Callable[[int], Sequence[int]] = _alone
    ) -> npt.NDArray[np.bool_]:
        """N x L: whether each of the N architectures makes the same choice on a layer as ``architecture``.

        ``together(layer)``: the layers of its node, if their order does not matter."""
        found = np.empty(self.codes.shape, dtype=bool)
        for layer, choice in enumerate(zip(*architecture, strict=True)):
            code = self.numbers.get(choice, -1)
            found[:, layer] = (self.codes[:, together(layer)] == code).any(axis=1)
        return found
