"""``lapt score``: scores of a list of architectures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import JsonOption, SetOption, StoreOption, where
from lapt.errors import ConfigError
from storage.addresses import DEFAULT_STORE

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".csv", ".parquet", ".json")


def score(
    pipeline: Annotated[str, typer.Argument(help="The evaluator's pipeline: a preset by name, or a YAML file.")],
    file: Annotated[
        str,
        typer.Argument(
            help="Architectures: a text file with one a line, CSV, JSON or Parquet with a column architecture, - for "
            "standard input."
        ),
    ],
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task; repeat the option for several. The pipeline's targets if unset."),
    ] = None,
    overrides: SetOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the scores to this .csv, .parquet or .json file.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Trainings side by side; if unset, one a core.")] = None,
    device: Annotated[str, typer.Option(help="Device of trainings: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    pool: Annotated[str | None, typer.Option(help="Train on the workers of this Prefect work pool.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Train again what has only failed so far.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Score the architectures in a file, task by task, by validation. Trainings are stored, and not paid for twice."""
    if out is not None and out.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out with a file that ends in one of {', '.join(FORMATS)}", str(out), "name it so")
    import pyarrow as pa

    from flows.scoring import Scoring, complain, read
    from flows.screen.counting import counting
    from flows.screen.tables import show_table
    from lapt.pipeline.config import Execution, load_pipeline
    from storage.store import Store
    from storage.upkeep.listed import listed

    declared = load_pipeline(pipeline, overrides or ())
    how: dict[str, Any] = {"processes": processes, "device": device, "retry_failed": retry_failed, **where(pool)}
    execution = Execution(store=Store(store).address, **how)
    scoring = Scoring.by(declared, execution, tuple(dict.fromkeys(task or ())))
    wanted = read(scoring.space, listed(file))
    count = len(wanted.architectures)
    with counting(f"{declared.name}, {count:,} architecture{'' if count == 1 else 's'}", "scores") as heard:
        rows = list(scoring.rows(wanted, heard))
    table = pa.Table.from_pylist(rows, schema=_schema())
    if out is not None:
        _write(table, out)
    elif as_json:
        said = {"pipeline": declared.name, "file": file, "repeated": wanted.repeated, "scores": rows}
        unknown = [{"line": line.number, "text": line.text, "error": why} for line, why in wanted.unknown]
        print(json.dumps({**said, "unknown": unknown}, indent=2))
    else:
        show_table(table)
    if wanted.repeated:
        print(f"{wanted.repeated} of the list stood there before, and are scored once", file=sys.stderr)
    complain(wanted, rows, scoring.space)


def _schema() -> pa.Schema:
    import pyarrow as pa

    types: dict[str, pa.DataType] = {
        "line": pa.int64(),
        "value": pa.float64(),
        "parameters": pa.int64(),
        "flops": pa.int64(),
    }
    names = ("line", "architecture", "task", "value", "metric", "unit", "error", "parameters", "flops", "origin")
    return pa.schema([(name, types.get(name, pa.string())) for name in names])


def _write(table: pa.Table, path: Path) -> None:
    """Write the scores. Raises ConfigError where the file cannot be written."""
    import pyarrow.parquet as pq
    from pyarrow import csv

    try:
        if path.suffix.lower() == ".parquet":
            pq.write_table(table, path)
        elif path.suffix.lower() == ".csv":
            csv.write_csv(table, path)
        else:
            path.write_text(json.dumps(table.to_pylist(), indent=2), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"a file that can be written at {path}", str(error), "name another with --out") from None
    print(f"wrote {path}: {table.num_rows} scores", file=sys.stderr)
