"""Search spaces as a declaration names them: one that comes with LAPT, a YAML file, or the content of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from lapt.base.declarations import parsed, text_of
from lapt.base.faults import fault
from lapt.errors import ConfigError
from lapt.spaces.cells import NAS201, TRANS101, DagCell
from lapt.spaces.darts import DARTS
from lapt.spaces.declared import DeclaredSpace
from lapt.spaces.layer import Layer
from lapt.spaces.space import SearchSpace


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


def inlined(space: Any) -> str | DeclaredSpace:
    """The name of a built-in space, or a declaration: of a path, what the YAML file there holds.

    So whatever is kept or sent elsewhere is whole, and changes when the file does. Raises LaptError for anything else.
    """
    if isinstance(space, str) and space in BUILTIN:
        return space
    where = "the space"
    if isinstance(space, str):
        where, path = space, Path(space)
        if not _is_file(path):
            raise ConfigError(
                f"a search space among {sorted(BUILTIN)} or the path of a YAML file", repr(space), "name one of them"
            )
        space = parsed(text_of(path), where, "declare name, layers and encoding")
    if isinstance(space, dict):
        try:
            space = DeclaredSpace.model_validate(space)
        except ValidationError as error:
            raise fault(error, where, DeclaredSpace) from None
    if not isinstance(space, DeclaredSpace):
        raise ConfigError("the name, the file or the declaration of a search space", f"{space!r:.80}", "write one")
    if space.name.lower() in BUILTIN:
        raise ConfigError(
            f"a name for the space that no built-in one has ({', '.join(BUILTIN)})",
            repr(space.name),
            f"give it another name in {where}",
        )
    return space


Space = Annotated[str | DeclaredSpace, BeforeValidator(inlined)]
"""A search space in a declaration."""


def space_named(space: str | DeclaredSpace) -> SearchSpace:
    """The built-in space of that name, or the one declared, in the YAML file of that path or here. Raises LaptError."""
    found = inlined(space)
    return BUILTIN[found] if isinstance(found, str) else whole_of(found)


def whole_of(declared: DeclaredSpace) -> SearchSpace:
    """The space with every candidate that is declared."""
    layers = (Layer(name=one.name, operators=one.operators, sources=one.sources) for one in declared.layers)
    return SearchSpace(name=declared.name, cell=declared, layers=tuple(layers))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for one
        return False
