"""The cell families by name: LAPT's own, those that a program registers, and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import entry_points

from lapt.base.packages import imported
from lapt.errors import ConfigError, SpaceError
from lapt.spaces.family import CellFamily

GROUP = "lapt.families"
"""Entry points through which other packages offer cell families: a name, and the CellFamily of that name behind it."""

_OWN = {
    "nas201": "lapt.families.dag.family:NAS201",
    "trans101": "lapt.families.dag.family:TRANS101",
    "darts": "lapt.families.darts.family:DARTS",
    "nas_bench_graph": "lapt.families.graph.family:GRAPH",
    "mobile": "lapt.families.mobile.family:MOBILE",
}
_registered: dict[str, str] = {}


def register(name: str, where: str) -> None:
    """Make a cell family known to this process and to those that a space of it is sent to, which import it too.

    ``where``: "module:object", imported when the family is needed first. Raises ConfigError for a name that is taken.
    """
    taken = _OWN.get(name) or _registered.get(name)
    if taken not in (None, where):
        raise ConfigError(f"a cell family with a name of its own for {where}", f"{name}, of {taken}", "rename it")
    if name not in _OWN:
        _registered[name] = where


def registered(name: str) -> str | None:
    """The ``where`` of a family that was registered; None for those that every process knows."""
    return _registered.get(name)


def names() -> Iterator[str]:
    """The names of all families; those of installed packages come last."""
    yield from (*_OWN, *_registered)
    yield from (name for name in _offered() if name not in _OWN and name not in _registered)


@lru_cache(maxsize=1)
def _offered() -> dict[str, str]:
    return {offer.name: offer.value for offer in entry_points(group=GROUP)}


class Families(dict[str, CellFamily]):
    """Name -> family. A family is imported when it is first looked up. Iteration has only those looked up so far."""

    def __missing__(self, name: str) -> CellFamily:
        """The family of that name. Raises SpaceError for an unknown name, ConfigError for one that is no family."""
        where = _OWN.get(name) or _registered.get(name) or _offered().get(name)
        if where is None:
            raise SpaceError(
                f"a cell family among {sorted(names())}", repr(name), "register it with lapt.spaces.register"
            )
        try:
            found = imported(where)
        except Exception as error:  # whatever another package does when it is imported
            raise _broken(name, where, f"{type(error).__name__}: {error}") from error
        if not isinstance(found, CellFamily) or found.name != name:
            raise _broken(name, where, f"{found!r:.80}")
        self[name] = found
        return found


def _broken(name: str, where: str, got: str) -> ConfigError:
    return ConfigError(f"a cell family named {name} at {where}", " ".join(got.split()), "mend or remove it")


FAMILIES = Families()
"""All cell families by name, to which search spaces refer."""
