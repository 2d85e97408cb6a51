"""Study of refined spaces before any search: their scores against those of the whole space."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from flows.evaluators import table_of
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import counting
from flows.studies.rows import Row, StudyResult
from lapt.archive import NothingScored
from lapt.base.statistics import Scores, summarised, top_threshold
from lapt.errors import BudgetSpent
from lapt.pipeline.config import Execution, Pipeline
from lapt.reasoning.config import PatternsReasoner, RandomReasoner, asks_a_model, deterministic
from lapt.reasoning.endpoint.calls import AwaitingReply, ReasonerError
from lapt.search.loop import scored

SHARES = (0.001, 0.01, 0.05)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
ECDF = "ecdf_at_q"
"""Quantity: the share of a space that scores no higher than so many percent of the whole space."""
WHOLE, REFINED = "omega", "omega_r"
"""Values of ``method``: the whole space, and the first space refined from it."""


class Quality:
    """Refines the space once for each reasoner, draw and target, and reads every score inside. Nothing is searched.

    Deterministic reasoners are asked once, a language model ``draws`` times, chance once for each seed.
    """

    def __init__(
        self,
        name: str,
        declared: Pipeline,
        named: Sequence[Pipeline],
        *,
        draws: int,
        seeds: int,
        execution: Execution,
        title: str = "",
    ) -> None:
        """Raises LaptError for a table or task that is not there."""
        self.title = title or name
        self.name, self.seeds, self.draws, self.execution = name, seeds, draws, execution
        given = declared.reasoner
        keyless = [
            given if isinstance(given, PatternsReasoner) else PatternsReasoner(),
            counting(declared),
            RandomReasoner(kind="random", max_operators=getattr(given, "max_operators", None) or 2),
        ]
        of_reasoners = [declared.model_copy(update={"reasoner": reasoner}) for reasoner in keyless]
        by_name = {pipeline.reasoner.named: pipeline for pipeline in (*of_reasoners, *named)}
        self.pipeline, self.pipelines = declared, tuple(by_name.values())
        self.table = table_of(declared, execution.data)
        for task in declared.evaluated:
            self.table.column(task)

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> StudyResult:
        """Run the study. Raises AwaitingReply when prompts wait for a reply, once all prompts are written."""
        began, failures, rows = time.monotonic(), [], list(self._of_whole())
        awaited: AwaitingReply | None = None
        for done, pipeline in enumerate(self.pipelines):
            progress(done, len(self.pipelines))
            try:
                rows += self._of_reasoner(pipeline)
            except AwaitingReply as waiting:
                awaited = waiting
            except (ReasonerError, BudgetSpent, NothingScored) as error:
                failures.append(f"{pipeline.reasoner.named}: {error}")
        progress(len(self.pipelines), len(self.pipelines))
        if awaited is not None:
            raise awaited
        return StudyResult(
            study=self.name,
            title=self.title,
            pipeline=self.pipeline.name,
            seeds=self.seeds,
            methods=(WHOLE, REFINED),
            rows=tuple(sorted(rows, key=lambda row: self.pipeline.targets.index(row.target))),
            seconds=round(time.monotonic() - began, 2),
            notes=self._notes(),
            failures=tuple(failures),
        )

    def _of_whole(self) -> Iterator[Row]:
        for task in self.pipeline.targets:
            scores = self.table.comparable(task)
            for quantity, value in of_space(scores, scores).items():
                row = Row(method=WHOLE, reasoner=None, target=task, quantity=quantity, unit="")
                yield row.with_summary(summarised([value]))

    def _of_reasoner(self, pipeline: Pipeline) -> list[Row]:
        bench, reasoner = Bench(pipeline, self.execution), pipeline.reasoner
        times = self.draws if asks_a_model(reasoner) else self.seeds
        if deterministic(reasoner) and not pipeline.source.drawn:
            times = 1
        found: dict[tuple[str, str], list[float]] = {}
        for seed in range(times):
            steps = bench.steps(seed)
            learned = steps.learn(*bench.archives(seed))
            for task in pipeline.targets:
                evaluator = bench.evaluator(task)
                refined = steps.refine(learned, task=task)
                members = {evaluator.identity(member): member for member in scored(refined, evaluator)}
                inside = np.array([e.score for e in evaluator.evaluate(list(members.values()))])
                for quantity, value in of_space(inside, self.table.comparable(task)).items():
                    found.setdefault((task, quantity), []).append(value)
        return [
            Row(method=REFINED, reasoner=pipeline.reasoner.named, target=task, quantity=quantity, unit="").with_summary(
                summarised(values)
            )
            for (task, quantity), values in found.items()
        ]

    def _notes(self) -> tuple[str, ...]:
        source = self.pipeline.source
        return (
            f"source {source.noted}; omega: the whole space; omega_r: the first refined one",
            "kept: share of Omega's top that lies in Omega_r; lift: how many times as common it is in there as in "
            "Omega; best: rank of the best inside",
            "below q: share of Omega_r that scores no higher than Omega's quantile q (its ECDF there): q where "
            "refining did nothing, less where it helped",
            "what is random (chance, a language model, a random archive): means over seeds or draws; --json has their "
            "spread",
        )


def of_space(inside: Scores, whole: Scores) -> dict[str, float]:
    """Figures of a refined space. ``inside``: its n scores; ``whole``: N of the whole space; higher is better.

    Ties count as top. A refined space without any score counts as worst.
    """
    found, size = {"space_size": float(len(inside))}, max(len(inside), 1)
    for share in SHARES:
        threshold, name = top_threshold(whole, share), f"top_{share:.1%}".replace(".0%", "%")
        top_inside, top_whole = int((inside >= threshold).sum()), int((whole >= threshold).sum())
        found[f"{name}_kept"] = top_inside / top_whole
        found[f"{name}_share"] = top_inside / size
        found[f"{name}_lift"] = (top_inside / size) / (top_whole / len(whole))
    better = int((whole > inside.max(initial=-np.inf)).sum())
    found["best_inside"] = float(min(1 + better, len(whole)))
    for q in QUANTILES:
        no_higher = inside <= np.quantile(whole, q)
        found[f"{ECDF}{q:.0%}".rstrip("%")] = float(no_higher.mean()) if len(inside) else 1.0
    return found
