"""Parts of spaces: the functions that are judged, and refined spaces that have architectures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

from lapt.spaces.layer import Architecture
from lapt.spaces.space import SearchSpace


def functions_of(space: SearchSpace) -> tuple[Architecture, ...] | None:
    """The family's ``functions`` that lie in a space; None where it names none, or none lies there."""
    functions = space.family.functions or ()
    return tuple(one for one in functions if space.contains(one)) or None


def refined(
    space: SearchSpace,
    operators: Mapping[str, Sequence[str]],
    sources: Mapping[str, Sequence[str]],
    best_first: Callable[[str], Iterable[str]],
) -> SearchSpace:
    """``space.restrict(operators, sources)``, with more sources if the layers of a node are left with the same one.

    A node (DARTS) adds layers that read different sources. Its later layers are given the source that ``best_first``
    (layer -> all its sources) ranks next, until there are different ones. Raises SpaceError as ``restrict`` does.
    """
    kept = {name: list(chosen) for name, chosen in sources.items()}
    for group in space.groups:
        names = [space.layers[position].name for position in group]
        for name in reversed(names):
            for source in best_first(name):
                if _distinct([kept.get(other, space.layer(other).sources) for other in names]):
                    break
                if source not in kept.get(name, space.layer(name).sources):
                    kept[name].append(source)
    return space.restrict(operators, kept)


def _distinct(candidates: Sequence[Sequence[str]]) -> bool:
    """Whether each layer of a node can read a source that no other reads."""
    return any(len(set(chosen)) == len(chosen) for chosen in product(*candidates))
