"""SearchSpace: layers, and every move among their choices. Omega (eq. 2) and the refined Omega_r (eq. 3) are alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from heapq import heappop, heappush
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from lapt.errors import SpaceError
from lapt.spaces.declared import DeclaredSpace
from lapt.spaces.distributions import architecture, distributions
from lapt.spaces.families import FAMILIES, register, registered
from lapt.spaces.family import CellFamily
from lapt.spaces.layer import Architecture, Choice, Layer

ENUMERABLE = 200_000
"""Largest space that is listed as a whole; a larger one is sampled."""


class _Node(NamedTuple):
    """Layers that are chosen together, and their joint options in canonical order."""

    layers: tuple[int, ...]
    options: tuple[tuple[Choice, ...], ...]
    members: frozenset[tuple[Choice, ...]]
    having: Mapping[Choice, Sequence[tuple[Choice, ...]]]
    """Choice -> the options that contain it."""


class SearchSpace(BaseModel):
    """A frozen, serialisable search space.

    ``layers`` in order; ``nodes`` groups layers by position. Layers of one node form an unordered set with distinct
    sources (DARTS: each node adds two inputs); a layer outside any group is a node of its own. ``cell`` names the cell
    family (``lapt.spaces.FAMILIES``) that knows the encoding and which cells compute the same function, or is itself
    the declaration that knows this; such a space needs nothing else in another process.

    Two spaces are equal when their fields are. Nothing here draws from global random state: pass a Generator.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    name: str
    cell: str | DeclaredSpace
    layers: tuple[Layer, ...]
    groups: tuple[tuple[int, ...], ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> SearchSpace:
        names = [layer.name for layer in self.layers]
        if not names or len(set(names)) != len(names):
            raise SpaceError("one or more layers with distinct names", f"{names}", "name each layer once")
        _ = self.family  # which raises SpaceError where there is none
        grouped = [position for group in self.groups for position in group]
        if len(set(grouped)) != len(grouped) or any(not 0 <= p < len(names) for p in grouped):
            raise SpaceError("groups of layer positions without overlap", f"{self.groups}", "list each position once")
        for node in self._nodes:
            if not node.options:
                raise SpaceError(
                    f"distinct sources for the layers {[names[i] for i in node.layers]} of one node",
                    "candidates that allow no such pair",
                    "keep at least two sources in the node",
                )
        return self

    def __getstate__(self) -> dict[Any, Any]:
        """The state, with the "module:object" that a reading process must import to know the family."""
        where = registered(self.cell) if isinstance(self.cell, str) else None
        return super().__getstate__() | ({"registered": where} if where else {})

    def __setstate__(self, state: dict[Any, Any]) -> None:
        where = state.pop("registered", None)
        super().__setstate__(state)
        if where:
            register(str(self.cell), where)

    # --- structure -------------------------------------------------------------------------------------------------
    @cached_property
    def _nodes(self) -> tuple[_Node, ...]:
        grouped = {position for group in self.groups for position in group}
        groups = [*self.groups, *((i,) for i in range(len(self.layers)) if i not in grouped)]
        nodes = []
        for group in sorted(groups):
            joint = product(*(self.layers[i].choices for i in group))
            distinct = (option for option in joint if len({source for _, source in option}) == len(option))
            options = tuple(dict.fromkeys(self._canonical_option(option) for option in distinct))
            having: dict[Choice, list[tuple[Choice, ...]]] = {}
            for option in options:
                for choice in option:
                    having.setdefault(choice, []).append(option)
            nodes.append(_Node(group, options, frozenset(options), having))
        return tuple(nodes)

    @staticmethod
    def _canonical_option(option: tuple[Choice, ...]) -> tuple[Choice, ...]:
        return option if len(option) == 1 else tuple(sorted(option, key=lambda choice: (choice[1], choice[0])))

    @property
    def family(self) -> CellFamily:
        return FAMILIES[self.cell] if isinstance(self.cell, str) else self.cell

    @property
    def is_declared(self) -> bool:
        """Whether its family is a declaration. Two declarations of one name may differ."""
        return not isinstance(self.cell, str)

    @property
    def layer_names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {layer.name: i for i, layer in enumerate(self.layers)}

    def layer(self, name: str) -> Layer:
        """The layer of that name. Raises SpaceError when there is none."""
        try:
            return self.layers[self._positions[name]]
        except KeyError:
            raise SpaceError(
                f"a layer of {self.name} among {list(self.layer_names)}", repr(name), "check the spelling"
            ) from None

    @property
    def nodes(self) -> Iterator[tuple[tuple[str, ...], tuple[Choice, ...]]]:
        """Layers that are chosen together: their names, and every choice that one of them may have."""
        for node in self._nodes:
            yield tuple(self.layers[position].name for position in node.layers), tuple(node.having)

    @property
    def size(self) -> int:
        """Number of architectures; for grouped layers each unordered choice counts once."""
        return math.prod(len(node.options) for node in self._nodes)

    def members(self) -> Iterator[Architecture]:
        """Every architecture, in a fixed order (the last node varies fastest)."""
        for options in product(*(node.options for node in self._nodes)):
            yield self._assemble(options)

    def listed(self) -> list[Architecture]:
        """The members as a list. Raises SpaceError if there are more than ``ENUMERABLE``."""
        if self.size > ENUMERABLE:
            raise SpaceError(
                f"a space of at most {ENUMERABLE:,} architectures, since all of them are looked at",
                f"{self.name} with {self.size:,}",
                "choose a method, archive or study that samples",
            )
        return list(self.members())

    def best_first(self, worth: Callable[[str, Choice], float]) -> Iterator[Architecture]:
        """All architectures, best first: by the falling sum of ``worth(layer name, choice)`` over the layers.

        They are found one by one, so the space may be large. The order of ties is arbitrary, but always the same."""
        ranked = []
        for node in self._nodes:
            names = [self.layers[position].name for position in node.layers]
            sums = ((sum(map(worth, names, option)), option) for option in node.options)
            ranked.append(sorted(sums, key=lambda pair: -pair[0]))
        first = (0,) * len(ranked)
        waiting, seen = [(-sum(node[0][0] for node in ranked), first)], {first}
        while waiting:
            _, places = heappop(waiting)
            yield self._assemble([node[place][1] for node, place in zip(ranked, places, strict=True)])
            for at, place in enumerate(places):
                following = (*places[:at], place + 1, *places[at + 1 :])
                if place + 1 < len(ranked[at]) and following not in seen:
                    seen.add(following)
                    total = sum(node[p][0] for node, p in zip(ranked, following, strict=True))
                    heappush(waiting, (-total, following))

    def contains(self, architecture: Architecture) -> bool:
        """Whether it lies in this space. Layers of one node may stand in either order."""
        if len(architecture.operators) != len(self.layers) or len(architecture.sources) != len(self.layers):
            return False
        return all(
            option in node.members for node, option in zip(self._nodes, self._options(architecture), strict=True)
        )

    def distance(self, architecture: Architecture) -> int:
        """Number of layers in which the architecture lies outside this space: 0 for a member."""
        apart = 0
        for node, option in zip(self._nodes, self._options(architecture), strict=True):
            if option not in node.members:
                apart += len(option) - max(len(set(option) & set(other)) for other in node.options)
        return apart

    def as_member(self, architecture: Architecture) -> Architecture:
        """The member as this space writes it: the layers of a node in the order of their sources.

        Raises SpaceError when ``architecture`` lies outside.
        """
        return self.written(self._member(architecture))

    def written(self, architecture: Architecture) -> Architecture:
        """The architecture in the form of ``as_member``, even if it lies outside."""
        return self._assemble(self._options(architecture))

    def together(self, position: int) -> list[int]:
        """The positions of all layers of the node that the layer at ``position`` belongs to."""
        return list(self._nodes[self._slots[position][0]].layers)

    def _options(self, architecture: Architecture) -> list[tuple[Choice, ...]]:
        choices = list(zip(architecture.operators, architecture.sources, strict=True))
        return [self._canonical_option(tuple(choices[i] for i in node.layers)) for node in self._nodes]

    def _assemble(self, options: Sequence[tuple[Choice, ...]]) -> Architecture:
        chosen: list[Choice] = [("", "")] * len(self.layers)
        for node, option in zip(self._nodes, options, strict=True):
            for position, choice in zip(node.layers, option, strict=True):
                chosen[position] = choice
        return Architecture(tuple(operator for operator, _ in chosen), tuple(source for _, source in chosen))

    # --- moves -----------------------------------------------------------------------------------------------------
    def sample(self, rng: np.random.Generator) -> Architecture:
        """One architecture, uniform over the space."""
        return self._assemble([node.options[int(rng.integers(len(node.options)))] for node in self._nodes])

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A member that differs from ``architecture`` in exactly one layer, that layer drawn uniformly.

        Raises SpaceError when ``architecture`` lies outside or no layer has a second candidate.
        """
        options = self._options(self._member(architecture))
        for index in rng.permutation(len(self.layers)):
            position = int(index)
            at, slot = self._slots[position]
            others = self._alternatives(at, options[at], slot)
            if others:
                options[at] = others[int(rng.integers(len(others)))]
                return self._assemble(options)
        raise SpaceError(
            "a space with at least one layer that has two candidates", f"{self.name} of size {self.size}", "widen it"
        )

    def crossover(self, one: Architecture, two: Architecture, rng: np.random.Generator) -> Architecture:
        """Uniform crossover: each node from one of the two parents, which must be members."""
        pairs = zip(self._options(self._member(one)), self._options(self._member(two)), strict=True)
        return self._assemble([pair[int(rng.integers(2))] for pair in pairs])

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Every member that differs in exactly one layer, once each."""
        options = self._options(self._member(architecture))
        for at, node in enumerate(self._nodes):
            found = (other for slot in range(len(node.layers)) for other in self._alternatives(at, options[at], slot))
            for other in dict.fromkeys(found):
                yield self._assemble([*options[:at], other, *options[at + 1 :]])

    def project(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The member that keeps most layers of ``architecture``; what must change is drawn uniformly."""
        options = []
        for node, option in zip(self._nodes, self._options(architecture), strict=True):
            if option in node.members:
                options.append(option)
                continue
            kept = [len(set(option) & set(other)) for other in node.options]
            nearest = [other for other, k in zip(node.options, kept, strict=True) if k == max(kept)]
            options.append(nearest[int(rng.integers(len(nearest)))])
        return self._assemble(options)

    @cached_property
    def _slots(self) -> dict[int, tuple[int, int]]:
        """Layer position -> (node, place in the node)."""
        return {p: (at, slot) for at, node in enumerate(self._nodes) for slot, p in enumerate(node.layers)}

    def _alternatives(self, at: int, option: tuple[Choice, ...], slot: int) -> list[tuple[Choice, ...]]:
        """Options of node ``at`` that replace the choice in ``slot`` and keep the others."""
        rest = (*option[:slot], *option[slot + 1 :])
        node = self._nodes[at]
        if not rest:
            return [other for other in node.options if other != option]
        first, *others = rest
        return [o for o in node.having[first] if o != option and all(choice in o for choice in others)]

    def _member(self, architecture: Architecture) -> Architecture:
        if not self.contains(architecture):
            raise SpaceError(
                f"an architecture of {self.name} (size {self.size})",
                self.family.encode(architecture),
                "project it into the space first",
            )
        return architecture

    # --- text ------------------------------------------------------------------------------------------------------
    def encode(self, architecture: Architecture) -> str:
        """The architecture's text, as the field writes it."""
        return self.family.encode(architecture)

    def decode(self, text: str) -> Architecture:
        """The architecture behind a string of the field's; it may lie outside a restricted space.

        Raises SpaceError when the text is no architecture of the cell family.
        """
        return self.family.decode(text)

    def canonical(self, architecture: Architecture) -> Architecture:
        """One representative for all cells that compute the same function."""
        return self.family.canonical(architecture)

    # --- Optuna ----------------------------------------------------------------------------------------------------
    def to_optuna(self) -> dict[str, Any]:
        """Optuna's distributions of the layers' choices: ``trial = study.ask(space.to_optuna())``."""
        return distributions(self.layers)

    def from_optuna(self, params: Mapping[str, Any]) -> Architecture:
        """The architecture of a trial's ``params``. In DARTS ``project`` may have to repair a source that is twice."""
        return self.written(architecture(self.layers, params))

    # --- smaller and larger spaces -----------------------------------------------------------------------------------
    def restrict(
        self,
        operators: Mapping[str, Sequence[str]] | None = None,
        sources: Mapping[str, Sequence[str]] | None = None,
    ) -> SearchSpace:
        """Omega_r of eq. 3: the named layers keep only these candidates, the others stay as they are.

        Raises SpaceError for an unknown layer or candidate, an emptied layer, or a node without a distinct pair.
        """
        operators, sources = operators or {}, sources or {}
        for name in (*operators, *sources):
            self.layer(name)
        return self._with_layers(
            Layer(
                name=layer.name,
                operators=self._kept("operator", layer.name, layer.operators, operators.get(layer.name)),
                sources=self._kept("source", layer.name, layer.sources, sources.get(layer.name)),
            )
            for layer in self.layers
        )

    @staticmethod
    def _kept(kind: str, layer: str, candidates: tuple[str, ...], wanted: Sequence[str] | None) -> tuple[str, ...]:
        if wanted is None:
            return candidates
        unknown = [candidate for candidate in wanted if candidate not in candidates]
        if unknown:
            raise SpaceError(
                f"{kind}s of layer {layer} among {list(candidates)}", f"{unknown}", f"keep only {kind}s it has"
            )
        return tuple(candidate for candidate in candidates if candidate in set(wanted))

    def intersect(self, other: SearchSpace) -> SearchSpace:
        """Candidates that both spaces have, layer by layer. Raises SpaceError when a layer empties."""
        self._same_layers(other)
        return self._with_layers(
            Layer(
                name=mine.name,
                operators=tuple(o for o in mine.operators if o in theirs.operators),
                sources=tuple(s for s in mine.sources if s in theirs.sources),
            )
            for mine, theirs in zip(self.layers, other.layers, strict=True)
        )

    def union(self, other: SearchSpace) -> SearchSpace:
        """Candidates that either space has, layer by layer, in the cell family's own order."""
        self._same_layers(other)
        return self._with_layers(
            Layer(
                name=mine.name,
                operators=self.family.in_order("operator", mine.name, {*mine.operators, *theirs.operators}),
                sources=self.family.in_order("source", mine.name, {*mine.sources, *theirs.sources}),
            )
            for mine, theirs in zip(self.layers, other.layers, strict=True)
        )

    def widen(
        self,
        within: SearchSpace,
        operators: Mapping[str, Sequence[str]] | None = None,
        sources: Mapping[str, Sequence[str]] | None = None,
    ) -> SearchSpace:
        """This space with more candidates on the named layers, each of which ``within`` must have."""
        added = within.restrict(operators, sources)
        named_operators, named_sources = set(operators or {}), set(sources or {})
        self._same_layers(within)
        return self.union(
            self._with_layers(
                Layer(
                    name=mine.name,
                    operators=new.operators if mine.name in named_operators else mine.operators,
                    sources=new.sources if mine.name in named_sources else mine.sources,
                )
                for mine, new in zip(self.layers, added.layers, strict=True)
            )
        )

    def _same_layers(self, other: SearchSpace) -> None:
        if (self.cell, self.layer_names, self.groups) != (other.cell, other.layer_names, other.groups):
            raise SpaceError(f"a space with the layers of {self.name}", other.name, "compare spaces of one family")

    def _with_layers(self, layers: Iterator[Layer]) -> SearchSpace:
        return SearchSpace(name=self.name, cell=self.cell, layers=tuple(layers), groups=self.groups)
