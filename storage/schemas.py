"""The columns and key of each data set, as ``schemas.yaml`` beside this module declares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lapt.base.shipped import table_beside
from lapt.errors import StoreError
from lapt.evaluation import Evaluation

TEXT, REAL, COUNT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(pa.field("element", TEXT))  # "element" is what Parquet calls it: no cast when read
_TYPES = {"text": TEXT, "real": REAL, "count": COUNT, "flag": FLAG, "time": TIME, "texts": TEXTS}
_TABLE = table_beside(__name__)


def _schema(name: str, version: int, columns: Mapping[str, str]) -> pa.Schema:
    fields = [pa.field(column, _TYPES[type_]) for column, type_ in columns.items()]
    return pa.schema(fields, metadata={b"lapt.schema": name.encode(), b"lapt.version": str(version).encode()})


SCHEMAS: dict[str, pa.Schema] = {name: _schema(name, one["version"], one["columns"]) for name, one in _TABLE.items()}
"""Data set -> schema."""

KEYS: dict[str, tuple[str, ...]] = {
    name: tuple(one["columns"] if one["key"] == "all" else one["key"]) for name, one in _TABLE.items()
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
