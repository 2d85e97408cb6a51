"""Evaluators of a pipeline, chosen by its declaration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flows.running.progress import listener, meter
from flows.server.settings import apply_environment
from lapt.base.digests import digest
from lapt.errors import ConfigError, SpaceError
from lapt.evaluation import Evaluation, Evaluator, Quantity
from lapt.evaluators import Table, TableEvaluator
from lapt.evaluators.config import (
    FunctionEvaluation,
    SupernetEvaluation,
    SurrogateEvaluation,
    TableEvaluation,
    TrainingEvaluation,
)
from lapt.evaluators.deployed import LATENCY
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.latency import KnownLatency, LatencyEvaluator
from lapt.evaluators.supernet import SupernetEvaluator
from lapt.evaluators.surrogate import SurrogateEvaluator
from lapt.evaluators.table import Rehearsal
from lapt.evaluators.training import TrainingEvaluator
from lapt.latency.additive import MeasuredLatency
from lapt.latency.timing import Protocol
from lapt.pipeline.config import BenchmarkPlan, Execution, Pipeline
from lapt.pipeline.planned import Part, counted, parts_of
from lapt.pipeline.sources import FrontArchive, Source, sources_of, tasks_read
from lapt.spaces import SearchSpace, space_named
from lapt.testing import invented_table
from storage.benchmarks.surrogates import load_surrogate
from storage.benchmarks.tables import load
from storage.runs.checkpoints import StoredSupernets
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store

EvaluatorOf = Callable[[str], Evaluator]
"""Task -> its evaluator."""


def space_of(pipeline: Pipeline) -> SearchSpace:
    return space_named(pipeline.space)


def table_named(name: str, data: str | None) -> Table:
    """An imported table, a shipped one, or the invented one. Raises BenchmarkError if there is none."""
    return invented_table() if name == "invented" else load(name, data)


def table_of(pipeline: Pipeline, data: str | None) -> Table:
    """The table of a pipeline. Raises ConfigError when the pipeline has none."""
    config = pipeline.evaluator
    if not isinstance(config, TableEvaluation):
        raise ConfigError(
            "a pipeline with a table or a surrogate", f"evaluator.kind = {config.kind}", "name one that has"
        )
    table = table_named(config.table, data)
    space = space_of(pipeline)
    if table.space != space.name:
        raise ConfigError(
            f"a table of space {space.name}", f"{table.name}, of {table.space}", f"say space: {table.space}"
        )
    if space.is_declared:
        _check_alike(table, space)
    partial_is_fine = table.canonical or table.holes or config.lacking is not None
    if not partial_is_fine and len(table.architectures) < space.size:
        raise ConfigError(
            f"a table with all {space.size:,} architectures of {space.name}",
            f"{table.name} with {len(table.architectures):,}",
            "complete the table, since a search may ask for any of them, or say evaluator.pool=table (search what "
            "there is) or evaluator.missing=skip, or import it with missing: fail",
        )
    return table


def _check_alike(table: Table, space: SearchSpace) -> None:
    """Raise ConfigError if the table was imported for another declared space of the same name."""
    for text in table.architectures:
        try:
            inside = space.contains(space.decode(text))
        except SpaceError:
            inside = False
        if not inside:
            raise ConfigError(
                f"the declaration of {space.name} that {table.name} was imported with",
                f"another, which has no {text}",
                "import the table again",
            )


def evaluator_of(table: Table, config: TableEvaluation, space: SearchSpace, task: str) -> Evaluator:
    return TableEvaluator(table, space, task, config.lacking)


def evaluators_of(
    pipeline: Pipeline, execution: Execution, space: SearchSpace, store: Store
) -> tuple[str, EvaluatorOf]:
    """(checksum of the data, task -> evaluator). Raises LaptError for a table, data or task that is not there."""
    if isinstance(pipeline.evaluator, TrainingEvaluation | SupernetEvaluation):
        return _trained(pipeline, pipeline.evaluator, execution, space, store)
    if isinstance(pipeline.evaluator, SurrogateEvaluation):
        return predicted(pipeline, pipeline.evaluator, space, execution.data)
    if isinstance(pipeline.evaluator, FunctionEvaluation):
        raise ConfigError(
            "an evaluator that a pipeline can have",
            f"the function {pipeline.evaluator.name} of a Python process",
            "run it there: lapt.transfer(FUNCTION, ...)",
        )
    config = pipeline.evaluator
    table, seconds = table_of(pipeline, execution.data), config.seconds
    for task in pipeline.evaluated:
        table.column(task)
    read = {bound.column or name for name, bound in pipeline.constraints.items()} | set(pipeline.objectives)
    checksum = table.checksum_with(read)
    if seconds is None:
        return checksum, partial(evaluator_of, table, config, space)
    return checksum, lambda task: _stored(
        Rehearsal(evaluator_of(table, config, space, task), seconds), execution, space, store, 0
    )


def predicted(
    pipeline: Pipeline, config: SurrogateEvaluation, space: SearchSpace, data: str | None
) -> tuple[str, EvaluatorOf]:
    """As ``evaluators_of``, by a surrogate. Also raises ConfigError if a target is the source under another name."""
    _only_random(pipeline, "a surrogate")
    surrogate = load_surrogate(config.model, data)

    def evaluator(task: str) -> SurrogateEvaluator:
        return SurrogateEvaluator(surrogate, space, task, epoch=config.epoch)

    for source in map(evaluator, tasks_read(sources_of(pipeline.source))):
        for target in pipeline.targets:
            if evaluator(target).epoch == source.epoch:
                raise ConfigError(
                    f"another epoch for the target {target} than for the source {source.task}",
                    f"{source.epoch} for both",
                    "learn from an earlier one: source: {task: cifar10_epoch10, ...}",
                )
    for target in pipeline.targets:
        evaluator(target)  # an epoch that is not there ends here
    return surrogate.checksum, evaluator


def _only_random(pipeline: Pipeline, scored_by: str) -> None:
    for source in sources_of(pipeline.source):
        if isinstance(source, Source) and source.table is None and source.archive.paid is None:
            fitting = source.archive.strategy if isinstance(source.archive, FrontArchive) else "random"
            raise ConfigError(
                f"an archive of samples that are paid for, with {scored_by}",
                f"strategy {source.archive.strategy} without samples, which needs every score of the source task",
                f"write archive: {{strategy: {fitting}, samples: 64, size: 16}}",
            )


def _trained(
    pipeline: Pipeline,
    config: TrainingEvaluation | SupernetEvaluation,
    execution: Execution,
    space: SearchSpace,
    store: Store,
) -> tuple[str, EvaluatorOf]:
    _only_random(pipeline, "networks that are trained")

    measured = LATENCY in (*pipeline.constraints, *pipeline.objectives)
    if measured and execution.dispatch == "deployment":
        raise ConfigError(
            "dispatch: inline, where latency_ms is measured", "workers, whose machines differ", "leave the pool out"
        )
    latencies = {
        task: latency_of(config, execution, space, store, task, pipeline.latency)
        for task in (pipeline.targets if measured else ())
    }

    def evaluator(task: str) -> StoredEvaluator:
        return trained_evaluator(config, execution, space, store, task, latencies.get(task))

    known = [evaluator(task).evaluator for task in pipeline.evaluated]
    keys = [one.key if isinstance(one, SupernetEvaluator) else one.fingerprint for one in known]
    keys += [one.measures.fingerprint for one in latencies.values()]
    return (keys[0] if isinstance(config.data, str) and not measured else digest(keys)), evaluator


def latency_of(
    config: TrainingEvaluation | SupernetEvaluation,
    execution: Execution,
    space: SearchSpace,
    store: Store,
    task: str,
    measured: MeasuredLatency,
) -> KnownLatency:
    """The latency of a task's deployed networks on this machine, kept in the store. Raises ConfigError."""
    spec = final_spec(config, space, task, execution.device)
    protocol = Protocol(**measured.model_dump(include=set(Protocol.model_fields)))
    return KnownLatency(_stored(LatencyEvaluator(spec, protocol), execution, space, store, 0), space, measured.fit)


def final_spec(
    config: TrainingEvaluation | SupernetEvaluation, space: SearchSpace, task: str, device: str
) -> TrainingSpec:
    """The specification of a task's final network; without a final training, of the networks that are scored."""
    final = dict(config.final) if isinstance(config, SupernetEvaluation) and config.final is not None else {}
    return TrainingSpec.of(config, space, task, device, **final, sample=None)


def trained_evaluator(
    config: TrainingEvaluation | SupernetEvaluation,
    execution: Execution,
    space: SearchSpace,
    store: Store,
    task: str,
    latency: KnownLatency | None = None,
) -> StoredEvaluator:
    """The evaluator that trains for a task. ``latency``: of what is trained, if it is bounded.

    Raises LaptError for data or a device that is not there, a task that cannot be made of the data, and a space whose
    networks are not known.
    """
    space.family.check_trained(config.kind, shared=isinstance(config, SupernetEvaluation))
    known, together = None if latency is None else latency.quantity, {"final_processes": execution.final_processes}
    measures = (
        _inheriting(config, execution, space, store, task, known)
        if isinstance(config, SupernetEvaluation)
        else TrainingEvaluator(
            TrainingSpec.of(config, space, task, execution.device, final_epochs=config.final_epochs, **together),
            processes=execution.processes,
            latency=known,
        )
    )
    measures.check()

    return _stored(measures, execution, space, store, config.seed)


def _stored(evaluator: Evaluator, execution: Execution, space: SearchSpace, store: Store, seed: int) -> StoredEvaluator:
    def heard(evaluation: Evaluation) -> None:
        listener.get().scored(evaluator.task)

    return StoredEvaluator(
        evaluator, store, space, seed=seed, retry_failed=execution.retry_failed, on_stored=heard, meter=meter.get
    )


def stored_evaluator(pipeline: Pipeline, execution: Execution, task: str) -> StoredEvaluator:
    """The stored evaluator of one task, for a worker. Raises LaptError, also for a table or surrogate, which need no
    worker."""
    space = space_of(pipeline)
    _, evaluator_of_task = evaluators_of(pipeline, execution, space, Store(execution.store))
    found = evaluator_of_task(task)
    if not isinstance(found, StoredEvaluator):
        raise ConfigError(
            "an evaluator that trains, for workers", pipeline.evaluator.kind, "run it without workers: dispatch: inline"
        )
    return found


def _inheriting(
    config: SupernetEvaluation,
    execution: Execution,
    space: SearchSpace,
    store: Store,
    task: str,
    latency: Quantity | None,
) -> SupernetEvaluator:
    spec = partial(TrainingSpec.of, config, space, task, execution.device)
    final, together = config.final, {"final_processes": execution.final_processes}
    return SupernetEvaluator(
        spec(),
        StoredSupernets(store),
        calibration_images=config.calibration_images,
        final=None if final is None else TrainingEvaluator(spec(**dict(final), sample=None, **together), processes=1),
        processes=execution.processes,
        latency=latency,
    )


def measuring(plan: BenchmarkPlan, execution: Execution, store: Store) -> Callable[[str, int], StoredEvaluator]:
    """(task, n) -> the evaluator of that task with the plan's n-th seed, from 0. Raises LaptError as
    ``trained_evaluator``."""
    space = space_named(plan.space)

    def evaluator(task: str, n: int) -> StoredEvaluator:
        config = plan.evaluator.model_copy(update={"seed": plan.evaluator.seed + n})
        return trained_evaluator(config, execution, space, store, task)

    return evaluator


def dispatched_to(pipeline: Pipeline, execution: Execution, evaluator_of_task: EvaluatorOf) -> EvaluatorOf:
    """Evaluators that send the work to workers. Raises ConfigError without a server, since it alone knows the
    workers."""
    apply_environment()
    from flows.server.address import configured_address
    from flows.workers.batch import Batch
    from flows.workers.dispatch import DispatchedEvaluator
    from flows.workers.pools import Pool

    if execution.final_processes > 1:
        raise ConfigError(
            "final_processes: 1 with a pool, whose workers train on one device each",
            f"{execution.final_processes}",
            f"leave the pool {execution.pool} out, for lapt final at least",
        )
    if configured_address() is None:
        raise ConfigError(
            f"a Prefect server that knows workers of the pool {execution.pool}",
            "none configured",
            "set PREFECT_API_URL, or leave the pool out",
        )

    def dispatched(task: str) -> Evaluator:
        found = evaluator_of_task(task)
        if not isinstance(found, StoredEvaluator):  # a look-up is no work
            return found
        batch = Batch(pipeline=pipeline, task=task, retry_failed=execution.retry_failed)
        return DispatchedEvaluator(found, batch, Pool(execution.pool))

    return dispatched


def planned(pipeline: Pipeline, evaluator: EvaluatorOf) -> tuple[Part, ...]:
    """The parts of a run, with the final trainings of targets that have test images."""
    stored = (evaluator(target) for target in pipeline.targets if pipeline.evaluator.trains)
    return parts_of(pipeline, [one.task for one in stored if isinstance(one, StoredEvaluator) and one.retrains])


def trained(pipeline: Pipeline, evaluator: EvaluatorOf) -> str:
    """One line on what a run trains."""
    return counted(planned(pipeline, evaluator), inherits=pipeline.evaluator.kind == "supernet")
