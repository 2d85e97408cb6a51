"""The way from one search space to another: what stands there for operators, cells, nodes and layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lapt.roles.operators import Behind, mapped
from lapt.roles.positions import alike, graphs_of, is_end, is_input, main_cell, positions
from lapt.spaces import SearchSpace

Limits = dict[str, Any]
"""Keys of a part of a condition."""


@dataclass(frozen=True)
class Way:
    """The way from one space to another. ``notes``: of what is not quite the same, as it is found."""

    source: SearchSpace
    target: SearchSpace
    notes: list[str] = field(default_factory=list)

    @property
    def same_shape(self) -> bool:
        return alike(self.source, self.target)

    def operators(self, names: Sequence[str], never: bool = False) -> tuple[str, ...]:
        """The target's operators for these. ``never``: what the condition is where there are none of them."""
        if not names:
            return ()
        try:
            found, notes = mapped(names, self.source, self.target)
        except Behind as behind:
            raise Behind(behind.reason, None if behind.held is None else never) from None
        self.notes.extend(notes)
        return found

    def cell(self, name: str | None) -> str | None:
        """The target's cell. What a space of one cell says holds for the main one of several."""
        names = [graph.name for graph in graphs_of(self.target)]
        if name is None:
            return main_cell(self.target) if len(graphs_of(self.source)) == 1 else None
        if name in names and len(names) > 1:
            return name
        if name != main_cell(self.source):
            raise Behind(f"{self.target.name} has no {name} cell")
        return main_cell(self.target)

    def cell_of(self, layer: str) -> str | None:
        """The target's cell for a layer of the source."""
        graphs, at = graphs_of(self.source), self.source.layer_names.index(layer)
        return self.cell(None if len(graphs) == 1 else next(graph.name for graph in graphs if at in graph.layers))

    def node(self, name: str) -> str:
        """The target's node for one that is the input, the output, or of the same shape."""
        if self.same_shape or name in ("input", "output"):
            return name
        if is_input(self.source, name):
            return "input"
        if is_end(self.source, name):
            return "output"
        raise Behind(f"{self.target.name} has no node like {name}")

    def where(self, layers: Sequence[str]) -> Limits:
        """Keys of a count for the target's layers that lie where these do."""
        if self.same_shape:
            return {"layers": tuple(layers)}
        cells = {self.cell_of(layer): None for layer in layers}
        if len(cells) > 1:
            raise Behind("its layers are of several cells")
        (cell,) = cells
        places = {positions(self.source)[layer] for layer in layers}
        if len(layers) == len(self.source.layers) or set(layers) in self._cells:
            return {"cell": cell}
        self.notes.append(f"{', '.join(layers)} by place ({', '.join(sorted(places))})")
        if places == {"direct"}:
            return {"cell": cell, "reads": "input", "into": "output"}
        if places <= {"direct", "first"}:
            return {"cell": cell, "reads": "input"}
        if places <= {"direct", "last"}:
            return {"cell": cell, "into": "output"}
        inside = [name for name in self._of_cell(cell) if positions(self.target)[name] == "inside"]
        if places == {"inside"} and inside:
            return {"layers": tuple(inside)}
        raise Behind(f"{self.target.name} has no layers that lie as {', '.join(layers)} do")

    @property
    def _cells(self) -> list[set[str]]:
        names = self.source.layer_names
        return [{names[at] for at in graph.layers} for graph in graphs_of(self.source)]

    def _of_cell(self, cell: str | None) -> list[str]:
        names = self.target.layer_names
        return [names[at] for graph in graphs_of(self.target) if cell in (None, graph.name) for at in graph.layers]

    @property
    def layers(self) -> int:
        """The number of the target's layers."""
        return len(self.target.layers)
