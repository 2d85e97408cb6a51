"""Deployed flows that wait on a server: for a nightly schedule, and for the announcement of new data."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow, get_run_logger

from flows.pipeline import lapt_flow
from lapt.pipeline.config import Execution, load_pipeline
from lapt.pipeline.results import RunResult
from tasks.step import context
from tasks.steps import run_comparison


@flow(name="study", flow_run_name="study {name}", persist_result=False)
def run_study(
    name: str,
    execution: Execution,
    seeds: int = 20,
    methods: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    pipeline: str | None = None,
) -> str:
    """As ``lapt study``, with its rows in the store and an artifact; returns the id of the rows.

    Jobs that the store has are not run again. ``pipeline``: a preset or file on the worker in place of the study's own.
    """
    from flows.studies import STUDIES, prepared, settings_of, wanted
    from flows.studies.jobs import keep
    from lapt.errors import ConfigError
    from storage.store import Store

    if name not in STUDIES:
        raise ConfigError(f"a study among {sorted(STUDIES)}", repr(name), "name one of them")
    store = Store(execution.store)
    declared = load_pipeline(wanted(name, pipeline), settings_of(name, overrides, methods), STUDIES[name].reasoner)
    study = prepared(
        name,
        declared,
        (),
        draws=1,
        seeds=seeds,
        methods=methods,
        execution=execution,
        store=store,
        own=pipeline is None,
    )
    rows = run_comparison(context(study), name=name)
    study_id = keep(store, rows)
    get_run_logger().info("study %s: SELECT * FROM studies WHERE study_id = '%s'", name, study_id)
    return study_id


@flow(name="adapt-to-data", flow_run_name="{task}, announced", persist_result=False)
def adapt_to_data(task: str, pipeline: str, execution: Execution, data: str | None = None) -> RunResult:
    """Run a pipeline with a new task as its target. From the second time on, the store has the source's principles.

    ``pipeline``: a preset, or the path of a YAML file on the worker. ``data``: images of the task, as in
    ``evaluator.data``; None if a table has the task.
    """
    images = [f"evaluator.data.{task}={data}"] if data else []
    declared = load_pipeline(pipeline, [f"targets=[{task}]", *images])
    return lapt_flow(context(declared), context(execution))  # type: ignore[no-any-return, call-overload]
