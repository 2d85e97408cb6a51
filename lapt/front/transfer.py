"""Transfer of design principles in a script or a notebook: Algorithm 1 for one target, without a server."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from lapt.archive import Archive, best_of_all
from lapt.base.faults import fault
from lapt.errors import ConfigError, Notice
from lapt.evaluation import Evaluation, Evaluator, Metric, top
from lapt.evaluators import TableEvaluator
from lapt.evaluators.config import FunctionEvaluation, TableEvaluation
from lapt.front.places import space as space_of
from lapt.front.result import Found, Result
from lapt.front.scored import Known, OwnEvaluator, Score, number_of
from lapt.front.study import Study
from lapt.pipeline.config import Adaptation, Pipeline, reasoner_section
from lapt.pipeline.constraints import checked
from lapt.pipeline.objectives import cost_of
from lapt.pipeline.sources import RandomArchive, Source, TopArchive
from lapt.pipeline.steps import Steps
from lapt.principles import Origin, Principles
from lapt.reasoning import Reasoner
from lapt.reasoning.config import asks_a_model
from lapt.search.config import DEFAULT, SECTIONS, spelt_out
from lapt.spaces import Architecture, SearchSpace

READ = 50
"""Number of a table's architectures that are read, as in the paper."""
SOURCE = "source"
"""Name of the source task for scores that a caller brings."""


def source_of(given: Any, space: SearchSpace, metric: Metric) -> tuple[Archive | Principles, Source]:
    """The archive, or the principles themselves, and the declaration of the source.

    Of a table's task the best 50 are read. Of (architecture, score) pairs the best tenth is read, but at least 10
    and at most 50; scores are better in the direction of ``metric``. Raises ConfigError for anything else.
    """
    if isinstance(given, TableEvaluator):
        archive = best_of_all(space, given, READ)
        return archive, Source(task=given.task, archive=TopArchive(size=len(archive.entries)))
    if isinstance(given, Principles):
        return given, Source(task=given.origin.task or SOURCE)
    evaluations = [_evaluation(pair, space, metric) for pair in _pairs(given)]
    size = min(READ, max(10, len(evaluations) // 10))
    entries = tuple(top(evaluations, size))
    if not entries:
        raise ConfigError("a source with a score of some architecture", f"{len(evaluations)} without", "add scores")
    archive = Archive(space, SOURCE, entries, asked=tuple(evaluations), chosen_from=len(evaluations))
    drawn = RandomArchive(strategy="random", size=len(entries), samples=len(evaluations))
    return archive, Source(task=SOURCE, archive=drawn)


def _pairs(given: Any) -> list[Any]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(
            "a source: lapt.table(NAME, TASK), a list of (architecture, score), or principles",
            f"{given!r:.60}",
            "give one of them",
        )
    return list(given)


def _evaluation(pair: Any, space: SearchSpace, metric: Metric) -> Evaluation:
    try:
        written, score = pair
    except (TypeError, ValueError):
        raise ConfigError("(architecture, score) in the source", f"{pair!r:.60}", "give pairs") from None
    architecture = space.decode(written) if isinstance(written, str) else Architecture(*written)
    value = number_of(score)
    identity = space.encode(space.canonical(architecture))
    return Evaluation(architecture, identity, value, metric, error=None if value is not None else "no score")


Direction = Literal["maximize", "minimize"]
ITERATIONS = 3
"""Number of iterations G, as in the paper; fewer if the budget is smaller."""
TARGET = "target"


def transfer(
    score: Score | Evaluator,
    *,
    source: Any = None,
    space: str | SearchSpace | None = None,
    budget: int = 20,
    reasoner: str | Reasoner = "patterns",
    method: str | Mapping[str, Any] = DEFAULT,
    seed: int = 0,
    direction: Direction = "maximize",
    controls: Sequence[str] = (),
    constraints: Mapping[str, Any] | None = None,
    quantities: Mapping[str, Known] | None = None,
    objectives: Sequence[str] = (),
    store: str | None = None,
    name: str | None = None,
    progress: bool = True,
) -> Result:
    """Search a space for an architecture with a good score, by principles that a source task taught.

    Ctrl-C returns what was found.

    Args:
        score: A function from an architecture to a number, or an ``Evaluator`` (``lapt.table(NAME, TASK)`` is one).
            ``str(architecture)`` is its text. An exception, None or NaN is a failed evaluation.
        source: A table's task, a list of (architecture, score), ``Principles``, or None for no source.
        space: A name, a file or a ``SearchSpace``; a table's own if unset.
        budget: Calls of ``score``.
        reasoner: patterns, frequency, random, chat:PROVIDER:MODEL (with a ``store``, which keeps the replies), or a
            ``Reasoner``.
        method: A search method (also ``optuna:TPESampler``), or a mapping with its parameters.
        seed: Seed of everything random.
        direction: maximize or minimize.
        controls: random, rea or source_ranking. Each has the same budget on the whole space, so it calls ``score`` as
            often again.
        constraints: Bounds on what is known before ``score`` is called, as in a pipeline:
            ``{"parameters": {"max": 200_000}}``. Of a table they are its columns. Controls keep them too.
        quantities: Functions from an architecture to what is known of it, for the constraints of a function:
            ``{"parameters": count}``.
        objectives: The name of the score ("score" of a function) and of a quantity, for a front of both
            (``Result.front``).
        store: A folder or address that keeps scores and the run. A function then needs a ``name``.
        name: Name of the function in the store; two functions must not share scores.
        progress: Whether a progress bar is drawn.

    Raises LaptError for a source, space, method or store that cannot be used.

    Examples:
        >>> import lapt
        >>> found = lapt.transfer(
        ...     lambda architecture: str(architecture).count("nor_conv_3x3"),
        ...     source=lapt.table("invented", "invented_source"),
        ...     budget=8,
        ...     progress=False,
        ... )
        >>> found.score
        6.0
    """
    known = constraints, quantities, objectives
    study = _study(score, source, space, budget, reasoner, method, seed, direction, controls, store, name, *known)
    with _recorded(study, store), _bar(budget, progress) as tick:
        try:
            _scored(study, tick)
        except KeyboardInterrupt:
            warnings.warn(f"interrupted after {len(study.evaluations)} of {budget} evaluations", stacklevel=2)
            return study.result()
        return replace(study.result(), beside={one: _control(study, one) for one in controls})


def ask_tell(
    *,
    source: Any = None,
    space: str | SearchSpace | None = None,
    budget: int = 20,
    reasoner: str | Reasoner = "patterns",
    method: str | Mapping[str, Any] = DEFAULT,
    seed: int = 0,
    direction: Direction = "maximize",
    constraints: Mapping[str, Any] | None = None,
    quantities: Mapping[str, Known] | None = None,
    objectives: Sequence[str] = (),
) -> Study:
    """The search of ``transfer`` for callers that evaluate by themselves.

    Call ``study.ask(n)`` and ``study.tell(architecture, value)``. Arguments as of ``transfer``. The store of a study is
    its pickle.

    Examples:
        >>> import lapt
        >>> study = lapt.ask_tell(source=lapt.table("invented", "invented_source"), budget=8)
        >>> [architecture] = study.ask(1)
        >>> study.tell(architecture, 91.5)
        >>> study.incumbent.value
        91.5
    """
    known = constraints, quantities, objectives
    return _study(None, source, space, budget, reasoner, method, seed, direction, (), None, None, *known)


def _study(
    score: Score | Evaluator | None,
    source: Any,
    space: str | SearchSpace | None,
    budget: int,
    reasoner: str | Reasoner,
    method: str | Mapping[str, Any],
    seed: int,
    direction: Direction,
    controls: Sequence[str],
    store: str | None,
    name: str | None,
    constraints: Mapping[str, Any] | None = None,
    quantities: Mapping[str, Known] | None = None,
    objectives: Sequence[str] = (),
) -> Study:
    whole = _space(space, source, score)
    metric = Metric("score", higher_is_better=_higher(direction))
    evaluator = _evaluator(score, whole, metric, name, store, quantities)
    known, declared = _source(source, whole, metric)
    pipeline = _pipeline(
        name=name or "transfer",
        space=whole.cell if not isinstance(space, str) else space,
        evaluator=_declared(evaluator, name),
        source=declared,
        targets=(evaluator.task,),
        seed=seed,
        controls=tuple(controls),
        constraints=dict(constraints or {}),
        objectives=tuple(objectives),
        adaptation=Adaptation(iterations=max(1, min(ITERATIONS, budget - 1))),
        **({"reasoner": reasoner_section(reasoner)} if isinstance(reasoner, str) else {}),
        search=_search(method, budget),
    )
    cost_of(pipeline, evaluator)  # an objective that is not known ends here
    if pipeline.constraints:
        warnings.warn(Notice(checked(pipeline.constraints, whole, evaluator)), stacklevel=3)
    thinks = _thinking(pipeline, store) if isinstance(reasoner, str) else reasoner
    steps = Steps(pipeline, whole, thinks)
    if isinstance(known, Archive):
        learned, archive = steps.learn(known), known
    else:
        learned, archive = known.onto(whole), None
    return Study(steps, evaluator, learned, archive, budget)


# --- from arguments to objects ----------------------------------------------------------------------------------------
def _space(space: str | SearchSpace | None, source: Any, score: Any) -> SearchSpace:
    if space is not None:
        return space_of(space) if isinstance(space, str) else space
    for given in (source, score):
        if isinstance(given, TableEvaluator):
            return given.space
        if isinstance(given, Principles):
            return space_of(given.space)
    raise ConfigError("a space", "none", 'name one, such as space="nas201", or the path of a declaration')


def _higher(direction: str) -> bool:
    if direction not in ("maximize", "minimize"):
        raise ConfigError("direction maximize or minimize", repr(direction), "name one of them")
    return direction == "maximize"


def _evaluator(
    score: Score | Evaluator | None,
    space: SearchSpace,
    metric: Metric,
    name: str | None,
    store: str | None,
    quantities: Mapping[str, Known] | None,
) -> Evaluator:
    if score is not None and not callable(score):
        if quantities:
            raise ConfigError("no quantities beside an evaluator, which knows its own", f"{[*quantities]}", "drop them")
        return score
    own = OwnEvaluator(space, TARGET, metric, name=name or "", score=score, quantities=quantities)
    if store is None:
        return own
    if not name:
        raise ConfigError(
            "a name for the function whose scores are stored", "none", 'give name="...": two must not share scores'
        )
    from storage.runs.evaluator import StoredEvaluator
    from storage.store import Store

    return StoredEvaluator(own, Store(store), space, seed=0)


def _declared(evaluator: Evaluator, name: str | None) -> Any:
    if isinstance(evaluator, TableEvaluator):
        return TableEvaluation(table=evaluator.table.name)
    return FunctionEvaluation(kind="function", name=name or "transfer")


def _source(given: Any, space: SearchSpace, metric: Metric) -> tuple[Archive | Principles, Any]:
    if given is None:
        nothing = Origin(reasoner="none", step="learn", task="none", archive="")
        return Principles(space=space.name, principles=(), origin=nothing), {"task": "none"}
    return source_of(given, space, metric)


def _pipeline(**declared: Any) -> Pipeline:
    try:
        return Pipeline.model_validate(declared)
    except ValidationError as error:
        raise fault(error, "the arguments", Pipeline) from None


def _thinking(pipeline: Pipeline, store: str | None) -> Reasoner:
    from flows.build import reasoner_of, run_id
    from lapt.pipeline.config import Execution

    if asks_a_model(pipeline.reasoner) and store is None:
        raise ConfigError("a store, which keeps a language model's replies", "none", 'give store="FOLDER"')
    return reasoner_of(pipeline, Execution(store=store or ""), run_id(pipeline, ""))


def _search(method: str | Mapping[str, Any], budget: int) -> Any:
    """The search section for a budget as in Table 1: a population before the first iteration and one in each."""
    if budget < 1:
        raise ConfigError("a budget of one evaluation or more", f"{budget}", "raise it")
    said = spelt_out({"method": method} if isinstance(method, str) else method)
    if said.get("method") not in SECTIONS:
        raise ConfigError(f"a search method among {list(SECTIONS)}", f"{said.get('method')}", "name one of them")
    iterations = max(1, min(ITERATIONS, budget - 1))
    return {"population_size": max(2, -(-budget // (iterations + 1))), "ask_size": 1, **said}


# --- the run ----------------------------------------------------------------------------------------------------------
def _scored(study: Study, tick: Callable[[Evaluation | None], None]) -> None:
    while not study.done:
        for architecture in study.ask(1):
            study.evaluate(architecture)
            tick(study.incumbent)


def _control(study: Study, method: str) -> Found:
    began = datetime.now(UTC)
    evaluations, _ = study.steps.control(method, study.evaluator, study.archive)
    found = evaluations[: study.budget]
    return Found(found, [1] * len(found), began, (datetime.now(UTC) - began).total_seconds())


@contextmanager
def _bar(budget: int, shown: bool) -> Iterator[Callable[[Evaluation | None], None]]:
    """A progress bar on standard error, or nothing."""
    if not shown:
        yield lambda incumbent: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("searching", total=budget)

        def tick(incumbent: Evaluation | None) -> None:
            value = "none" if incumbent is None else f"{incumbent.value:.4g}"
            bar.update(task, advance=1, description=f"searching, best {value}")

        yield tick


@contextmanager
def _recorded(study: Study, store: str | None) -> Iterator[None]:
    """Record the run in the store, as far as it came; do nothing without a store."""
    if store is None:
        yield
        return
    from flows.build import run_id
    from storage.runs.record import RunRecord, subspace_id
    from storage.store import Store

    pipeline = study.steps.pipeline
    record = RunRecord(Store(store), run_id(pipeline, study.learned.id))
    with record.attempt(pipeline):
        try:
            yield
        finally:
            result, task = study.result(), study.evaluator.task
            if study.archive is not None:
                record.archive(study.archive)
            record.principles(study.learned, task=pipeline.source.named, iteration=0)
            for iteration, refined, stated in result.refined:
                numbered = [
                    (n, one)
                    for n, (one, g) in enumerate(zip(result.found.evaluations, result.found.iterations, strict=True), 1)
                    if g == iteration
                ]
                if numbered:
                    record.trials(
                        refined,
                        [one for _, one in numbered],
                        task=task,
                        iteration=iteration,
                        first=numbered[0][0],
                        subspace_id=subspace_id(refined),
                        principles_id=stated,
                        fingerprint=study.evaluator.fingerprint,
                    )
