"""Principles carried to another search space: the ranks that a search reaches with them, and how they order tables.

ranks: the 50 best of NAS-Bench-201 on ImageNet16-120 are read, and what they teach is carried to TransNAS-Bench-101's
six tasks other than jigsaw (the preset trans101, search.method gp). Mean over seeds of 1 + the number of cells that are
strictly better than the best found.
tables: Spearman's correlation of what is carried with the scores of every cell of the target's tables, by the
regression on roles, by carried findings (weights: log odds ratios), by experts, by regression and experts, and, as a
control that has learned nothing, by the rough number of weights; in both directions.
darts: the same from NAS-Bench-201's tasks over 2,000 random cells of DARTS, scored by NAS-Bench-301's surrogate.

    python benchmarks/across.py tables darts ranks --seeds 10
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.stats import spearmanr

from flows.studies.entrants.methods import Bench, alone
from lapt.archive import Archive, best_of_all
from lapt.base.statistics import Scores
from lapt.conditions.cells import Cells
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation
from lapt.pipeline.config import Execution, load_pipeline
from lapt.pipeline.steps import TargetSearch
from lapt.principles import Origin, Pattern, Principle, Principles
from lapt.reasoning import Patterns
from lapt.reasoning.across import carried, learned_across
from lapt.reasoning.evidence import counted
from lapt.reasoning.expectation import Expectation, advisers_of
from lapt.reasoning.findings import Finding, findings
from lapt.reasoning.stated import stated_over
from lapt.reasoning.statements import StatedPrinciples, Statement
from lapt.roles import features as by_role
from lapt.search.searcher import Adviser
from lapt.spaces import Architecture, SearchSpace

READ = 50
ALONE = "gp alone"
KINDS = ("regression", "findings", "experts", "all", "size")
AFTER = (10, 20, 50)
"""Numbers of evaluations after which the best is ranked. The first 10 are those that principles choose."""
NAS201 = ("nas201", ("cifar10", "cifar100", "imagenet16_120"))
TRANS101 = (
    "trans101",
    ("class_object", "class_scene", "room_layout", "autoencoder", "normal", "segmentsemantic", "jigsaw"),
)


def bench_of(preset: str, *settings: str) -> Bench:
    return Bench(load_pipeline(preset, list(settings)), Execution(store="unused"))


def archive_of(bench: Bench, task: str) -> Archive:
    return best_of_all(bench.space, bench.evaluator(task), READ)


def ranks(seeds: Sequence[int], settings: Sequence[str], named: Sequence[str]) -> None:
    """Print the mean rank of each method on each task. ``named``: the methods, all if there are none."""
    source, name = bench_of("nas201"), "nasbench201 imagenet16_120"
    archive = archive_of(source, "imagenet16_120")
    gp = bench_of("trans101", "search.method=gp", *settings)
    known = bench_of("trans101", "search.method=gp", "reasoner={kind: patterns, evidence: false}", *settings)

    def over(bench: Bench, learned: Callable[[int], Principles]) -> Callable[[str, int], Sequence[Evaluation]]:
        return lambda task, seed: TargetSearch(bench.steps(seed), bench.evaluator(task)).run(learned(seed))[1]

    def across(knowledge: float) -> Principles:
        return learned_across(source.space, archive, gp.space, name=name, knowledge=knowledge)

    both, only = across(1.0), across(0.0)
    methods: dict[str, Callable[[str, int], Sequence[Evaluation]]] = {
        ALONE: lambda task, seed: alone("gp", gp, task, seed).evaluations,
        "experts": over(known, lambda seed: known.learned(known.steps(seed), seed)),
        "across, experts": over(gp, lambda seed: both),
        "across": over(gp, lambda seed: only),
        "jigsaw, experts": over(gp, lambda seed: gp.learned(gp.steps(seed), seed)),
        "size": over(gp, lambda seed: _large(gp.space)),
    }
    methods = {method: run for method, run in methods.items() if method in named or method == ALONE or not named}
    tasks = gp.pipeline.targets
    scores = {task: np.asarray(gp.benchmark.scores(task)) for task in tasks}
    found = {
        method: np.array([[_ranks(scores[task], run(task, seed)) for task in tasks] for seed in seeds])
        for method, run in methods.items()
    }
    for at, after in enumerate(AFTER):
        print(f"\nmean rank after {after} evaluations, {len(seeds)} seeds from {seeds[0]} {' '.join(settings)}")
        print(f"{'':18}", *(f"{task[:12]:>13}" for task in tasks), f"{'mean':>8}  95 %            less gp alone")
        alone_of_seed = found[ALONE][:, :, at].mean(axis=1)
        for method, every in found.items():
            of_seed = every[:, :, at].mean(axis=1)
            cells = (f"{mean:13.1f}" for mean in every[:, :, at].mean(axis=0))
            print(
                f"{method:18}",
                *cells,
                f"{of_seed.mean():8.1f}  {_interval(of_seed)}",
                _interval(of_seed - alone_of_seed),
            )


def _large(space: SearchSpace) -> Principles:
    """A control: principles that say no more than that large cells are good."""
    pattern = Pattern(feature=f"{by_role.PREFIX}cost", weight=1.0, support=1.0, chance=0.5, task="size")
    stated = Principle(statement="Large cells are good.", patterns=(pattern,))
    origin = Origin(reasoner="size", step="learn", task="size", archive="")
    return Patterns().stated(space, (stated,), tuple(counted(space, (), "size")), origin, 0.015, None)


def _ranks(scores: Scores, evaluations: Sequence[Evaluation]) -> list[int]:
    """The rank of the best of the first evaluations, for each of ``AFTER``."""
    best = np.maximum.accumulate([-math.inf if one.failed else one.score for one in evaluations])
    return [1 + int((scores > best[min(after, len(best)) - 1]).sum()) for after in AFTER]


def _interval(values: Scores) -> str:
    rng = np.random.default_rng(0)
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{values.mean():5.1f} [{low:.1f}, {high:.1f}]"


def expected(
    bench: Bench, task: str, target: SearchSpace
) -> Iterator[tuple[str, Callable[[Sequence[Architecture]], Scores]]]:
    """Expectations of the target's architectures by the source's archive and by experts, under their names."""
    name, archive = f"source {task}", archive_of(bench, task)
    learned = learned_across(bench.space, archive, target, name=name)
    advisers = {adviser.name: adviser for adviser in advisers_of(target, learned, task="")}
    yield "regression", advisers[name].expects
    found = findings(bench.space, [entry.architecture for entry in archive.entries])
    if found and (moved := _carried(bench.space, target, found)) is not None:
        yield "findings", moved
    if "experts" in advisers:
        yield "experts", advisers["experts"].expects
    yield "all", Together(tuple(advisers.values()))
    at = by_role.names().index(f"{by_role.PREFIX}cost")
    yield "size", lambda architectures: by_role.standardised(Cells.of(target, architectures))[:, at]


class Together:
    """The sum of advisers' expectations."""

    def __init__(self, advisers: Sequence[Adviser]) -> None:
        self.advisers = advisers

    def __call__(self, architectures: Sequence[Architecture]) -> Scores:
        return np.asarray(sum(adviser.expects(architectures) for adviser in self.advisers))


def _carried(source: SearchSpace, target: SearchSpace, found: Sequence[Finding]) -> Expectation | None:
    statements = tuple(
        Statement(condition=one.condition, weight=_logit(one.support) - _logit(one.base_rate)) for one in found
    )
    try:
        moved = carried(StatedPrinciples(space=source.name, principles=statements), source, target)
    except ConfigError:
        return None
    patterns = [pattern for one in stated_over(target, moved.statements.principles, ()) for pattern in one.patterns]
    return Expectation(target, (), tuple((one.condition, one.weight) for one in patterns if one.condition is not None))


def _logit(share: float) -> float:
    kept = min(max(share, 0.01), 0.99)
    return math.log(kept / (1 - kept))


def correlations(
    sources: tuple[Bench, Sequence[str]],
    targets: Sequence[tuple[str, Sequence[Architecture], Scores]],
    space: SearchSpace,
) -> None:
    """Print a row for each source task and target task. ``targets``: task, architectures, their scores."""
    bench, tasks = sources
    print(f"\n{'source':16} {'target':16} {'regression':>10} {'findings':>10} {'experts':>10} {'all':>10} {'size':>10}")
    for task in tasks:
        known = dict(expected(bench, task, space))
        for name, architectures, scores in targets:
            row = {kind: float(spearmanr(expects(architectures), scores).statistic) for kind, expects in known.items()}
            cells = (f"{row[kind]:10.2f}" if kind in row else f"{'-':>10}" for kind in KINDS)
            print(f"{task:16} {name:16}", *cells, flush=True)


def scored(
    bench: Bench, task: str, architectures: Sequence[Architecture]
) -> tuple[str, Sequence[Architecture], Scores]:
    found = [(one.architecture, one.score) for one in bench.evaluator(task).evaluate(architectures) if not one.failed]
    return task, [architecture for architecture, _ in found], np.array([score for _, score in found])


def tables() -> None:
    """Print both directions between the two tables."""
    for (source, tasks), (target, others) in ((NAS201, TRANS101), (TRANS101, NAS201)):
        bench = bench_of(target)
        members = list(bench.space.members())
        correlations((bench_of(source), tasks), [scored(bench, task, members) for task in others], bench.space)


def darts(seed: int) -> None:
    """Print the correlations over random cells of the surrogate."""
    bench, rng = bench_of("darts_surrogate"), np.random.default_rng(seed)
    cells = [bench.space.sample(rng) for _ in range(2000)]
    for source, tasks in (NAS201, TRANS101):
        correlations((bench_of(source), tasks), [scored(bench, "cifar10", cells)], bench.space)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["tables", "darts", "ranks"], help="of tables, darts, ranks")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=10_000)
    parser.add_argument("--set", action="append", default=[], help="as for lapt run, for ranks")
    parser.add_argument("--methods", action="append", default=[], help="of the rows of ranks; gp alone is always run")
    said = parser.parse_args()
    if "tables" in said.parts:
        tables()
    if "darts" in said.parts:
        darts(said.first_seed)
    if "ranks" in said.parts:
        ranks(range(said.first_seed, said.first_seed + said.seeds), said.set, said.methods)


if __name__ == "__main__":
    main()
