"""Study of every pair of tasks: LAPT from one to the other against the same search alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from flows.studies.count import contrasts
from flows.studies.count.pairs import QUANTITY, WORSE, counts, pairs_of, ratios
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import RESAMPLED, Entrant
from flows.studies.entrants.pairs import tasks_of
from flows.studies.jobs import Job, Ledger, Outcome
from flows.studies.rows import Pair, Row, TransferResult, Verdict
from flows.studies.runs import Progress, Runs, chosen
from lapt.base.statistics import summarised
from lapt.errors import ConfigError
from lapt.evaluators.config import TableEvaluation
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.sources import only_source
from storage.store import Store

MARKS: Mapping[Verdict, str] = {"helps": "↓", "hurts": "↑", "neither": ""}
"""Marks of pairs in tables. An arrow down is a lower rank, which is better."""
TUNED = "*"
"""Mark of a pair that settings were chosen by."""
Named = tuple[str, str]
"""(method, pair) or (method of the search alone, target)."""
Ranks = Mapping[int, int]
"""Seed -> rank of the best that was found, 1 + the architectures strictly better by validation."""


class Transfer:
    """LAPT on every ordered pair of tasks, and the search alone once a target and seed, over the same seeds."""

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
        """``entrants``: as of ``entrants.pairs``. ``first``: the first seed. ``methods``: one of LAPT's, and its search
        alone, which runs anyway. ``store``: where finished jobs are kept; unless ``fresh``, they are taken from there.

        Raises LaptError for a single seed, another number of methods, scores of no table, and a table or task that is
        not there.
        """
        if seeds < 2:
            raise ConfigError("two seeds or more, for intervals of every pair", f"{seeds}", "write --seeds 20")
        self.title, self.name, self.seeds, self.declared = title or name, name, seeds, declared
        self.method = self._one(chosen(entrants, methods))
        self.search = self.method.removeprefix("lapt-")
        mine = [entrant for entrant in entrants if entrant.method == self.method]
        drawn = [entrant for entrant in mine if entrant.variant == RESAMPLED]
        self.mine, self.alone = drawn or mine, [entrant for entrant in entrants if entrant.method == self.search]
        if not isinstance(declared.evaluator, TableEvaluation):
            raise ConfigError(
                "a pipeline on a table, whose scores can be ranked",
                f"evaluator.kind {declared.evaluator.kind}",
                "name another, for example --pipeline digits_table",
            )
        self.table, benchmark = declared.evaluator.table, Bench(declared, execution).benchmark
        for task in tasks_of(declared):
            benchmark.evaluator(task)
        ledger = None if store is None else Ledger(store, benchmark.checksum)
        both = (*self.mine, *self.alone)
        self.runs = Runs(name, both, seeds=seeds, first=first, execution=execution, ledger=ledger, fresh=fresh)

    @staticmethod
    def _one(entrants: Sequence[Entrant]) -> str:
        named = list(dict.fromkeys(entrant.method for entrant in entrants))
        ours = [method for method in named if method.startswith("lapt-")]
        if len(ours) != 1 or set(named) - {ours[0], ours[0].removeprefix("lapt-")}:
            raise ConfigError(
                "one method of LAPT in this study, which runs beside its search alone",
                ", ".join(named),
                "write, for example, --methods lapt-gp",
            )
        return ours[0]

    def run(self, progress: Progress = lambda done, total: None) -> TransferResult:
        """Run every job and make the figures. A pair of which a job failed has none.

        Raises AwaitingReply when prompts wait for a reply, once all prompts are written.
        """
        began = time.monotonic()
        ranks, failures = _ranks(self.runs.run(progress))
        found, seeds = dict[tuple[str, str], list[float]](), self.runs.seeds
        for entrant in self.mine:
            (source, target), other = _between(entrant), self._alone_on(entrant)
            if not {_named(entrant), _named(other)} & failures.keys():
                mine, theirs = ranks[_named(entrant)], ranks[_named(other)]
                found[source, target] = ratios([mine[seed] for seed in seeds], [theirs[seed] for seed in seeds])
        pairs = pairs_of(found, self.method, self.table)
        overall = counts(pairs, found)
        return TransferResult(
            study=self.name,
            title=self.title,
            pipeline=self.declared.name,
            seeds=self.seeds,
            methods=(self.method, self.search),
            rows=tuple(self._rows(pairs, found, ranks)),
            seconds=round(time.monotonic() - began, 2),
            notes=tuple(self._notes(pairs)),
            failures=tuple(f"{', '.join(named)}: {failure}" for named, failure in failures.items()),
            pairs=pairs,
            tuned=counts([pair for pair in pairs if pair.tuned], found),
            not_tuned=counts([pair for pair in pairs if not pair.tuned], found),
            **overall.model_dump(exclude={"pairs"}),
        )

    def _alone_on(self, entrant: Entrant) -> Entrant:
        """The search alone that an entrant of LAPT stands against."""
        return next(other for other in self.alone if other.pipeline.targets == entrant.pipeline.targets)

    def _rows(
        self, pairs: Sequence[Pair], found: Mapping[tuple[str, str], Sequence[float]], ranks: Mapping[Named, Ranks]
    ) -> Iterator[Row]:
        """Two rows a pair, its difference and LAPT's rank; the rank of each search alone; the mean over all pairs."""
        for pair in pairs:
            entrant = next(one for one in self.mine if _between(one) == (pair.source, pair.target))
            row = _row(entrant, QUANTITY).with_summary(summarised(found[pair.source, pair.target]))
            yield row.model_copy(update={"baseline": self.search, "p_value": pair.p_value})
            yield _row(entrant, "rank").with_summary(summarised(list(ranks[_named(entrant)].values())))
        for other in self.alone:
            if other.pipeline.targets[0] in {pair.target for pair in pairs}:
                yield _row(other, "rank").with_summary(summarised(list(ranks[_named(other)].values())))
        if pairs:
            overall = counts(pairs, found)
            said = overall.model_dump(include={"mean", "ci_low", "ci_high"})
            row = _row(self.mine[0], QUANTITY).model_copy(update={"target": "mean", "baseline": self.search, **said})
            yield row.model_copy(update={"seeds": self.seeds})

    def _notes(self, pairs: Sequence[Pair]) -> Iterator[str]:
        source, budget, longest = only_source(self.mine[0].pipeline.source), self.declared.budget, self.alone[0].budget
        yield (
            f"{self.method} from the row's task, {source.archive.described}, to the column's, against {self.search} "
            f"alone; {self.seeds} seeds; {budget} evaluations a target"
            + (f", {longest} of {self.search} alone" if longest != budget else "")
        )
        yield from self.runs.notes()
        yield (
            "mean over seeds of log2(rank / rank of the search alone): -1 is half the rank; rank: of the incumbent by "
            "validation at the end, 1 + the architectures strictly better"
        )
        yield (
            f"{MARKS['helps']} helps: the 95 % interval lies below 0; {MARKS['hurts']} hurts: it lies above 0, or the "
            f"mean is above log2 1.25 = {WORSE:.2f}; intervals over seeds, not adjusted"
        )
        yield "p: Wilcoxon signed-rank (Pratt), Holm over the pairs"
        yield "interval of the mean over pairs: bootstrap over targets, then seeds"
        if any(pair.tuned for pair in pairs):
            yield f"marked {TUNED}: settings of LAPT were chosen by this pair (docs/benchmarks.md)"
        yield from contrasts.conditional(self.mine)
        yield from contrasts.few(self.seeds)


def _between(entrant: Entrant) -> tuple[str, str]:
    return entrant.pipeline.source.named, entrant.pipeline.targets[0]


def _named(entrant: Entrant) -> Named:
    source, target = _between(entrant)
    return entrant.method, f"{source} to {target}" if entrant.method.startswith("lapt-") else target


def _row(entrant: Entrant, quantity: str) -> Row:
    who, (_, target) = entrant.who._asdict(), _named(entrant)
    return Row(**who, target=target, quantity=quantity, unit="", budget=entrant.budget)


def _ranks(outcomes: Sequence[tuple[Job, Outcome]]) -> tuple[dict[Named, dict[int, int]], dict[Named, str]]:
    """The ranks of every entrant by seed, after all its evaluations, and the first failure of those that failed."""
    ranks, failures = dict[Named, dict[int, int]](), dict[Named, str]()
    for job, outcome in sorted(outcomes, key=lambda found: found[0].seeds):
        named = _named(job.entrant)
        if outcome.failure:
            failures.setdefault(named, outcome.failure)
        for curve in outcome.curves:
            rank = curve.returned[job.entrant.budget].rank
            assert rank is not None
            ranks.setdefault(named, {})[curve.seed] = rank
    return ranks, failures
