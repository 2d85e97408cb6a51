"""From configuration to objects: the only place that knows which class serves which key."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flows.prefect_settings import apply_environment
from flows.progress import listener
from lapt.algorithms import VERSION
from lapt.config import BenchmarkPlan, Execution, Guidance, Pipeline, RandomArchive
from lapt.digests import digest, short
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Evaluator
from lapt.evaluators import Table, TableEvaluator
from lapt.evaluators.config import SupernetEvaluation, SurrogateEvaluation, TableEvaluation, TrainingEvaluation
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.supernet import SupernetEvaluator
from lapt.evaluators.surrogate import SurrogateEvaluator
from lapt.evaluators.training import TrainingEvaluator
from lapt.reasoning import Chance, Chat, Frequency, Patterns, Reasoner
from lapt.reasoning.calls import Caller, ChatModel, Limits, Prices
from lapt.reasoning.config import ChatReasoner, PatternsReasoner, RandomReasoner
from lapt.reasoning.models import LangChainModel
from lapt.reasoning.prices import prices_of
from lapt.spaces import SearchSpace, space_named
from lapt.steps import Steps
from lapt.testing import invented_table
from storage.benchmarks import load
from storage.evaluator import StoredEvaluator
from storage.manual import ManualModel
from storage.record import RunRecord
from storage.recordings import StoredRecordings
from storage.store import Store
from storage.supernets import StoredSupernets
from storage.surrogates import load_surrogate

EvaluatorOf = Callable[[str], Evaluator]
"""Task -> its evaluator."""


def space_of(pipeline: Pipeline) -> SearchSpace:
    return space_named(pipeline.space)


def reasoner_of(pipeline: Pipeline, execution: Execution, run_id: str, *, sample: int | None = None) -> Reasoner:
    """``run_id``: whose calls of a language model are counted; ``sample``: what is random in it, the seed if unset.

    Raises LaptError for a model that cannot be asked: a missing package, key or provider.
    """
    config, sample = pipeline.reasoner, pipeline.seed if sample is None else sample
    if isinstance(config, ChatReasoner):
        return Chat(
            caller_of(config, execution, run_id, sample=sample),
            parts=config.prompt,
            **config.model_dump(include={"draws", "combine", "max_operators", "max_sources", "on_invalid"}),
        )
    if isinstance(config, RandomReasoner):
        return Chance(seed=sample, max_operators=config.max_operators, max_sources=config.max_sources)
    if isinstance(config, PatternsReasoner):
        return Patterns(**config.model_dump(exclude={"kind"}))
    return Frequency(max_operators=config.max_operators, max_sources=config.max_sources)


def caller_of(config: ChatReasoner, execution: Execution, run_id: str, *, sample: int) -> Caller:
    store = Store(execution.store)
    prices = prices_of(config.model) if config.prices is None else Prices(**config.prices.model_dump())
    if config.budget.cost is not None and prices is None:
        raise ConfigError(
            f"reasoner.prices for a budget in money, since none are known for {config.model}",
            "none",
            "write prices: {tokens_in: 2.5, tokens_out: 10}, for a million tokens",
        )
    model: ChatModel
    if config.model == "manual":
        model = ManualModel(store)
    else:
        model = LangChainModel(
            config.model,
            key=None if execution.replies == "replay" else _key(config),  # a replay asks nobody
            **config.model_dump(
                include={
                    "base_url",
                    "temperature",
                    "max_tokens",
                    "timeout",
                    "tries",
                    "requests_per_second",
                    "structured",
                }
            ),
        )
    return Caller(
        model,
        StoredRecordings(store, run_id),
        sample=sample,
        mode=execution.replies,
        repairs=config.repairs,
        limits=Limits(**config.budget.model_dump()),
        prices=prices,
    )


def _key(config: ChatReasoner) -> str | None:
    """The key from where the declaration says that it is; None for the provider's own variable."""
    if config.key_block is not None:
        return _secret(config.key_block)
    if config.key_env is None:
        return None
    if not os.environ.get(config.key_env):
        raise ConfigError(f"a key in the environment variable {config.key_env}", "none", f"export {config.key_env}=...")
    return os.environ[config.key_env]


def _secret(block: str) -> str:
    """What the Prefect server keeps under that name."""
    apply_environment()
    from prefect.blocks.system import Secret

    from flows.prefect_server import configured_address

    if configured_address() is None:  # Prefect would start one of its own, with an empty history, that reports home
        raise ConfigError(
            f"a Prefect server that keeps the Secret block {block}",
            "none",
            "set PREFECT_API_URL, or name the environment variable with the key as reasoner.key_env",
        )
    try:
        found = Secret.load(block, _sync=True).get()  # type: ignore[union-attr]
    except ValueError as error:
        raise ConfigError(
            f"a Prefect Secret block {block}", f"{error}", "create it (lapt ui, Blocks), or name reasoner.key_env"
        ) from None
    return str(found)


def table_of(pipeline: Pipeline, data: str | None) -> Table:
    """Raises ConfigError when the pipeline has none."""
    config = pipeline.evaluator
    if not isinstance(config, TableEvaluation):
        raise ConfigError(
            "a pipeline with a table or a surrogate", f"evaluator.kind = {config.kind}", "name one that has"
        )
    table = invented_table() if config.table == "invented" else load(config.table, data)
    space = space_of(pipeline)
    if table.space != space.name:
        raise ConfigError(
            f"a table of space {space.name}", f"{table.name}, of {table.space}", f"say space: {table.space}"
        )
    if not table.canonical and len(table.architectures) < space.size:
        raise ConfigError(
            f"a table with all {space.size:,} architectures of {space.name}",
            f"{table.name} with {len(table.architectures):,}",
            "complete the table: a search may ask for any of them",
        )
    return table


def evaluator_of(table: Table, space: SearchSpace, task: str) -> Evaluator:
    return TableEvaluator(table, space, task)


def evaluators_of(
    pipeline: Pipeline, execution: Execution, space: SearchSpace, store: Store
) -> tuple[str, EvaluatorOf]:
    """(checksum of the data, task -> evaluator). Raises LaptError for a table, data or task that is not there."""
    if isinstance(pipeline.evaluator, TrainingEvaluation | SupernetEvaluation):
        return _trained(pipeline, pipeline.evaluator, execution, space, store)
    if isinstance(pipeline.evaluator, SurrogateEvaluation):
        return predicted(pipeline, pipeline.evaluator, space, execution.data)
    table = table_of(pipeline, execution.data)
    for task in (pipeline.source.task, *pipeline.targets):
        table.column(task)
    return table.checksum, lambda task: evaluator_of(table, space, task)


def predicted(
    pipeline: Pipeline, config: SurrogateEvaluation, space: SearchSpace, data: str | None
) -> tuple[str, EvaluatorOf]:
    """As ``evaluators_of``, by a surrogate. Raises ConfigError too where a target is the source under another name."""
    _only_random(pipeline, "a surrogate")
    surrogate = load_surrogate(config.model, data)

    def evaluator(task: str) -> SurrogateEvaluator:
        return SurrogateEvaluator(surrogate, space, task, epoch=config.epoch)

    source = evaluator(pipeline.source.task)
    for target in pipeline.targets:
        if evaluator(target).epoch == source.epoch:
            raise ConfigError(
                f"another epoch for the target {target} than for the source {source.task}",
                f"{source.epoch} for both",
                "learn from an earlier one: source: {task: cifar10_epoch10, ...}",
            )
    return surrogate.checksum, evaluator


def _only_random(pipeline: Pipeline, scored_by: str) -> None:
    if not isinstance(pipeline.source.archive, RandomArchive):
        raise ConfigError(
            f"source.archive.strategy random, with {scored_by}",
            f"{pipeline.source.archive.strategy}, which needs every score of the source task",
            "write archive: {strategy: random, samples: 64, size: 16}",
        )


def _trained(
    pipeline: Pipeline,
    config: TrainingEvaluation | SupernetEvaluation,
    execution: Execution,
    space: SearchSpace,
    store: Store,
) -> tuple[str, EvaluatorOf]:
    _only_random(pipeline, "networks that are trained")

    def evaluator(task: str) -> StoredEvaluator:
        return trained_evaluator(config, execution, space, store, task)

    known = [evaluator(task).evaluator for task in (pipeline.source.task, *pipeline.targets)]
    keys = [one.key if isinstance(one, SupernetEvaluator) else one.fingerprint for one in known]
    return (keys[0] if isinstance(config.data, str) else digest(keys)), evaluator


def trained_evaluator(
    config: TrainingEvaluation | SupernetEvaluation, execution: Execution, space: SearchSpace, store: Store, task: str
) -> StoredEvaluator:
    """Raises LaptError for data or a device that is not there, and a task that cannot be made of the data."""
    measures = (
        _inheriting(config, execution, space, store, task)
        if isinstance(config, SupernetEvaluation)
        else TrainingEvaluator(
            TrainingSpec.of(config, space, task, execution.device, final_epochs=config.final_epochs),
            processes=execution.processes,
        )
    )
    measures.check()

    def heard(evaluation: Evaluation) -> None:
        listener.get().scored(task)

    return StoredEvaluator(
        measures, store, space, seed=config.seed, retry_failed=execution.retry_failed, on_stored=heard
    )


def _inheriting(
    config: SupernetEvaluation, execution: Execution, space: SearchSpace, store: Store, task: str
) -> SupernetEvaluator:
    spec = partial(TrainingSpec.of, config, space, task, execution.device)
    final = config.final
    return SupernetEvaluator(
        spec(),
        StoredSupernets(store),
        calibration_images=config.calibration_images,
        final=None if final is None else TrainingEvaluator(spec(**dict(final)), processes=1),
        processes=execution.processes,
    )


def measuring(plan: BenchmarkPlan, execution: Execution, store: Store) -> Callable[[str, int], StoredEvaluator]:
    """(task, n) -> the evaluator of that task with the plan's n-th seed, from 0. Raises LaptError as above."""
    space = space_named(plan.space)

    def evaluator(task: str, n: int) -> StoredEvaluator:
        config = plan.evaluator.model_copy(update={"seed": plan.evaluator.seed + n})
        return trained_evaluator(config, execution, space, store, task)

    return evaluator


@dataclass(frozen=True)
class Built:
    """Everything a flow works with."""

    pipeline: Pipeline
    execution: Execution
    steps: Steps
    evaluator: EvaluatorOf
    store: Store
    record: RunRecord

    @property
    def space(self) -> SearchSpace:
        return self.steps.space

    @property
    def run_id(self) -> str:
        return self.record.run_id


def build(pipeline: Pipeline, execution: Execution) -> Built:
    """Raises LaptError for anything the declaration names that is not there: before any work is done."""
    space, store = space_of(pipeline), Store(execution.store)
    checksum, evaluator = evaluators_of(pipeline, execution, space, store)
    record = RunRecord(store, run_id(pipeline, checksum))
    reasoner = reasoner_of(pipeline, execution, record.run_id)
    return Built(
        pipeline=pipeline,
        execution=execution,
        steps=Steps(pipeline, space, reasoner),
        evaluator=evaluator,
        store=store,
        record=record,
    )


def run_id(pipeline: Pipeline, data_checksum: str) -> str:
    """What is computed, as 12 hex digits: configuration with seed, data, algorithm version; not the execution.

    Guidance that says nothing is left out: runs from before there was any keep their ids.
    """
    declared = pipeline.model_dump(mode="json", exclude={"guidance"} if pipeline.guidance == Guidance() else None)
    return short({"pipeline": declared, "data": data_checksum, "algorithm": VERSION})
