"""Declarations of benchmark files: the columns that a file must have. The known benchmarks are declarations too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from lapt.base.declarations import FileName, Frozen, Name, parsed, text_of
from lapt.base.faults import fault
from lapt.base.shipped import table_beside
from lapt.errors import BenchmarkError, ConfigError, LaptError
from lapt.evaluation import Metric
from lapt.spaces import SearchSpace, Space, space_named


class ImportUsageError(BenchmarkError):
    """A wrong request for an import: an unknown kind, or a declaration that is missing or superfluous."""

    usage = True


class TaskColumns(Frozen):
    """The columns of one task, and their metric."""

    validation: str
    test: str | None = None
    metric: Name
    unit: Name | Literal[""] = ""
    higher_is_better: bool = True

    def measured(self) -> Metric:
        return Metric(self.metric, self.unit, self.higher_is_better)


class CountColumn(Frozen):
    """A column of counts; ``times`` turns its unit into ones (1e6 for a column in millions)."""

    column: str
    times: float = Field(1.0, gt=0)


class Declaration(Frozen):
    """A tabular benchmark: the meaning of each column of a Parquet or CSV file."""

    name: FileName = Field(description="what a pipeline calls the table")
    space: Space = Field(description="a built-in search space, or the path or content of a YAML file that declares one")
    architecture: str = Field("architecture", description="column of encoded architectures")
    tasks: dict[Name, TaskColumns] = Field(min_length=1)
    parameters: CountColumn | None = None
    flops: CountColumn | None = None
    complete: bool = Field(False, description="every architecture of the space must be in the file")
    canonical: bool = Field(False, description="one row a function: that of the canonical representative")
    missing: Literal["refuse", "fail"] = Field(
        "refuse",
        description="refuse: no empty cell, and no pipeline may search a space of which the file lacks architectures; "
        "fail: to ask for one that it lacks, or has no score of the task for, is an evaluation, and it fails",
    )

    @field_validator("parameters", "flops", mode="before")
    @classmethod
    def _plain_column(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @property
    def search_space(self) -> SearchSpace:
        return space_named(self.space)


_DECLARED = table_beside(__name__)
NASBENCH201 = Declaration.model_validate(_DECLARED["nasbench201"])
TRANSNAS101_MICRO = Declaration.model_validate(_DECLARED["transnas101_micro"])
NAS_BENCH_GRAPH = Declaration.model_validate(_DECLARED["nas_bench_graph"])
TRANSNAS101_METRICS: dict[str, list[str]] = _DECLARED["transnas101_metrics"]
"""Task of the table -> task and metric of the official file."""


def _official_tasks() -> dict[str, TaskColumns]:
    """Two tasks for each: after the last epoch, and ``<task>_best`` at the epoch with the best validation."""
    known = TRANSNAS101_MICRO.tasks
    meant = known | {"segmentsemantic_miou": known["segmentsemantic"].model_copy(update={"metric": "mIoU"})}
    tasks = {}
    for task in TRANSNAS101_METRICS:
        final = {"validation": f"{task}_val", "test": f"{task}_test"}
        best = {"validation": f"{task}_best_val", "test": f"{task}_best_test"}
        tasks[task] = meant[task].model_copy(update=final)
        tasks[f"{task}_best"] = meant[task].model_copy(update={**best, "metric": f"{meant[task].metric}, best epoch"})
    return tasks


TRANSNAS101_OFFICIAL = TRANSNAS101_MICRO.model_copy(update={"architecture": "architecture", "tasks": _official_tasks()})

MACRO = "transnas101-macro"
"""KIND of a benchmark whose architectures are in no built-in space: its import writes a plain file, not a table."""

HELD = "nas-bench-graph"
"""KIND whose files a package holds: its path may be left out where that is installed."""

KINDS: dict[str, Declaration | None] = {
    "nasbench201": NASBENCH201,
    "transnas101-micro": TRANSNAS101_MICRO,
    HELD: NAS_BENCH_GRAPH,
    "table": None,
}
"""KIND of ``lapt benchmark import`` -> its declaration; None where the user brings one."""


RESERVED = frozenset(
    {"invented", "digits", "digits_curves", *(known.name for known in KINDS.values() if known is not None)}
)
"""Names of built-in tables. A declared table cannot take one, so a pipeline means the same table everywhere."""


def declaration_for(kind: str, declare: Path | None) -> Declaration:
    """The declaration for an import of this kind.

    Raises ConfigError for a declaration that is wrong, BenchmarkError for one that takes a built-in name,
    ImportUsageError for an unknown kind and a declaration that is missing or superfluous.
    """
    if kind not in KINDS:
        known_kinds = [*sorted(KINDS), MACRO, "columns", "surrogate"]
        raise ImportUsageError(f"a kind among {known_kinds}", repr(kind), "name one of them")
    known = KINDS[kind]
    if known is not None:
        if declare is not None:
            raise ImportUsageError(f"no declaration for {kind}", str(declare), "leave --declare out or use kind table")
        return known
    if declare is None:
        raise ImportUsageError("a declaration for kind table", "none", "add --declare FILE.yaml")
    declared = read_declaration(declare)
    if declared.name.lower() in RESERVED:
        raise BenchmarkError(
            f"a name for the table of {declare} that no built-in table has ({', '.join(sorted(RESERVED))})",
            repr(declared.name),
            "give it another name",
        )
    return declared


def read_declaration(path: Path) -> Declaration:
    """Read a declaration. Raises ConfigError naming the line, or the key that is missing, unknown or wrong."""
    declared = parsed(text_of(path), str(path), f"declare {', '.join(Declaration.model_fields)}")
    try:
        return Declaration.model_validate(declared)
    except ValidationError as error:
        raise fault(error, str(path), Declaration) from None
    except LaptError as error:  # of the space
        raise ConfigError(error.expected, f"{error.got} in {path}", error.remedy) from None
