"""Tables of a run."""

from __future__ import annotations

from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import Found, RunResult, TargetResult
from lapt.pipeline.wording import rows_of, shown
from lapt.report.history import RunHistory, Search, TaskHistory, Trial
from lapt.report.tables import Column, Table, number, numbers

BEST = 10
"""Number of rows of the leaderboard on a page."""


def results(result: RunResult, label: str) -> Table:
    """Results for each target, LAPT first and then the controls. ``label``: LAPT's name as a method."""
    rows = [row for target in result.targets for row in rows_of(target, label)]
    table = Table.of(
        [
            *("target", "method"),
            *numbers("validation", "test", "evaluations", "failed", "paid now"),
            Column("architecture", code=True),
        ],
        [
            (
                found.task,
                method,
                shown(found.validation, found.unit),
                shown(found.test, found.unit),
                *map(number, (found.evaluations, found.failed, found.paid_now)),
                found.architecture or "-",
            )
            for method, found in rows
        ],
    )
    table = table.marked(lambda cells: cells[1] == label)
    return table if any(found.failed for _, found in rows) else table.without("failed")


def front(target: Found, pipeline: Pipeline) -> Table:
    """The front of a search with two objectives, by rising cost."""
    score, cost = pipeline.objectives
    return Table.of(
        [*numbers(cost, score, "evaluation"), Column("architecture", code=True)],
        [
            (f"{point.cost:,.4g}", shown(point.validation, target.unit), number(point.evaluation), point.architecture)
            for point in target.front
        ],
    )


def so_far(history: RunHistory) -> Table:
    """Validation scores so far, of a run that is not finished."""
    return Table.of(
        ["target", "method", *numbers("validation", "evaluations")],
        [
            (target.task, one.method, shown(one.best.value if one.best else None, one.unit), number(len(one.trials)))
            for target in history.targets
            for one in (target.search, *target.controls)
            if one is not None
        ],
    ).marked(lambda cells: cells[1] == history.pipeline.label)


def leaderboard(search: Search, most: int = BEST) -> Table:
    """The best architectures by the last evaluator, at most so many. Equal scores have one rank."""
    last = search.trials[-1].fingerprint
    first: dict[str, Trial] = {}
    for trial in sorted(search.trials, key=lambda one: -(one.score if one.score is not None else float("-inf"))):
        if trial.score is not None and trial.fingerprint == last:
            first.setdefault(trial.architecture, trial)
    best = list(first.values())[:most]
    metric = search.metric.replace("_", " ") + (f", {search.unit}" if search.unit else "")
    table = Table.of(
        [
            *numbers("rank", metric, "evaluation", "iteration", "parameters", "multiply-adds"),
            "score from",
            Column("architecture", code=True),
        ],
        [
            (
                number(1 + sum((other.score or 0.0) > (trial.score or 0.0) for other in best)),
                f"{trial.value:.4g}",
                number(trial.ordinal),
                number(trial.iteration),
                _millions(trial.parameters),
                _millions(trial.flops),
                trial.origin,
                trial.architecture,
            )
            for trial in best
        ],
    )
    sized = any(trial.parameters for trial in search.trials)
    return table if sized else table.without("parameters", "multiply-adds")


def _millions(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:,.2f}M"


def lineage(history: RunHistory, target: TaskHistory) -> Table:
    """For each iteration its evaluations, its refined space, and the principles that the space comes from."""
    known = {stated.id: stated for _, stated in target.principles}
    if history.learned is not None:
        known[history.learned.id] = history.learned
    trials = target.search.trials if target.search else ()
    rows = []
    for iteration, space, principles_id in target.spaces:
        mine = [trial for trial in trials if trial.iteration == iteration]
        scored = [trial for trial in mine if trial.score is not None]
        best = max(scored, key=lambda trial: trial.score or 0.0) if scored else None
        stated = known.get(principles_id)
        rows.append(
            (
                number(iteration),
                number(len(mine)),
                "-" if best is None else f"{best.value:.4g}",
                next((trial.subspace_id or "-" for trial in mine), "-"),
                number(space.size),
                principles_id,
                f"{stated.origin.step} on {stated.origin.task}, {stated.origin.reasoner}" if stated else "-",
                (stated.parent if stated else None) or "-",
            )
        )
    figures, size = numbers("iteration", "evaluations", "best"), numbers("architectures")
    return Table.of([*figures, "refined space", *size, "principles", "stated by", "from principles"], rows)


def budget(history: RunHistory, found: dict[str, TargetResult]) -> Table:
    """Evaluations, seconds and money, task by task. ``found``: task -> its result."""
    order = [history.pipeline.source.named, *history.pipeline.targets]
    rows = []
    for cost in sorted(history.costs, key=lambda one: order.index(one.task) if one.task in order else len(order)):
        result = found.get(cost.task)
        ours = cost.method == history.pipeline.label
        rows.append(
            (
                cost.task,
                "archive" if ours and cost.task == order[0] else cost.method,
                *map(number, (cost.evaluations, cost.computed, cost.looked_up, cost.failed)),
                number(result.repeats) if result and ours else "-",
                *(number(round(seconds, 1)) for seconds in (cost.seconds_total, cost.seconds_paid_now)),
                number(cost.supernets),
                number(round(cost.seconds_supernets, 1)),
                *map(number, (cost.reasoner_calls, cost.tokens)),
                f"{cost.money:.4g}",
            )
        )
    evaluated = ("evaluations", "computed", "looked up", "failed", "repeats", "seconds, all", "paid now")
    supernets, asked = ("supernets", "their seconds"), ("calls", "tokens", "money")
    return Table.of(["task", "method", *numbers(*evaluated, *supernets, *asked)], rows).without(
        *(() if any(cost.supernets for cost in history.costs) else supernets),
        *(() if any(cost.reasoner_calls for cost in history.costs) else asked),
    )
