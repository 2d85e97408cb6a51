"""Names of a space's layers and operators in a prompt: the real ones, or neutral tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lapt.spaces import SearchSpace


@dataclass(frozen=True)
class Vocabulary:
    """Name in the space -> name in the prompt, for layers (in the order shown), operators and sources."""

    layers: dict[str, str]
    operators: dict[str, str]
    sources: dict[str, str]
    disguised: bool = False

    @classmethod
    def plain(cls, space: SearchSpace) -> Vocabulary:
        names = _candidates(space)
        return cls({n: n for n in space.layer_names}, {n: n for n in names[0]}, {n: n for n in names[1]})

    @classmethod
    def neutral(cls, space: SearchSpace, seed: int | Sequence[int]) -> Vocabulary:
        """Tokens without meaning, and layers in another order, so that only the statistics remain.

        It tests for a model that knows a benchmark by heart. The tokens are the same for one seed.
        """
        rng = np.random.default_rng(seed)

        def tokens(names: Sequence[str], word: str) -> dict[str, str]:
            order = [names[int(i)] for i in rng.permutation(len(names))]
            return {name: f"{word}{number}" for number, name in enumerate(order, start=1)}

        operators, sources = _candidates(space)
        return cls(tokens(space.layer_names, "slot"), tokens(operators, "token"), tokens(sources, "input"), True)

    def of(self, kind: str) -> dict[str, str]:
        return {"layer": self.layers, "operator": self.operators, "source": self.sources}[kind]

    def shown(self, kind: str, name: str) -> str:
        return self.of(kind)[name]

    def in_order(self, kind: str, names: Collection[str]) -> list[str]:
        """Names as shown, in the vocabulary's order; behind a disguise in that of the tokens, since the space's own
        order would show."""
        shown = [word for name, word in self.of(kind).items() if name in names]
        return sorted(shown, key=_number) if self.disguised else shown

    def real(self, kind: str, shown: str) -> str | None:
        """The real name behind a reply's word; None if there is none."""
        return next((name for name, word in self.of(kind).items() if word == shown), None)


def _number(token: str) -> int:
    return int("".join(character for character in token if character.isdigit()))


def _candidates(space: SearchSpace) -> tuple[list[str], list[str]]:
    operators = dict.fromkeys(operator for layer in space.layers for operator in layer.operators)
    sources = dict.fromkeys(source for layer in space.layers for source in layer.sources)
    return list(operators), list(sources)
