"""The outcome of a transfer in Python: what was found, how, and why."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from markupsafe import escape

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.errors import LaptError
from lapt.evaluation import Evaluation, Evaluator, best
from lapt.front.scored import Written
from lapt.pipeline.config import Pipeline
from lapt.pipeline.objectives import front
from lapt.pipeline.results import ControlResult, FrontPoint, RunResult, TargetResult
from lapt.pipeline.results import Found as FoundOn
from lapt.pipeline.steps import Steps
from lapt.principles import Principles
from lapt.report.history import Attempt, RunHistory, Search, TaskHistory
from lapt.spaces import SearchSpace

if TYPE_CHECKING:
    import pyarrow as pa


S = TypeVar("S", bound=FoundOn)


@dataclass(frozen=True)
class Found:
    """All that a search on one task asked for: ``iterations[i]`` is the iteration of ``evaluations[i]``."""

    evaluations: Sequence[Evaluation]
    iterations: Sequence[int] = ()
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    """The outcome of a transfer. In a notebook it shows the architecture, the incumbents and the principles.

    ``learned``: the principles of the source. ``adapted``: (iteration, principles) after each adaptation. ``refined``:
    (iteration, space, the id of the principles that made it). ``beside``: the evaluations of each control.
    """

    steps: Steps
    evaluator: Evaluator
    learned: Principles
    archive: Archive | None
    found: Found
    adapted: Sequence[tuple[int, Principles]] = ()
    refined: Sequence[tuple[int, SearchSpace, str]] = ()
    beside: Mapping[str, Found] = field(default_factory=dict)

    @property
    def space(self) -> SearchSpace:
        """The whole space."""
        return self.steps.space

    @cached_property
    def incumbent(self) -> Evaluation | None:
        """The best evaluation; None where none has a score."""
        return best(self.found.evaluations)

    @property
    def architecture(self) -> Written:
        """The best architecture; ``str`` writes it. Raises LaptError where none has a score."""
        return Written.of(self.space, self._scored.architecture)

    @property
    def score(self) -> float:
        """The best score, as it was given. Raises LaptError if there is none."""
        value = self._scored.value
        assert value is not None
        return value

    @property
    def front(self) -> tuple[FrontPoint, ...]:
        """With two objectives, what no other evaluation is better than in both, by rising cost; else empty."""
        return front(self.steps.pipeline, self.space, self.evaluator, self.found.evaluations)

    @property
    def _scored(self) -> Evaluation:
        if self.incumbent is None:
            failures = [evaluation.error for evaluation in self.found.evaluations]
            raise LaptError(
                "a score of some architecture",
                f"{len(failures)} evaluations without one" + (f", the first: {failures[0]}" if failures else ""),
                "mend the function, or tell scores",
            )
        return self.incumbent

    @property
    def principles(self) -> Principles:
        """The principles as they were last adapted."""
        return self.adapted[-1][1] if self.adapted else self.learned

    @property
    def spaces(self) -> list[SearchSpace]:
        """The refined space of each iteration."""
        return [refined for _, refined, _ in self.refined]

    @property
    def controls(self) -> dict[str, float | None]:
        """The best score of each control, at the same budget on the whole space; None where it found none."""
        ends = {name: best(found.evaluations) for name, found in self.beside.items()}
        return {name: None if end is None else end.value for name, end in ends.items()}

    @property
    def history(self) -> pa.Table:
        """Every evaluation in order, as an Arrow table (``.to_pandas()`` where pandas is installed).

        Columns: ordinal, iteration, architecture, value, incumbent, origin (computed, store or table), error, seconds.
        """
        import pyarrow as pa

        columns = ("ordinal", "iteration", "architecture", "value", "incumbent", "origin", "error", "cost_seconds")
        trials = self._search(self.found, "").trials
        table = pa.table({name: [getattr(trial, name) for trial in trials] for name in columns})
        return table.rename_columns([*columns[:-1], "seconds"])

    def save_report(self, path: str | Path) -> Path:
        """Write one self-contained HTML page, as ``lapt report`` makes it of a run; return where."""
        from lapt.report.run import run_page

        written = Path(path)
        written.write_text(run_page(self._history), encoding="utf-8")
        return written.absolute()

    def _repr_html_(self) -> str:
        from lapt.report.cells import cell_pictures
        from lapt.report.figures import incumbents, png

        if self.incumbent is None:
            return f"<p>{escape(repr(self))}</p>"
        cells = cell_pictures(self.space, self.incumbent.architecture)
        searches = [self._search(self.found, "LAPT"), *(self._search(f, name) for name, f in self.beside.items())]
        pictures = [*cells, ("the incumbent", png(partial(incumbents, searches=searches)))]
        drawn = "".join(
            f'<img style="height: 16em" alt="{escape(said)}" '
            f'src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
            for said, picture in pictures
        )
        stated = "".join(f"<li>{escape(one.statement)}</li>" for one in self.principles.principles)
        return f"<p>{escape(repr(self))}</p><div>{drawn}</div><p>Principles:</p><ol>{stated}</ol>"

    def __repr__(self) -> str:
        task, asked = self.evaluator.task, len(self.found.evaluations)
        if self.incumbent is None:
            return f"<lapt result: no score in {asked} evaluations on {task}>"
        score = f"{self.score:.6g}{self.evaluator.metric.unit}"
        return f"<lapt result: {score} on {task} after {asked} evaluations, {self.architecture}>"

    # --- as a run's history ------------------------------------------------------------------------------------------
    @property
    def _history(self) -> RunHistory:
        pipeline: Pipeline = self.steps.pipeline
        archive = None if self.archive is None else self._search(Found(self.archive.asked), "archive")
        began = self.found.began
        target = self._summary(
            TargetResult,
            self.found,
            repeats=0,
            space_size=self.spaces[-1].size if self.refined else self.space.size,
            controls=tuple(self._summary(ControlResult, found, method=name) for name, found in self.beside.items()),
        )
        return RunHistory(
            run_id=short({"pipeline": pipeline.model_dump(mode="json"), "learned": self.learned.id}),
            store="none: it ran in Python",
            pipeline=pipeline,
            space=self.space,
            result=RunResult(run_id="", pipeline=pipeline.name, store="", targets=(target,)),
            attempts=[Attempt("started", began), Attempt("finished", datetime.now(UTC))],
            archive=archive,
            learned=self.learned,
            targets=[
                TaskHistory(
                    task=self.evaluator.task,
                    search=self._search(self.found, pipeline.label),
                    controls=[self._search(found, name) for name, found in self.beside.items()],
                    principles=self.adapted,
                    spaces=self.refined,
                )
            ],
            costs=[],
            ledger=None,
        )

    def _search(self, found: Found, method: str) -> Search:
        return Search.of(
            method,
            self.space,
            found.evaluations,
            self.evaluator.metric,
            iterations=found.iterations,
            fingerprint=self.evaluator.fingerprint,
        )

    def _summary(self, kind: type[S], found: Found, **rest: Any) -> S:
        incumbent = best(found.evaluations)
        return kind.of(
            self.space, self.evaluator, incumbent, found.evaluations, time.monotonic() - found.seconds, **rest
        )
