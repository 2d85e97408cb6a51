"""The base class of cell families, with all that the rest of LAPT needs to know of a space's cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lapt.errors import ConfigError, SpaceError
from lapt.spaces.features import Floats, choices, one_hot
from lapt.spaces.graphs import CellGraph, OperatorEdge
from lapt.spaces.layer import SOURCE, Architecture, Layer
from lapt.spaces.roles import Role, inferred


class CellFamily(ABC):
    """The cells that a space is made of: their text, their function, and what is known of them.

    A subclass has ``name`` and ``layers``, the layers of its whole space with all their candidates, and writes and
    reads the text of an architecture. Everything else has a default for cells of which nothing is known but their
    layers. Methods are pure functions, and a family can be hashed.

    What needs torch stands in modules of its own, each named as "module:object" and imported when it is asked for:
    ``networks`` and ``export``.
    """

    if TYPE_CHECKING:  # at run time, annotations would be the first fields of a declaration

        @property
        def name(self) -> str:
            raise NotImplementedError

        @property
        def layers(self) -> tuple[Layer, ...]:
            raise NotImplementedError

    networks: ClassVar[str | None] = None
    """The import name of the ``lapt.networks.CellNetworks`` that builds its networks."""
    experts: ClassVar[str | None] = None
    """The YAML file of the principles that the literature states of its cells, named as a module is."""
    export: ClassVar[str | None] = None
    """The import name of the function that writes its networks as Python (``lapt.export.text.Written``)."""
    shares_weights: ClassVar[bool] = False
    """Whether its networks can be trained as one supernet."""
    listed: ClassVar[bool] = False
    """Whether features are standardised over all of its cells, which takes a list of them; else over a sample."""
    open_ended: ClassVar[bool] = False
    """Whether the output joins only the nodes that no layer reads, which differ between architectures."""
    layers_differ: ClassVar[bool] = False
    """Whether layers differ in width and side, so that the same operator does not take the same time on each."""
    zero_last: ClassVar[bool] = False
    """Whether gradient-based methods choose ``zero`` only where nothing else is left."""

    # --- the space ---------------------------------------------------------------------------------------------------
    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Positions of layers that are chosen together, as of ``SearchSpace``."""
        return ()

    @property
    def spaces(self) -> Mapping[str, tuple[Layer, ...]]:
        """The search spaces that come with it: name -> layers."""
        return {self.name: self.layers}

    def in_order(self, kind: str, layer: str, candidates: Iterable[str]) -> tuple[str, ...]:
        """Candidates (``kind``: operator or source) of a layer in the family's own order."""
        wanted = set(candidates)
        (mine,) = (one for one in self.layers if one.name == layer)
        return tuple(c for c in (mine.operators if kind == "operator" else mine.sources) if c in wanted)

    # --- an architecture ---------------------------------------------------------------------------------------------
    @abstractmethod
    def encode(self, architecture: Architecture) -> str:
        """The text of any architecture of the family."""

    @abstractmethod
    def decode(self, text: str) -> Architecture:
        """The architecture of a text. Raises SpaceError if the text is no cell of this family."""

    def canonical(self, architecture: Architecture) -> Architecture:
        """One representative for all cells that compute the same function."""
        return architecture

    @property
    def functions(self) -> tuple[Architecture, ...] | None:
        """The canonical form of every function of its whole space, where these are what base rates are taken over.

        None: all architectures are, however often one function is written.
        """
        return None

    def computes(self, architecture: Architecture) -> bool:
        """Whether anything of the input reaches the output."""
        return True

    def in_vain(self, architecture: Architecture) -> tuple[str, ...]:
        """The layers that chose an operator which has no part in what the cell computes."""
        return ()

    def graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        """A graph for each cell of the architecture, in which ``zero`` is an edge that is not live.

        Layers are nodes where their sources are named so, and else follow each other.
        """
        names = [layer.name for layer in self.layers]
        chosen, nodes = list(zip(names, *architecture, strict=True)), [SOURCE, *names]
        if all(source in nodes[: nodes.index(name)] for name, _, source in chosen) and any(
            source != SOURCE for *_, source in chosen
        ):
            reads = [nodes.index(source) for *_, source in chosen]
        else:
            reads = list(range(len(chosen)))
        edges = (
            OperatorEdge(read, at, operator, operator != self.zero)
            for at, (read, operator) in enumerate(zip(reads, architecture.operators, strict=True), start=1)
        )
        return (CellGraph("layers", tuple(nodes), tuple(edges)),)

    # --- operators ---------------------------------------------------------------------------------------------------
    @property
    def zero(self) -> str | None:
        """The operator that gives zeros."""
        return None

    @property
    def identity(self) -> str | None:
        """The operator that passes its input on."""
        return None

    @property
    def operator_roles(self) -> Mapping[str, Role]:
        """Operator -> its role, as names tell it. Operators may be missing: what they are is not known."""
        found = {operator: inferred(operator) for layer in self.layers for operator in layer.operators}
        return {operator: role for operator, role in found.items() if role is not None}

    # --- for conditions ----------------------------------------------------------------------------------------------
    def node_names(self, architecture: Architecture) -> tuple[tuple[str, ...], ...]:
        """The names of the nodes of each of ``graphs``, as layers name their sources."""
        return tuple(graph.nodes for graph in self.graphs(architecture))

    def sizes(self, architectures: Sequence[Architecture]) -> Mapping[str, Floats]:
        """Quantity (parameters, multiply_adds) -> N sizes of what the cell computes, in any unit.

        Raises SpaceError if nothing is known of them.
        """
        raise SpaceError("a space whose sizes are known", self.name, "leave out conditions on size")

    # --- for predictors ----------------------------------------------------------------------------------------------
    def features(self, architectures: Sequence[Architecture]) -> Floats:
        """N x F numbers of N architectures, equal rows for cells that compute the same function.

        Here one-hot choices, and on how many layers each operator was chosen that two or more of them have.
        """
        counted = [[a.operators.count(operator) for operator in self.shared] for a in architectures]
        counts = np.array(counted, dtype=np.float64).reshape(len(architectures), len(self.shared))
        return np.hstack([one_hot(self.layers, architectures), counts])

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns of ``features``, in words: "nor_conv_3x3 on 0->1->3", "skip_connect on all paths"."""
        return (*choices(self.layers), *(f"layers with {operator}" for operator in self.shared))

    @property
    def blocks(self) -> tuple[slice, ...]:
        """Columns of ``features`` that belong together: those of single layers, those of all of them."""
        chosen = len(choices(self.layers))
        return (slice(chosen), slice(chosen, None)) if self.shared else (slice(None),)

    @property
    def graph_shape(self) -> tuple[int, int] | None:
        """(nodes V, kinds of nodes K) of ``flat_graphs``; None where graph networks are given one-hot choices."""
        return None

    def flat_graphs(self, architectures: Sequence[Architecture]) -> Floats:
        """N x (V^2 + V K): canonical forms as graphs, flattened; asked for where ``graph_shape`` says so.

        First the adjacency, 1 where the column's node reads the row's, then the one-hot kinds of the nodes.
        """
        raise NotImplementedError

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """Operators that two or more layers may choose, in the order in which layers name them."""
        having = Counter(operator for layer in self.layers for operator in layer.operators)
        return tuple(operator for operator, layers in having.items() if layers > 1)

    # --- for language models -----------------------------------------------------------------------------------------
    def program(self, layers: Sequence[Layer]) -> str:
        """Python source of a cell that is built from ``Layer_list``, its choices, with the candidates of ``layers``."""
        sourced = any(len(layer.sources) > 1 for layer in layers)
        listed = {layer.name: layer.choices if sourced else layer.operators for layer in layers}
        rows = [f'    "{name}": {list(chosen)},' for name, chosen in listed.items()]
        one = "one (operator, source)" if sourced else "one operator"
        return "\n".join([f"# Layer_list: {one} a layer, in this order.", "LAYERS = {", *rows, "}"])

    @property
    def explained(self) -> Mapping[str, str]:
        """Operator -> its computation in words. Operators may be missing."""
        return {}

    @property
    def computed(self) -> Mapping[str, str]:
        """``explained``, with what the strides of its own layers change."""
        return self.explained

    @property
    def paths(self) -> tuple[tuple[str, ...], ...] | None:
        """All paths from the input to the output, each as its layers, if every architecture has the same ones."""
        return None

    # --- networks ----------------------------------------------------------------------------------------------------
    @property
    def builder(self) -> str | None:
        """The import name of the user's own function that builds its networks; None where the family does."""
        return None

    def check_trained(self, kind: str, *, shared: bool) -> None:
        """Raise ConfigError if no networks are known, or if ``shared`` is set and they share no weights.

        ``kind``: of the evaluator, as its declaration names it.
        """
        if self.networks is None:
            raise ConfigError(
                f"evaluator.kind table for {self.name}", kind, "import scores: its networks are not known"
            )
        if shared and not self.shares_weights:
            remedy = "choose one of them: its networks share no weights"
            raise ConfigError(f"evaluator.kind table or training for {self.name}", kind, remedy)
