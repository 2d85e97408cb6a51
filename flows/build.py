"""From configuration to objects: the only place that knows which class serves which key."""

from __future__ import annotations

from dataclasses import dataclass

from lapt.algorithms import VERSION
from lapt.config import Execution, Pipeline
from lapt.digests import short
from lapt.evaluation import Evaluator
from lapt.evaluators import Table, TableEvaluator
from lapt.reasoning import Frequency, Reasoner
from lapt.spaces import SearchSpace, space_named
from lapt.steps import Steps
from lapt.testing import invented_table
from storage.benchmarks import load
from storage.record import RunRecord
from storage.store import Store


def space_of(pipeline: Pipeline) -> SearchSpace:
    return space_named(pipeline.space)


def table_of(pipeline: Pipeline, data: str | None) -> Table:
    name = pipeline.evaluator.table
    return invented_table() if name == "invented" else load(name, data)


def evaluator_of(pipeline: Pipeline, table: Table, space: SearchSpace, task: str) -> TableEvaluator:
    return TableEvaluator(table, space, task)


def reasoner_of(pipeline: Pipeline) -> Reasoner:
    config = pipeline.reasoner
    return Frequency(max_operators=config.max_operators, max_sources=config.max_sources)


@dataclass(frozen=True)
class Built:
    """Everything a flow works with."""

    pipeline: Pipeline
    execution: Execution
    steps: Steps
    table: Table
    store: Store
    record: RunRecord

    @property
    def space(self) -> SearchSpace:
        return self.steps.space

    @property
    def run_id(self) -> str:
        return self.record.run_id

    def evaluator(self, task: str) -> Evaluator:
        return evaluator_of(self.pipeline, self.table, self.space, task)


def build(pipeline: Pipeline, execution: Execution) -> Built:
    """Raises LaptError for anything the declaration names that is not there: before any work is done."""
    space = space_of(pipeline)
    table = table_of(pipeline, execution.data)
    for task in (pipeline.source.task, *pipeline.targets):
        table.column(task)
    store = Store(execution.store)
    return Built(
        pipeline=pipeline,
        execution=execution,
        steps=Steps(pipeline, space, reasoner_of(pipeline)),
        table=table,
        store=store,
        record=RunRecord(store, run_id(pipeline, table.checksum)),
    )


def run_id(pipeline: Pipeline, data_checksum: str) -> str:
    """What is computed, as 12 hex digits: configuration with seed, data, algorithm version; not the execution."""
    return short({"pipeline": pipeline.model_dump(mode="json"), "data": data_checksum, "algorithm": VERSION})
