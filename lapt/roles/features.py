"""A description of cells by the roles of their operators: the same columns for the architectures of any space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from lapt.conditions.cells import Cells, Flags, Graph
from lapt.conditions.judging import members_of
from lapt.roles.positions import of_main_cell
from lapt.spaces import SearchSpace
from lapt.spaces.features import Floats
from lapt.spaces.roles import Role

PREFIX = "by role: "
"""Begins the name of each column, as no other feature's."""
_WIDTH = 16
"""Channels, by which a depthwise convolution is cheaper than a plain one."""
_FAR = 99.0


@dataclass(frozen=True)
class Described:
    """N architectures by roles: one graph, the main cell, with E layers each."""

    cells: Cells
    graph: Graph

    @cached_property
    def live(self) -> Flags:
        """N x E."""
        return self.graph.live

    @cached_property
    def _roles(self) -> tuple[Role | None, ...]:
        known = self.cells.family.operator_roles
        return tuple(known.get(name) for name in self.cells.operators)

    def of(self, values: Sequence[float]) -> Floats:
        """N x E values of live layers, 0 elsewhere. ``values``: one for each operator of the space."""
        return np.where(self.live, np.array(values, dtype=np.float64)[self.graph.operators], 0.0)

    def kind(self, kind: str, least: int = 0) -> Floats:
        """N x E: 1 where a live layer is of the kind, with a kernel of at least this side."""
        return self.of([float(r is not None and r.kind == kind and (r.kernel or 3) >= least) for r in self._roles])

    @cached_property
    def reading(self) -> Flags:
        """N x E: layers that read an input."""
        return np.isin(self.graph.sources, self.graph.inputs)

    @cached_property
    def ending(self) -> Flags:
        """1 x E: layers that go into the output, or into what it concatenates."""
        ends = {self.graph.output, *self.graph.joined}
        return np.array([[target in ends for target in self.graph.targets]])

    def most(self, worth: Floats) -> Floats:
        """N sums of ``worth``, N x E, on the way from an input to the output where it is largest; 0 without a way."""
        return self._along(worth, -_FAR, np.maximum)

    def least(self, worth: Floats) -> Floats:
        """N sums of ``worth`` on the way where it is smallest; 0 without a way."""
        return self._along(worth, _FAR, np.minimum)

    def _along(self, worth: Floats, start: float, better: np.ufunc) -> Floats:
        rows = np.arange(len(self.live))
        reached = np.full((len(rows), len(self.graph.nodes)), start)
        reached[:, list(self.graph.inputs)] = 0.0
        for edge, target in enumerate(self.graph.targets):
            after = np.where(self.live[:, edge], reached[rows, self.graph.sources[:, edge]] + worth[:, edge], start)
            reached[:, target] = better(reached[:, target], after)
        ends = list(self.graph.joined) or [self.graph.output]
        found = better.reduce(reached[:, ends], axis=1)
        return np.where(np.abs(found) < _FAR, found, 0.0)

    @cached_property
    def ways(self) -> Floats:
        """The number of ways from an input to the output."""
        rows = np.arange(len(self.live))
        found = np.zeros((len(rows), len(self.graph.nodes)))
        found[:, list(self.graph.inputs)] = 1.0
        for edge, target in enumerate(self.graph.targets):
            found[:, target] += np.where(self.live[:, edge], found[rows, self.graph.sources[:, edge]], 0.0)
        return np.asarray(found[:, list(self.graph.joined) or [self.graph.output]].sum(axis=1))

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """Name -> N values."""
        convolutions, wide = self.kind("convolution"), self.kind("convolution", 2)
        identities, pools = self.kind("identity"), self.kind("pooling")
        works = self.live - identities
        number = self.live.sum(axis=1)
        some = np.maximum(number, 1)
        seen = self.of([0.0 if r is None or r.kernel is None else _seen(r) for r in self._roles])
        cost = self.of([_cost(r) for r in self._roles]).sum(axis=1)
        return {
            "live layers": number.astype(np.float64),
            "convolutions": convolutions.sum(axis=1),
            "convolutions of 2x2 or more": wide.sum(axis=1),
            "identities": identities.sum(axis=1),
            "poolings": pools.sum(axis=1),
            "share of convolutions": convolutions.sum(axis=1) / some,
            "share of convolutions of 2x2 or more": wide.sum(axis=1) / some,
            "share of identities": identities.sum(axis=1) / some,
            "share of poolings": pools.sum(axis=1) / some,
            "depth": self.most(works),
            "width": (self.live & self.reading).sum(axis=1).astype(np.float64),
            "layers into the output": (self.live & self.ending).sum(axis=1).astype(np.float64),
            "most convolutions on a path": self.most(convolutions),
            "most convolutions of 2x2 or more on a path": self.most(wide),
            "fewest convolutions on a path": self.least(convolutions),
            "fewest operators on a path": self.least(works),
            "most poolings on a path": self.most(pools),
            "identity from input to output": ((self.least(works) == 0) & (number > 0)).astype(np.float64),
            "identity around a convolution": (
                (self.least(works) == 0) & (number > 0) & (convolutions.sum(axis=1) > 0)
            ).astype(np.float64),
            "convolutions from the input": (convolutions * self.reading).sum(axis=1),
            "convolutions into the output": (convolutions * self.ending).sum(axis=1),
            "identities from the input": (identities * self.reading).sum(axis=1),
            "identities into the output": (identities * self.ending).sum(axis=1),
            "poolings into the output": (pools * self.ending).sum(axis=1),
            "paths": np.log1p(self.ways),
            "field of view": self.most(seen),
            "cost": np.sqrt(cost),
        }


def _seen(role: Role) -> float:
    """The pixels by which an operator widens the field of view."""
    return ((role.kernel or 1) - 1) * (2.0 if role.form == "dilated" else 1.0)


def _cost(role: Role | None) -> float:
    """The weights of an operator a pair of channels, roughly."""
    if role is None or role.kind != "convolution":
        return 0.0
    window = float((role.kernel or 3) ** 2)
    depthwise = window / _WIDTH
    by_form = {
        "separable": 2 * (1 + depthwise),
        "dilated": 1 + depthwise,
        "depthwise": depthwise,
        "grouped": window / 4,
    }
    if role.form == "inverted":
        return (role.expansion or 4.0) * (2 + depthwise)
    return by_form.get(str(role.form), window)


def described(cells: Cells) -> Floats:
    """N x F: the columns of ``names``, not standardised."""
    if not len(cells):
        return np.zeros((0, len(names())))
    return np.stack(list(Described(cells, of_main_cell(cells)).columns.values()), axis=1)


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The columns of ``described``, in words."""
    from lapt.spaces import BUILTIN

    one = Cells.of(BUILTIN["nas201"], [next(BUILTIN["nas201"].members())])
    return tuple(PREFIX + name for name in Described(one, of_main_cell(one)).columns)


@lru_cache(maxsize=8)
def moments(space: SearchSpace) -> tuple[Floats, Floats]:
    """The mean and the standard deviation of each column over a space, or a sample of it; 0 where it is constant."""
    x = described(members_of(space))
    spread = x.std(axis=0)
    return x.mean(axis=0), np.where(spread > 1e-9, spread, 0.0)


def standardised(cells: Cells) -> Floats:
    """N x F columns of mean 0 and deviation 1 over the space; 0 for one that tells nothing apart there."""
    centre, spread = moments(cells.space)
    return np.asarray((described(cells) - centre) * np.where(spread > 0, 1 / np.where(spread > 0, spread, 1.0), 0.0))
