"""The sources of a pipeline: what is read, and what is recalled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

from flows.evaluators import EvaluatorOf, space_of, table_named
from lapt.base.digests import digest
from lapt.errors import ConfigError, Notice
from lapt.evaluation import Evaluator
from lapt.evaluators import TableEvaluator
from lapt.library.entries import Library, statements
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.sources import LibrarySource, PrinciplesSource, RunSource, Source, sources_of
from lapt.pipeline.steps import SOURCE_RANKING
from lapt.reasoning import Patterns, Reasoner, Recalled, Stated
from lapt.reasoning.across import carried
from lapt.reasoning.config import PatternsReasoner, Reasoning, parts_of
from lapt.reasoning.exported import exported
from lapt.reasoning.recalled import without_tasks
from lapt.reasoning.statements import StatedPrinciples, Statement
from lapt.search import SEARCHERS
from lapt.spaces import BUILTIN, SearchSpace, space_named
from storage.library import library_named
from storage.runs.record import principles_by_id, principles_of_run
from storage.runs.record import space_of as space_named_by
from storage.store import Store

SourceOf = Callable[[Source], tuple[SearchSpace, Evaluator]]
"""Source that is read -> its space and its evaluator."""


def read_from(
    pipeline: Pipeline, execution: Execution, space: SearchSpace, evaluator: EvaluatorOf
) -> tuple[list[str], SourceOf]:
    """(checksums of the tables and libraries that sources name, source -> its space and evaluator).

    Raises LaptError for a table or a task that is not there."""
    named = {one.table for one in sources_of(pipeline.source) if isinstance(one, Source) and one.table is not None}
    tables = {name: table_named(name, execution.data) for name in sorted(named)}

    def read(source: Source) -> tuple[SearchSpace, Evaluator]:
        if source.table is None:
            return space, evaluator(source.task)
        table = tables[source.table]
        there = space if table.space == space.name else space_named(table.space)
        return there, TableEvaluator(table, there, source.task, "never" if table.holes else None)

    for one in sources_of(pipeline.source):
        if isinstance(one, Source) and one.table is not None:
            read(one)
    libraries = [one.library for one in sources_of(pipeline.source) if isinstance(one, LibrarySource)]
    known = [digest(library_named(name).model_dump(mode="json")) for name in libraries]
    return [*(table.checksum for table in tables.values()), *known], read


def say_other_columns(pipeline: Pipeline, execution: Execution) -> None:
    """Say it where the table of a source has scores of a target too: they are not read."""
    for one in sources_of(pipeline.source):
        if isinstance(one, Source) and one.table is not None:
            both = [task for task in pipeline.targets if task in table_named(one.table, execution.data).scores]
            if both:
                said = f"the source is {one.task} of table {one.table}; its columns of {', '.join(both)} are not read"
                warnings.warn(Notice(said), stacklevel=4)


def check_read(pipeline: Pipeline, space: SearchSpace, read: SourceOf) -> None:
    """Raise ConfigError if a reasoner is to read architectures of another space, and cannot."""
    for one in sources_of(pipeline.source):
        if not isinstance(one, Source) or read(one)[0].name == space.name:
            continue
        unable = [part.named for part in parts_of(pipeline.reasoner) if not isinstance(part, PatternsReasoner)]
        if unable:
            raise ConfigError(
                f"the reasoner patterns for a source of another space, {read(one)[0].name}",
                unable[0],
                f"name a source of {space.name}, or --reasoner patterns",
            )


def check_transferred(pipeline: Pipeline, space: SearchSpace, read: SourceOf) -> None:
    """Raise ConfigError if a source's architectures are to be evaluated, and those of every source are of another
    space."""
    taken = SOURCE_RANKING in pipeline.controls or SEARCHERS[pipeline.search.method].transfers
    sources = [one for one in sources_of(pipeline.source) if isinstance(one, Source)]
    if taken and not any(read(one)[0] == space for one in sources):
        what = SOURCE_RANKING if SOURCE_RANKING in pipeline.controls else pipeline.search.method
        raise ConfigError(
            f"a source whose architectures are of {space.name}, for {what}",
            ", ".join(f"{one.named}, of {read(one)[0].name}" for one in sources),
            f"leave {what} out: principles travel between spaces, architectures do not",
        )


def recalled(
    source: RunSource | PrinciplesSource | LibrarySource, pipeline: Pipeline, execution: Execution
) -> Reasoner:
    """The reasoner that states stored principles. What they were taught by a target is left out, which is said.

    Raises LaptError for principles that are not there, or that the space cannot follow.
    """
    space, targets, config = space_of(pipeline), set(pipeline.targets), pipeline.reasoner
    teacher = Patterns(**config.model_dump(exclude={"kind"})) if isinstance(config, PatternsReasoner) else None
    if isinstance(source, LibrarySource):
        return Stated(_of_library(source, space, targets), teacher=teacher, **widening(config))
    given = source.principles if isinstance(source, PrinciplesSource) else None
    if not isinstance(given, StatedPrinciples):
        store = Store(execution.store)
        if isinstance(source, RunSource):
            found = principles_of_run(store, source.run, source.target)
        else:
            found = principles_by_id(store, given or "")
        there = space_named_by(store, found)
        left, gone = without_tasks(found, targets if there.name == space.name else ())
        _say_left_out(source.named, gone, len(found.principles), targets)
        if left.ordering and there.name == space.name:
            return Recalled(left, teacher=teacher, **widening(config))
        given, _ = exported(there, left)
    kept = given.without(space.name, targets)
    _say_left_out(source.named, len(given.principles) - len(kept), len(given.principles), targets)
    here = _carried(given.model_copy(update={"principles": kept}), space, source.named)
    return Stated(here, teacher=teacher, **widening(config))


def _carried(given: StatedPrinciples, space: SearchSpace, source: str) -> StatedPrinciples:
    """The principles for this space: themselves, or carried from theirs by roles. What stays behind is said.

    Raises ConfigError if nothing can be carried, or if theirs is a declared space, whose file is not at hand.
    """
    if given.space == space.name:
        return given
    found = carried(given, space_named(given.space), space)
    if found.behind:
        said, why = found.behind[0]
        of = f"{len(found.behind)} of {len(given.principles)} principles of the source {source}"
        warnings.warn(Notice(f"{of} stay behind in {space.name}, the first: {said} ({why})"), stacklevel=4)
    return found.statements


def _of_library(source: LibrarySource, space: SearchSpace, targets: set[str]) -> StatedPrinciples:
    """The principles of a library for a space, without those that the targets taught."""
    library = library_named(source.library)
    found = statements(library.best_founded(space.name, kinds=source.kinds, without=targets), source.named)
    if not found:
        travelled = [
            one
            for name in library.spaces
            if name in BUILTIN and name != space.name
            for one in _of_other_space(library, source, name, space)
        ]
        if travelled:
            return StatedPrinciples(space=space.name, principles=tuple(travelled))
        raise ConfigError(
            f"principles for {space.name} in the {source.named} that no target taught",
            f"{len(library.entries)} principles, for {', '.join(library.spaces) or 'no space'}",
            "name another source, or let runs add to it: lapt run PIPELINE --library FILE",
        )
    if targets & {seen.task for entry in library.entries if entry.space == space.name for seen in entry.readings}:
        said = f"of the {source.named} {len(found)} principles count; what {', '.join(sorted(targets))} showed does not"
        warnings.warn(Notice(said), stacklevel=4)
    return StatedPrinciples(space=space.name, principles=found)


def _of_other_space(library: Library, source: LibrarySource, there: str, space: SearchSpace) -> tuple[Statement, ...]:
    """The principles of a library for another space, carried to this one. They are an adviser of their own."""
    found = statements(library.best_founded(there, kinds=source.kinds), f"{source.named}, {there}")
    if not found:
        return ()
    return _carried(StatedPrinciples(space=there, principles=found), space, f"{source.named}, {there}").principles


def _say_left_out(source: str, gone: int, of: int, targets: Iterable[str]) -> None:
    """Say how many principles a target taught. Raises ConfigError if it taught all of them."""
    if gone == of:
        raise ConfigError(
            f"principles of {source} that no target taught", f"{of} from {sorted(targets)}", "name another source"
        )
    if gone:
        said = f"{gone} of {of} principles are left out of the source {source}: a target's own scores taught them"
        warnings.warn(Notice(said), stacklevel=4)


def widening(config: Reasoning) -> dict[str, float]:
    """The reasoner's settings of how wide the refined space is; none if it has none."""
    return {key: getattr(config, key) for key in ("breadth", "growth") if hasattr(config, key)}
