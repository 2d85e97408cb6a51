"""Four operators in a row, of which the last may read the input instead: then the other three do nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lapt.errors import SpaceError
from lapt.spaces import Architecture, CellFamily, Layer
from lapt.spaces.features import Floats
from lapt.spaces.graphs import CellGraph, OperatorEdge

OPERATORS = {"rest": "r", "conv": "c", "pool": "p", "deep": "d"}
LAYERS = ("a", "b", "c", "d")
BEFORE = ("before",) * 4


class SketchFamily(CellFamily):
    name = "sketch"
    networks = "sketch.networks:SketchNetworks"
    experts = "sketch.experts"
    explained = {"deep": "two convolutions", "rest": "identity"}  # noqa: RUF012
    feature_names = ("convolutions", "poolings", "deep ones", "depth", "a convolution first")

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        sources = {"d": ("before", "input")}
        return tuple(Layer(name=n, operators=tuple(OPERATORS), sources=sources.get(n, ("before",))) for n in LAYERS)

    def encode(self, architecture: Architecture) -> str:
        codes = "".join(OPERATORS[operator] for operator in architecture.operators)
        return f"{codes[:3]}/{codes[3]}{'*' if architecture.sources[3] == 'input' else ''}"

    def decode(self, text: str) -> Architecture:
        found = re.fullmatch(r"([rcpd]{3})/([rcpd])(\*?)", text)
        if found is None:
            raise SpaceError("a sketch such as rcp/d or rcp/d*", repr(text), "check the text")
        names = {code: operator for operator, code in OPERATORS.items()}
        operators = tuple(names[code] for code in found[1] + found[2])
        return Architecture(operators, (*BEFORE[:3], "input" if found[3] else "before"))

    def working(self, architecture: Architecture) -> list[str]:
        """The operators that are computed, in order."""
        operators, sources = architecture
        chain = operators[3:] if sources[3] == "input" else operators
        return [operator for operator in chain if operator != "rest"]

    def canonical(self, architecture: Architecture) -> Architecture:
        working = self.working(architecture)
        return Architecture((*working, *["rest"] * (4 - len(working))), BEFORE)

    def in_vain(self, architecture: Architecture) -> tuple[str, ...]:
        skipped = zip(LAYERS[:3], architecture.operators, strict=False)
        return tuple(n for n, o in skipped if o != "rest") if architecture.sources[3] == "input" else ()

    def graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        skips = architecture.sources[3] == "input"
        edges = [OperatorEdge(at, at + 1, o, not skips) for at, o in enumerate(architecture.operators[:3])]
        last = OperatorEdge(0 if skips else 3, 4, architecture.operators[3])
        return (CellGraph("sketch", ("in", "a", "b", "c", "out"), (*edges, last)),)

    def features(self, architectures: Sequence[Architecture]) -> Floats:
        working = [self.working(architecture) for architecture in architectures]
        rows = [[*map(w.count, ("conv", "pool", "deep")), len(w), w[:1] == ["conv"]] for w in working]
        return np.array(rows, dtype=np.float64).reshape(len(rows), 5)

    @property
    def blocks(self) -> tuple[slice, ...]:
        return (slice(None),)

    def program(self, layers: Sequence[Layer]) -> str:
        allowed = {layer.name: layer.choices for layer in layers}
        return f"class Sketch(nn.Module):  # one pair a layer\n    ALLOWED = {allowed}"


SKETCH = SketchFamily()


class BareFamily(SketchFamily):
    """The same cells, of which no more is told than their text."""

    name = "bare"
    networks = experts = None
    explained = {}  # noqa: RUF012
    canonical, in_vain, graphs = CellFamily.canonical, CellFamily.in_vain, CellFamily.graphs
    features, feature_names, blocks = CellFamily.features, CellFamily.feature_names, CellFamily.blocks
    program = CellFamily.program


BARE = BareFamily()
