"""Study of fronts: accuracy against latency, by LAPT and by searches without transfer, and searches under caps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from flows.studies.count import contrasts
from flows.studies.count.fronts import bands, differences, filled, p_values_of
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.fronts import REFERENCE, cap_of, device_of
from flows.studies.entrants.methods import Entrant
from flows.studies.jobs import Ledger
from flows.studies.rows import FrontCurve, ParetoResult, Row, Who
from flows.studies.runs import Progress, Runs, chosen
from lapt.base.digests import digest
from lapt.base.statistics import evaluations_to, summarised
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.constraints import amount
from storage.store import Store

HYPERVOLUME = "hypervolume"
TO_REFERENCE = f"evaluations_to_{REFERENCE}"
FEASIBLE_RANK = "feasible_rank"
INFEASIBLE = "infeasible"

Seeds = Mapping[int, float]
"""Seed -> value."""
Shares = dict[int, list[float]]
"""Seed -> the share after each evaluation."""
Caps = dict[int, Mapping[str, float]]
"""Seed -> quantities of a search under a cap."""


class Line(NamedTuple):
    """One method on a task and device (``target``), under a cap or with two objectives."""

    who: Who
    target: str
    budget: int
    cap: float | None


class Pareto:
    """Methods with two objectives on several devices, over the same seeds, and the same under caps on the latency.

    Hypervolume: the area of accuracy and latency that the evaluated architectures dominate, as a share of that of the
    true front of the table, by validation scores. Its reference point is the true front's worst error and highest
    latency, both times 1.1 (``TrueFront``). It is taken after half of the pipeline's budget and after all of it.

    ``evaluations_to_nsga2``: evaluations until a method has the hypervolume that ``nsga2`` has, with the same seed,
    after twice the pipeline's budget. A miss counts as the method's budget + 1.

    Under a cap, which is a quantile of all latencies: the rank of the best score that was found, 1 + the feasible
    architectures strictly better, and the number of evaluated architectures that are over the cap.

    Every method is compared with LAPT over the same seeds: Wilcoxon signed-rank, Holm over methods and devices (and
    both budgets) for each quantity.
    """

    def __init__(
        self,
        name: str,
        declared: Pipeline,
        entrants: Sequence[Entrant],
        *,
        seeds: int,
        first: int = 0,
        execution: Execution,
        methods: Sequence[str] | None = None,
        store: Store | None = None,
        fresh: bool = False,
        title: str = "",
    ) -> None:
        """``entrants``: as of ``entrants.fronts``. ``first``: the first seed. ``methods``: only these; one is LAPT's.
        ``store``: where finished jobs are kept; unless ``fresh``, they are taken from there.

        Raises LaptError for a single seed, no method of LAPT, and a table or task that is not there.
        """
        if seeds < 2:
            raise ConfigError("two seeds or more, for intervals", f"{seeds}", "write --seeds 20")
        self.title, self.name, self.seeds, self.declared = title or name, name, seeds, declared
        self.entrants = chosen(entrants, methods)
        self.methods = tuple(dict.fromkeys(entrant.method for entrant in self.entrants))
        ours = [method for method in self.methods if method.startswith("lapt-")]
        if not ours:
            raise ConfigError("LAPT among the methods", ", ".join(self.methods), f"add {entrants[0].method}")
        self.baseline, benchmark = ours[0], Bench(declared, execution).benchmark
        for task in declared.evaluated:
            benchmark.evaluator(task)
        assert benchmark.table is not None
        checksum = digest([benchmark.checksum, benchmark.table.checksum_with(map(device_of, self.entrants))])
        ledger = None if store is None else Ledger(store, checksum)
        self.runs = Runs(name, self.entrants, seeds=seeds, first=first, execution=execution, ledger=ledger, fresh=fresh)

    @property
    def at(self) -> tuple[int, int]:
        """Numbers of evaluations after which hypervolumes are compared."""
        return max(self.declared.budget // 2, 1), self.declared.budget

    def run(self, progress: Progress = lambda done, total: None) -> ParetoResult:
        """Run every job and make the figures. A method of which a job failed has none on that device.

        Raises AwaitingReply when prompts wait for a reply, once all prompts are written.
        """
        began = time.monotonic()
        shares, capped, failures = dict[Line, Shares](), dict[Line, Caps](), dict[Line, str]()
        for job, outcome in sorted(self.runs.run(progress), key=lambda found: found[0].seeds):
            entrant = job.entrant
            for task in entrant.pipeline.targets:
                line = _line(entrant, task)
                if outcome.failure:
                    failures.setdefault(line, outcome.failure)
                for curve in (one for one in outcome.curves if one.task == task):
                    if line.cap is None:
                        shares.setdefault(line, {})[curve.seed] = filled(curve.shares, line.budget)
                    else:
                        capped.setdefault(line, {})[curve.seed] = curve.constrained
        there = [line for line in self._lines if line not in failures]
        shares = {line: shares[line] for line in there if line in shares}
        capped = {line: capped[line] for line in there if line in capped}
        over = [int(run[INFEASIBLE]) for runs in capped.values() for run in runs.values()]
        return ParetoResult(
            study=self.name,
            title=self.title,
            pipeline=self.declared.name,
            seeds=self.seeds,
            methods=self.methods,
            rows=(*self._rows(shares), *_rows_of_caps(capped)),
            seconds=round(time.monotonic() - began, 2),
            notes=tuple(self._notes(bool(capped))),
            failures=tuple(f"{line.who.method}, {line.target}: {failure}" for line, failure in failures.items()),
            hypervolumes=tuple(_curve(line, list(runs.values())) for line, runs in shares.items()),
            infeasible=sum(over) if over else None,
            under_caps=sum(line.budget * len(runs) for line, runs in capped.items()),
        )

    @property
    def _lines(self) -> list[Line]:
        """All lines, in the order in which they are shown."""
        return [_line(entrant, task) for entrant in self.entrants for task in entrant.pipeline.targets]

    def _rows(self, shares: Mapping[Line, Shares]) -> Iterator[Row]:
        """For each method and device: hypervolumes, evaluations to the reference's, and the differences from LAPT."""
        after = {
            (line, n): {seed: run[n - 1] for seed, run in runs.items()}
            for line, runs in shares.items()
            for n in self.at
        }
        yield from self._compared(HYPERVOLUME, after)
        goal = {line.target: runs for line, runs in shares.items() if line.who.method == REFERENCE}
        reached = {
            (line, line.budget): {
                seed: float(evaluations_to(run, goal[line.target][seed][-1]) or line.budget + 1)
                for seed, run in runs.items()
            }
            for line, runs in shares.items()
            if line.target in goal
        }
        yield from self._compared(TO_REFERENCE, reached)

    def _compared(self, quantity: str, found: Mapping[tuple[Line, int], Seeds]) -> Iterator[Row]:
        """A row each, and one for the difference from LAPT's, with p. The number is the row's budget."""

        def place(line: Line, n: int) -> tuple[str, int | None]:
            return line.target, n if quantity == HYPERVOLUME else None  # a method's longest budget is its own

        baseline = {place(*one): runs for one, runs in found.items() if one[0].who.method == self.baseline}
        less = {
            (line, n): differences(runs, baseline[place(line, n)])
            for (line, n), runs in found.items()
            if line.who.method != self.baseline and place(line, n) in baseline
        }
        p_values = p_values_of(less)
        for (line, n), runs in found.items():
            unit = "share" if quantity == HYPERVOLUME else "evaluations"
            row = Row(**line.who._asdict(), target=line.target, quantity=quantity, unit=unit, budget=n)
            row = row.with_summary(summarised(list(runs.values())))
            if quantity == TO_REFERENCE:
                row = row.model_copy(update={"censored": sum(value > n for value in runs.values())})
            if (line, n) not in less:
                yield row
                continue
            said = {"baseline": self.baseline, "p_value": p_values[line, n]}
            yield row.model_copy(update=said)
            row = row.model_copy(update={"quantity": f"{quantity}{contrasts.DIFFERENCE}", "censored": 0, **said})
            yield row.with_summary(summarised(less[line, n]))

    def _notes(self, capped: bool) -> Iterator[str]:
        source, budget = self.declared.source.noted, self.declared.budget
        yield f"source {source}; {self.seeds} seeds; {self.at[0]} and {budget} evaluations"
        yield from self.runs.notes()
        yield (
            "hypervolume: of accuracy and latency by validation, as a share of that of the true front of the table; "
            "reference point: the true front's worst error and highest latency, both times 1.1"
        )
        if REFERENCE in self.methods:
            yield (
                f"evaluations: until the hypervolume that {REFERENCE} has with the same seed after {2 * budget}; "
                "a miss counts as the method's budget + 1"
            )
        yield f"p: against {self.baseline}, Wilcoxon signed-rank (Pratt), Holm over methods, devices and budgets"
        if capped:
            yield (
                "caps: quantiles of the latencies of all architectures; rank of the best score found, 1 + the feasible "
                "architectures strictly better"
            )
        yield from contrasts.conditional(self.entrants)
        yield from contrasts.few(self.seeds)


def _line(entrant: Entrant, task: str) -> Line:
    return Line(entrant.who, f"{task}, {device_of(entrant)}", entrant.budget, cap_of(entrant))


def _curve(line: Line, runs: Sequence[Sequence[float]]) -> FrontCurve:
    mean, low, high = (tuple(np.round(values, 6).tolist()) for values in bands(runs))
    return FrontCurve(**line.who._asdict(), target=line.target, mean=mean, low=low, high=high)


def _rows_of_caps(capped: Mapping[Line, Caps]) -> Iterator[Row]:
    """For each method, device and cap: the rank of the best, and the evaluated architectures over the cap."""
    for line, runs in capped.items():
        assert line.cap is not None
        number = next(iter(runs.values())).get("feasible")
        among = "" if number is None else f", {number:,.0f} feasible"
        who = line.who._replace(variant=f"at most {amount(line.cap)}{among}")
        for quantity in (FEASIBLE_RANK, INFEASIBLE):
            values = [run[quantity] for run in runs.values() if quantity in run]
            if values:
                row = Row(**who._asdict(), target=line.target, quantity=quantity, unit="", budget=line.budget)
                yield row.with_summary(summarised(values))
