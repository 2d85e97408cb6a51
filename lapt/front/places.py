"""Spaces, tables, runs and stores by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapt.errors import ConfigError, StoreError
from lapt.evaluators import TableEvaluator
from lapt.pipeline.results import RunResult, TargetResult
from lapt.principles import Principles
from lapt.spaces import SearchSpace, space_named

if TYPE_CHECKING:
    import pyarrow as pa


def space(name_or_file: str | Path) -> SearchSpace:
    """A search space by name (nas201, trans101, darts, darts7), or the one that a YAML file declares.

    Raises ConfigError for anything else.

    Examples:
        >>> import lapt
        >>> lapt.space("nas201").size
        15625
    """
    return space_named(str(name_or_file))


def table(name: str, task: str, *, data: str | Path | None = None) -> TableEvaluator:
    """One task of an imported benchmark table, as a source or as the scores of a search.

    ``data``: the folder of imported tables; LAPT_DATA if unset. ``invented`` comes with LAPT: invented scores of the
    shape of NAS-Bench-201. Raises ConfigError for a table or a task that is not there.

    Examples:
        >>> import lapt
        >>> lapt.table("invented", "invented_source").metric.name
        'invented score'
    """
    if name == "invented":
        from lapt.testing import invented_table

        found = invented_table()
    else:
        from storage.benchmarks.tables import load

        found = load(name, data)
    return TableEvaluator(found, space_named(found.space), task)


def known_principles(
    name_or_file: str | Path = "shipped", *, space: str | SearchSpace, without: Sequence[str] = ()
) -> Principles:
    """The principles of a library for a space, as a source of ``lapt.transfer``: the shipped one, or that of a file.

    ``without``: names of tasks that have no say, such as the target's own. Raises ConfigError if nothing is left.

    Examples:
        >>> import lapt
        >>> lapt.known_principles(space="nas201").principles[0].statement
        'The input skips straight to the output, around a path with convolutions.'
    """
    from lapt.archive import nothing_read
    from lapt.library.entries import statements
    from lapt.reasoning import Stated
    from lapt.reasoning.statements import StatedPrinciples
    from storage.library import library_named

    whole = space_named(space) if isinstance(space, str) else space
    known = library_named(str(name_or_file))
    found = statements(known.best_founded(whole.name, without=set(without)), "library")
    if not found:
        raise ConfigError(
            f"principles for {whole.name} in library {name_or_file}", f"those for {list(known.spaces)}", "name another"
        )
    given = StatedPrinciples(space=whole.name, principles=found)
    return Stated(given).learn(whole, nothing_read(whole, "library"))


def run(pipeline: str, *overrides: str, store: str = "./lapt-store", **execution: Any) -> RunResult:
    """Run a pipeline as ``lapt run`` does: a preset by name or a YAML file, with ``key.sub=value`` overrides.

    It starts a Prefect server of its own where none is configured. ``execution``: fields of
    ``lapt.pipeline.config.Execution``. Raises LaptError for what the declaration names and is not there.

    Examples:
        >>> import lapt
        >>> found = lapt.run("invented", "controls=[]", store=STORE)  # doctest: +SKIP
    """
    from flows.embedded import run_embedded
    from flows.running.progress import Listener
    from lapt.pipeline.config import Execution, load_pipeline

    return run_embedded(load_pipeline(pipeline, overrides), Execution(store=store, **execution), Listener())


class OpenStore:
    """A result store that is open for reading."""

    def __init__(self, address: str) -> None:
        from storage.store import Store

        self._store = Store(address)
        self._store.require()

    def sql(self, query: str) -> pa.Table:
        """The answer to one SELECT over the views, as ``lapt sql`` gives it; an Arrow table."""
        from storage.sql.query import query as ask

        return ask(self._store, query)

    def runs(self) -> list[str]:
        """The ids of all runs."""
        from storage.runs.history import runs

        return runs(self._store)

    def best(self, run: str) -> tuple[TargetResult, ...]:
        """The results of a finished run, one a target. ``run``: its id, or the start of one. Raises StoreError."""
        from storage.runs.record import finished_run

        _, result = finished_run(self._store, run)
        return result.targets

    def __repr__(self) -> str:
        return f"<lapt store at {self._store.address}>"


def open_store(path: str | Path) -> OpenStore:
    """Open a result store to read. Raises StoreError where there is none.

    Examples:
        >>> import lapt
        >>> lapt.open_store("nothing-here")
        Traceback (most recent call last):
        lapt.errors.StoreError: ...
    """
    return OpenStore(str(path))


__all__: Sequence[str] = ("OpenStore", "StoreError", "known_principles", "open_store", "run", "space", "table")
