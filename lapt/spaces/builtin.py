"""Search spaces as a declaration names them: one that comes with a cell family, a YAML file, or the content of one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from lapt.base.declarations import parsed, text_of
from lapt.base.faults import fault
from lapt.errors import ConfigError
from lapt.spaces.declared import DeclaredSpace
from lapt.spaces.families import FAMILIES, names
from lapt.spaces.family import CellFamily
from lapt.spaces.layer import Layer
from lapt.spaces.space import SearchSpace


def whole_of(family: CellFamily) -> SearchSpace:
    """The space with every candidate that a family has."""
    layers = (Layer(name=one.name, operators=one.operators, sources=one.sources) for one in family.layers)
    return _space(family, family.name, tuple(layers))


def _space(family: CellFamily, name: str, layers: tuple[Layer, ...]) -> SearchSpace:
    cell = family if isinstance(family, DeclaredSpace) else family.name
    return SearchSpace(name=name, cell=cell, layers=layers, groups=family.groups)


@cache
def _spaces_of(name: str) -> Mapping[str, SearchSpace]:
    """The spaces of the family of that name; none, with a warning, of one that is broken."""
    try:
        family = FAMILIES[name]
    except ConfigError as error:
        warnings.warn(f"the cell family {name} is left out: {error}", stacklevel=2)
        return {}
    return {space: _space(family, space, layers) for space, layers in family.spaces.items()}


class Builtin(Mapping[str, SearchSpace]):
    """Name -> space. Families of other packages are imported only if no other family has the space."""

    def __getitem__(self, name: str) -> SearchSpace:
        for family in names():
            if name in (spaces := _spaces_of(family)):
                return spaces[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys(space for family in names() for space in _spaces_of(family))

    def __len__(self) -> int:
        return len(list(iter(self)))


BUILTIN = Builtin()
"""The search spaces that come with the cell families."""


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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for one
        return False
