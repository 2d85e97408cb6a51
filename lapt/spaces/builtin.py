"""The spaces that come with LAPT, by name."""

from __future__ import annotations

from lapt.errors import ConfigError
from lapt.spaces.cells import NAS201, TRANS101, DagCell
from lapt.spaces.space import Layer, SearchSpace


def _dag_space(cell: DagCell) -> SearchSpace:
    return SearchSpace(
        name=cell.name,
        cell=cell.name,
        layers=tuple(
            Layer(name=name, operators=cell.operators, sources=(source,))
            for name, source in zip(cell.layer_names, cell.sources, strict=True)
        ),
    )


BUILTIN: dict[str, SearchSpace] = {cell.name: _dag_space(cell) for cell in (NAS201, TRANS101)}


def space_named(name: str) -> SearchSpace:
    """The built-in space of that name. Raises ConfigError with the list of names otherwise."""
    try:
        return BUILTIN[name]
    except KeyError:
        raise ConfigError(f"a search space among {sorted(BUILTIN)}", repr(name), "name one of them") from None
