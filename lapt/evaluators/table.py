"""Scores looked up in a tabular benchmark, and a rehearsal with them: to test a set-up of workers before it costs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from lapt.base.digests import digest
from lapt.base.statistics import Scores
from lapt.errors import BenchmarkError, ConfigError, or_meant
from lapt.evaluation import (
    Checkpoints,
    Evaluation,
    Evaluator,
    Holding,
    Lacking,
    Metric,
    Quantity,
    Wrapping,
    stopping,
    unknown_quantity,
)
from lapt.spaces import ENUMERABLE, Architecture, Pool, SearchSpace, functions_of

Split = Literal["validation", "test"]


@dataclass(frozen=True, eq=False)
class Table:
    """A tabular benchmark in memory.

    ``architectures``: N encoded strings. ``scores[task][split]``: N values in the unit of ``metrics[task]``, NaN where
    the task has no score. ``parameters``, ``flops``: N counts, if the benchmark has them. ``checksum``: SHA-256 of the
    table's content. ``canonical``: the rows are canonical representatives, each measured for all cells that compute its
    function. ``columns``: further quantities of the N architectures by name, NaN where one is not known; no score is
    one of them, and they are not part of the checksum. ``holes``: an architecture without a row, or without a score of
    the task, is a failed evaluation, not an error.
    """

    name: str
    space: str
    architectures: tuple[str, ...]
    scores: Mapping[str, Mapping[Split, Scores]]
    metrics: Mapping[str, Metric]
    checksum: str
    parameters: Scores | None = None
    flops: Scores | None = None
    canonical: bool = False
    holes: bool = False
    columns: Mapping[str, Scores] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[str, int]:
        return {architecture: row for row, architecture in enumerate(self.architectures)}

    def column(self, task: str, split: Split = "validation") -> Scores:
        """The N values of a task's split. Raises ConfigError for a missing task, BenchmarkError for a missing split."""
        if task not in self.scores:
            raise ConfigError(
                f"a task of table {self.name} among {sorted(self.scores)}",
                repr(task),
                or_meant(task, self.scores, "name one of them"),
            )
        if split not in self.scores[task]:
            raise BenchmarkError(
                f"a {split} column for {task} in table {self.name}", "none", "report the validation score"
            )
        return self.scores[task][split]

    @property
    def quantities(self) -> dict[str, Scores]:
        """All that is known of an architecture beside its scores, by name: N values each."""
        counts = {"parameters": self.parameters, "multiply_adds": self.flops}
        return {name: values for name, values in counts.items() if values is not None} | dict(self.columns)

    def checksum_with(self, columns: Iterable[str]) -> str:
        """The checksum of a computation that also reads these quantities; ``checksum`` itself without further
        columns."""
        read = {name: digest(self.columns[name].tolist()) for name in sorted(columns) if name in self.columns}
        return digest([self.checksum, read]) if read else self.checksum

    def has(self, architecture: str, task: str) -> bool:
        """Whether there is a validation score of the task. Raises as ``column``."""
        row = self.rows.get(architecture)
        return row is not None and not np.isnan(self.column(task)[row])

    def known(self, task: str) -> npt.NDArray[np.bool_]:
        """N flags: whether the architecture has a validation score of the task. Raises as ``column``."""
        return ~np.isnan(self.column(task))

    def comparable(self, task: str) -> Scores:
        """All validation scores of the task, higher is better, for ranks. Raises as ``column``."""
        scores = self.column(task)[self.known(task)]
        return scores if self.metrics[task].higher_is_better else -scores


class TableEvaluator:
    """Looks validation scores up.

    ``identity`` is the string itself if equivalent cells were measured separately (in the published benchmarks), else
    the canonical representative's. ``lacking``: the treatment of architectures that the table lacks. If unset, they
    fail if the table was imported so, else they are an error.
    """

    def __init__(self, table: Table, space: SearchSpace, task: str, lacking: Lacking | None = None) -> None:
        self.table, self.space, self.task = table, space, task
        self._validation, self._lacking = table.column(task), lacking
        self.metric = table.metrics[task]
        self.stopped: int | None = None
        """Epochs after which trainings are stopped; None for whole ones."""

    @property
    def fingerprint(self) -> str:
        stopped = "" if self.stopped is None else f":epochs={self.stopped}"
        return f"table:{self.table.name}:{self.table.checksum}{stopped}"

    @property
    def holding(self) -> Holding:
        return Holding(partial(_pool, self.table, self.space, self.task), self._lacking or "fail")

    def identity(self, architecture: Architecture) -> str:
        return self.space.encode(self.space.canonical(architecture) if self.table.canonical else architecture)

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        table = self.table
        found = []
        for architecture in architectures:
            text = self.identity(architecture)
            if (table.holes or self._lacking) and not table.has(text, self.task):
                lacking = f"table {table.name} lacks it" + (f" for {self.task}" if text in table.rows else "")
                found.append(Evaluation(architecture, text, None, self.metric, origin="table", error=lacking))
                continue
            row = self._row(text)
            found.append(
                Evaluation(
                    architecture,
                    text,
                    float(self._validation[row]),
                    self.metric,
                    origin="table",
                    parameters=None if table.parameters is None else int(table.parameters[row]),
                    flops=None if table.flops is None else int(table.flops[row]),
                )
            )
        return found

    @property
    def epochs(self) -> int:
        """Epochs of a whole training: N of ``<task>_epochN``, a task of the table with the scores of this one.

        Raises ConfigError for a table without learning curves of the task.
        """
        for name in self.table.scores:
            epochs = _epochs_in(name, self.task)
            if epochs and np.array_equal(self.table.column(name), self._validation, equal_nan=True):
                return epochs
        raise ConfigError(
            f"a table with learning curves of {self.task} (tasks {self.task}_epochN), for fidelity",
            f"{self.table.name}, which has none",
            "name another table or task, or leave fidelity out",
        )

    def at(self, epochs: int, checkpoints: Checkpoints | None = None) -> TableEvaluator:
        """The evaluator of ``<task>_epochN`` (``lapt.evaluation.Stops``). Raises ConfigError if there is none."""
        if epochs == self.epochs:
            return self
        stopped = TableEvaluator(self.table, self.space, f"{self.task}_epoch{epochs}", self._lacking)
        stopped.stopped = epochs
        return stopped

    def quantity(self, name: str, column: str | None = None) -> Quantity:
        """A column of the table; ``parameters`` and ``multiply_adds`` are its own counts. Raises ConfigError."""
        known = self.table.quantities
        wanted = name if column is None else column
        if wanted not in known:
            raise unknown_quantity(wanted, sorted(known), f"table {self.table.name}")
        return Quantity(partial(_values, self, known[wanted]))

    def test(self, architecture: Architecture) -> float | None:
        splits = self.table.scores[self.task]
        if "test" not in splits:
            return None
        score = float(splits["test"][self._row(self.identity(architecture))])
        return None if np.isnan(score) else score

    def _row(self, text: str) -> int:
        try:
            return self.table.rows[text]
        except KeyError:
            raise BenchmarkError(
                f"an architecture of table {self.table.name} ({len(self.table.architectures)} rows)",
                text,
                "restrict the space to what the table holds, or import the whole table",
            ) from None


def _epochs_in(name: str, task: str) -> int:
    """N of the name ``<task>_epochN``; 0 for other names."""
    number = name.removeprefix(f"{task}_epoch")
    return int(number) if number != name and number.isdecimal() else 0


def _values(evaluator: TableEvaluator, values: Scores, architectures: Sequence[Architecture]) -> Scores:
    """The values of a column for N architectures; NaN for one without a row."""
    rows = [evaluator.table.rows.get(evaluator.identity(architecture)) for architecture in architectures]
    return np.array([np.nan if row is None else values[row] for row in rows], dtype=np.float64)


@lru_cache(maxsize=16)
def _pool(table: Table, space: SearchSpace, task: str) -> Pool:
    """Every architecture of ``space`` that has a score, in the order of the space's members if they can be listed.

    In a table of canonical forms, one a function if the family lists them.

    Raises BenchmarkError if none has.
    """
    functions = functions_of(space) if table.canonical else None
    if functions is not None:
        there = [one for one in functions if table.has(space.encode(one), task)]
    elif space.size <= ENUMERABLE:
        evaluator = TableEvaluator(table, space, task)
        there = [member for member in space.members() if table.has(evaluator.identity(member), task)]
    else:
        there = [space.decode(text) for text in table.architectures if table.has(text, task)]
    pool = Pool.of(space, there)
    if not pool.rows:
        raise BenchmarkError(
            f"architectures of {space.name} with a score of {task} in table {table.name}", "none", "name another task"
        )
    return pool


class Rehearsal(Wrapping):
    """Every score takes ``seconds`` and counts as paid for: it is stored like a training's, one by one."""

    def __init__(self, evaluator: Evaluator, seconds: float) -> None:
        super().__init__(evaluator)
        self.seconds = seconds

    @property
    def fingerprint(self) -> str:
        return f"rehearsal:{self.evaluator.fingerprint}"

    def stream(self, architectures: Sequence[Architecture]) -> Iterator[Evaluation]:
        for architecture in architectures:
            yield from self.evaluate([architecture])

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        time.sleep(self.seconds * len(architectures))
        found = self.evaluator.evaluate(architectures)
        return [replace(evaluation, origin="computed", cost_seconds=self.seconds) for evaluation in found]

    @property
    def epochs(self) -> int:
        """As of the evaluator in front of which it stands."""
        return stopping(self.evaluator).epochs

    def at(self, epochs: int, checkpoints: Checkpoints | None = None) -> Rehearsal:
        """A rehearsal of what stops early, in which each score takes as long (``lapt.evaluation.Stops``)."""
        return Rehearsal(stopping(self.evaluator).at(epochs), self.seconds)

    def test(self, architecture: Architecture) -> float | None:
        return self.evaluator.test(architecture)
