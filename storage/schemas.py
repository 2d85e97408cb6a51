"""The columns of each data set. Times are UTC; JSON columns hold canonical JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lapt.errors import StoreError
from lapt.evaluation import Evaluation

TEXT, REAL, COUNT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.field("element", TEXT))  # "element" is what Parquet calls it: no cast when read


def _schema(name: str, version: int, columns: Mapping[str, pa.DataType]) -> pa.Schema:
    fields = [pa.field(column, type_) for column, type_ in columns.items()]
    return pa.schema(fields, metadata={b"lapt.schema": name.encode(), b"lapt.version": str(version).encode()})


SCORES = _schema(
    "scores",
    2,
    {
        "key": TEXT,  # digest of space, identity, task, split, fingerprint, seed, fidelity
        "space": TEXT,
        "identity": TEXT,  # what the score belongs to: a string of the space's encoding
        "task": TEXT,
        "split": TEXT,  # validation, test
        "fingerprint": TEXT,  # of the evaluator
        "seed": COUNT,
        "fidelity": TEXT,
        "value": REAL,  # in the metric's unit and direction; null when failed
        "metric": TEXT,
        "unit": TEXT,
        "higher_is_better": FLAG,
        "parameters": COUNT,
        "flops": COUNT,
        "cost_seconds": REAL,
        "device": TEXT,
        "versions": TEXT,  # JSON: package -> version
        "status": TEXT,  # ok, failed
        "error": TEXT,
        "created_at": TIME,
        "live_parameters": COUNT,  # without dead edges; null in version 1
        "measures": TEXT,  # JSON: name -> what else was measured; null in version 1
        "weights": TEXT,  # SHA-256 of the blob with a final retraining's state dict; null in version 1
    },
)
TRIALS = _schema(
    "trials",
    2,
    {
        "run_id": TEXT,
        "space": TEXT,
        "task": TEXT,
        "iteration": COUNT,
        "ordinal": COUNT,  # 1-based number of the evaluation within (run_id, task)
        "architecture": TEXT,
        "identity": TEXT,
        "score_key": TEXT,  # scores.key; null for a table look-up or prediction
        "value": REAL,
        "metric": TEXT,
        "higher_is_better": FLAG,
        "status": TEXT,
        "error": TEXT,
        "parameters": COUNT,
        "flops": COUNT,
        "cost_seconds": REAL,
        "subspace_id": TEXT,
        "principles_id": TEXT,
        "origin": TEXT,  # computed, store, table, surrogate
        "created_at": TIME,
        "fingerprint": TEXT,  # of the evaluator; null in version 1
        "unit": TEXT,  # of value; null in version 1
    },
)
RUNS = _schema(
    "runs",
    3,
    {
        "run_id": TEXT,
        "attempt_id": TEXT,
        "event": TEXT,  # started, finished, stopped (by a limit), failed, interrupted
        "pipeline": TEXT,
        "config": TEXT,  # JSON
        "prefect_run_id": TEXT,
        "detail": TEXT,
        "result": TEXT,  # JSON
        "created_at": TIME,
        "versions": TEXT,  # JSON: package -> version; null in version 1
        "user": TEXT,  # who started the attempt; null before version 3, as is the team
        "team": TEXT,
    },
)
PRINCIPLES = _schema(
    "principles",
    1,
    {
        "principles_id": TEXT,
        "run_id": TEXT,
        "task": TEXT,
        "iteration": COUNT,
        "step": TEXT,
        "reasoner": TEXT,
        "space": TEXT,
        "version": COUNT,
        "parent": TEXT,  # principles_id
        "statements": TEXTS,
        "body": TEXT,  # JSON of lapt.principles.Principles
        "created_at": TIME,
    },
)
SUBSPACES = _schema(
    "subspaces",
    1,
    {
        "subspace_id": TEXT,
        "run_id": TEXT,
        "task": TEXT,
        "iteration": COUNT,
        "space": TEXT,
        "principles_id": TEXT,
        "size": REAL,  # DARTS has 9.1e18 architectures, which is no int64 once squared
        "size_text": TEXT,  # the exact integer
        "body": TEXT,  # JSON of lapt.spaces.SearchSpace
        "created_at": TIME,
    },
)
REASONER_CALLS = _schema(
    "reasoner_calls",
    3,
    {
        "call_key": TEXT,
        "run_id": TEXT,
        "reasoner": TEXT,
        "model": TEXT,
        "step": TEXT,
        "task": TEXT,
        "iteration": COUNT,
        "sample": COUNT,
        "prompt_hash": TEXT,
        "prompt": TEXT,
        "reply": TEXT,
        "valid": FLAG,
        "error": TEXT,
        "tokens_in": COUNT,
        "tokens_out": COUNT,
        "cost": REAL,  # in the currency the model's price list was declared in
        "latency_seconds": REAL,
        "created_at": TIME,
        "principles_id": TEXT,  # what was read; null for learn, and in version 1 as all that follow
        "draw": COUNT,  # from 0
        "attempt": COUNT,  # 0: the first reply; then those that an invalid one was sent back for
        "origin": TEXT,  # model, store
        "prompt_name": TEXT,
        "prompt_version": COUNT,
        "response_schema": TEXT,  # JSON
        "parameters": TEXT,  # JSON: of the model
        "finish": TEXT,  # the provider's reason for the reply's end, where that is no ordinary one; from version 3
    },
)
SUPERNETS = _schema(
    "supernets",
    1,
    {
        "run_id": TEXT,
        "task": TEXT,
        "iteration": COUNT,  # 0: of the whole space
        "subspace_id": TEXT,  # the space it was trained over; null: the whole one
        "fingerprint": TEXT,  # of the evaluator whose scores are inherited from it
        "epochs": COUNT,
        "loss": REAL,  # mean training loss of the last epoch
        "parameters": COUNT,
        "cost_seconds": REAL,  # of its training, by whomever
        "device": TEXT,
        "created_at": TIME,
    },
)
STUDIES = _schema(
    "studies",
    1,
    {
        "study_id": TEXT,  # digest of what the study's rows say
        "study": TEXT,
        "pipeline": TEXT,
        "method": TEXT,
        "reasoner": TEXT,
        "variant": TEXT,
        "source_budget": COUNT,
        "target": TEXT,  # mean: over all targets
        "quantity": TEXT,
        "unit": TEXT,
        "mean": REAL,
        "sd": REAL,
        "ci_low": REAL,
        "ci_high": REAL,
        "median": REAL,
        "q25": REAL,
        "q75": REAL,
        "censored": COUNT,
        "seeds": COUNT,
        "draws": COUNT,
        "sd_draws": REAL,
        "sd_search": REAL,
        "baseline": TEXT,
        "p_value": REAL,
        "published": TEXT,
        "budget": COUNT,  # evaluations on the target
        "created_at": TIME,
    },
)
STUDY_JOBS = _schema(
    "study_jobs",
    1,
    {
        "key": TEXT,  # digest of everything that the job's result depends on
        "study": TEXT,  # that first ran it
        "label": TEXT,
        "curves": TEXT,  # JSON
        "created_at": TIME,
    },
)

SCHEMAS: dict[str, pa.Schema] = {
    schema.metadata[b"lapt.schema"].decode(): schema
    for schema in (SCORES, TRIALS, RUNS, PRINCIPLES, SUBSPACES, REASONER_CALLS, SUPERNETS, STUDIES, STUDY_JOBS)
}
"""Data set -> schema. Raise the version in ``_schema`` when you add a column; never rename or remove one."""

KEYS: dict[str, tuple[str, ...]] = {
    # Two processes may have measured the same thing, and a failure may have been tried again.
    "scores": ("key",),
    # A resumed run asks the same questions again.
    "trials": ("run_id", "task", "ordinal"),
    "runs": tuple(RUNS.names),
    "principles": ("run_id", "task", "iteration", "step", "principles_id"),
    "subspaces": ("run_id", "task", "iteration", "subspace_id"),
    # An invalid reply and the valid one after it were both paid for; the same record twice was not.
    "reasoner_calls": ("run_id", "call_key", "valid", "reply"),
    "supernets": ("run_id", "task", "iteration", "fingerprint"),
    # The same study again says the same again.
    "studies": ("study_id", "method", "reasoner", "variant", "source_budget", "target", "quantity", "budget"),
    "study_jobs": ("key",),
}
"""Data set -> its key columns. Of rows with equal keys, the views count one."""


def schema_of(dataset: str) -> pa.Schema:
    """The schema of a data set. Raises StoreError, with the list of data sets, for an unknown name."""
    try:
        return SCHEMAS[dataset]
    except KeyError:
        raise StoreError(f"a data set among {sorted(SCHEMAS)}", repr(dataset), "name one of them") from None


def columns_of(evaluation: Evaluation) -> dict[str, Any]:
    """The columns that a score and a trial have in common."""
    return {
        "identity": evaluation.identity,
        "value": evaluation.value,
        "metric": evaluation.metric.name,
        "unit": evaluation.metric.unit,
        "higher_is_better": evaluation.metric.higher_is_better,
        "status": "failed" if evaluation.failed else "ok",
        "error": evaluation.error,
        "parameters": evaluation.parameters,
        "flops": evaluation.flops,
        "cost_seconds": evaluation.cost_seconds,
    }


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly the schema's columns: missing ones are null, unknown ones are left out.

    Raises pyarrow.ArrowInvalid when a column holds a value that its type cannot.
    """
    if table.schema.equals(schema):
        return table
    have = set(table.column_names)
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in have
        else pa.chunked_array([pa.nulls(table.num_rows, field.type)])
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
