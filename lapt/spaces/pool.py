"""A search space with only some of its architectures: those that have scores in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lapt.errors import SpaceError
from lapt.spaces.layer import Architecture, Choice, Layer
from lapt.spaces.space import SearchSpace


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


class Pool(SearchSpace):
    """A space whose members are ``rows``, in their order. All moves of a search stay inside them.

    A row's neighbours are found layer by layer: the rows that choose otherwise on that layer and agree on most of the
    others. In a complete space these differ in that layer alone; in a sparse one they are the nearest rows there are.
    So a search needs no rejected draws, however few rows there are. Restrictions and unions of a pool are spaces, not
    pools.
    """

    rows: tuple[Architecture, ...]

    @classmethod
    def of(cls, space: SearchSpace, architectures: Iterable[Architecture], *, at_least: int = 0) -> Pool:
        """The architectures that lie in ``space``; where fewer than ``at_least`` do, those too that lie outside
        in the fewest layers, all that lie equally far."""
        apart: dict[int, list[Architecture]] = {}
        choices = [frozenset(layer.choices) for layer in space.layers]
        for architecture in architectures:
            if space.groups:
                distance = space.distance(architecture)
            else:  # the same, in half the time
                made = zip(*architecture, strict=True)
                distance = sum(one not in known for one, known in zip(made, choices, strict=True))
            apart.setdefault(distance, []).append(architecture)
        rows = apart.pop(0, [])
        for distance in sorted(apart):
            if len(rows) >= at_least:
                break
            rows += apart[distance]
        layers = tuple(_with_choices(space, at, rows) for at in range(len(space.layers)))
        # Nothing to validate: of many rows that takes longer than a search.
        return cls.model_construct(
            name=space.name, cell=space.cell, layers=layers, groups=space.groups, rows=tuple(rows)
        )

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Pool) and (self.layers, self.rows) == (other.layers, other.rows))

    def __hash__(self) -> int:
        return hash((self.name, self.layers, len(self.rows)))

    @property
    def size(self) -> int:
        return len(self.rows)

    def members(self) -> Iterator[Architecture]:
        yield from self.rows

    def contains(self, architecture: Architecture) -> bool:
        return super().contains(architecture) and self.written(architecture) in self._there

    def best_first(self, worth: Callable[[str, Choice], float]) -> Iterator[Architecture]:
        def total(architecture: Architecture) -> float:
            return sum(map(worth, self.layer_names, zip(*architecture, strict=True)))

        yield from sorted(self.rows, key=lambda architecture: -total(architecture))

    # --- moves -----------------------------------------------------------------------------------------------------
    def sample(self, rng: np.random.Generator) -> Architecture:
        return self.rows[int(rng.integers(len(self.rows)))]

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A neighbour, the layer in which it must differ drawn uniformly. Raises SpaceError where there is no other."""
        kept = self._keeping(self._member(architecture))
        for layer in rng.permutation(len(self.layers)):
            others = _nearest_without(kept, int(layer))
            if len(others):
                return self.rows[int(rng.choice(others))]
        raise SpaceError("a pool of at least two architectures", f"one of {self.name} alone", "score more of the space")

    def crossover(self, one: Architecture, two: Architecture, rng: np.random.Generator) -> Architecture:
        """The row nearest to a uniform crossover."""
        return self.project(super().crossover(one, two, rng), rng)

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        kept = self._keeping(self._member(architecture))
        found = (int(at) for layer in range(len(self.layers)) for at in _nearest_without(kept, layer))
        for at in dict.fromkeys(found):
            yield self.rows[at]

    def project(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The row that keeps most layers of ``architecture``; of several, one drawn uniformly."""
        if self.contains(architecture):
            return self.written(architecture)
        alike = self._keeping(architecture).sum(axis=1)
        return self.rows[int(rng.choice(np.flatnonzero(alike == alike.max())))]

    @cached_property
    def _there(self) -> frozenset[Architecture]:
        return frozenset(map(self.written, self.rows) if self.groups else self.rows)

    @cached_property
    def _coded(self) -> Coded:
        return Coded.of(self.rows)

    def _keeping(self, architecture: Architecture) -> npt.NDArray[np.bool_]:
        """N x L: whether each row makes the same choice on a layer as ``architecture``."""
        return self._coded.agree(architecture, self.together)


def _nearest_without(kept: npt.NDArray[np.bool_], layer: int) -> npt.NDArray[np.int64]:
    """The rows that differ on that layer and keep most of the other layers."""
    others = np.flatnonzero(~kept[:, layer])
    if not len(others):
        return others
    alike = kept[others].sum(axis=1)
    return np.asarray(others[alike == alike.max()])


def _with_choices(space: SearchSpace, at: int, rows: Iterable[Architecture]) -> Layer:
    """The layer, with more candidates if the rows choose any that it lacks."""
    layer = space.layers[at]
    operators = {*layer.operators, *(row.operators[at] for row in rows)}
    sources = {*layer.sources, *(row.sources[at] for row in rows)}
    if len(operators) == len(layer.operators) and len(sources) == len(layer.sources):
        return layer
    return Layer(
        name=layer.name,
        operators=space.family.in_order("operator", layer.name, operators),
        sources=space.family.in_order("source", layer.name, sources),
    )
