"""The spaces that come with LAPT, by name."""

from __future__ import annotations

from lapt.errors import ConfigError
from lapt.spaces.cells import NAS201, TRANS101, DagCell
from lapt.spaces.darts import DARTS
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


def _darts_space(name: str, operators: tuple[str, ...]) -> SearchSpace:
    layers = (Layer(name=layer, operators=operators, sources=DARTS.sources_of(layer)) for layer in DARTS.layer_names)
    return SearchSpace(name=name, cell=DARTS.name, layers=tuple(layers), groups=DARTS.groups)


BUILTIN: dict[str, SearchSpace] = {
    space.name: space
    for space in (
        _dag_space(NAS201),
        _dag_space(TRANS101),
        _darts_space("darts", DARTS.operators),
        _darts_space("darts7", tuple(operator for operator in DARTS.operators if operator != DARTS.zero)),
    )
}
"""``darts7`` is ``darts`` without the operator none, as NAS-Bench-301 has it."""


def space_named(name: str) -> SearchSpace:
    """The built-in space of that name. Raises ConfigError with the list of names otherwise."""
    try:
        return BUILTIN[name]
    except KeyError:
        raise ConfigError(f"a search space among {sorted(BUILTIN)}", repr(name), "name one of them") from None
