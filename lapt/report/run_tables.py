"""The tables of a run's page."""

from __future__ import annotations

from typing import Any

from lapt.pipeline.results import TargetResult
from lapt.pipeline.wording import against, caution, cost_of, ended_early, measured, paid, rows_of, shown
from lapt.report.history import RunHistory, Search, TaskHistory, Trial
from lapt.report.pages import Column, Table, number

BEST = 10
"""Rows of a leaderboard."""


def results(history: RunHistory, found: dict[str, TargetResult]) -> dict[str, Any]:
    table = Table(
        Column("target"),
        Column("method"),
        Column("validation", number=True),
        Column("test", number=True),
        Column("evaluations", number=True),
        Column("paid now", number=True),
    )
    for target in history.targets:
        if target.task in found:
            for method, one in rows_of(found[target.task], history.pipeline.label):
                table.add(
                    target.task,
                    method,
                    shown(one.validation, one.unit),
                    shown(one.test, one.unit),
                    number(one.evaluations),
                    number(one.paid_now),
                    ours=one is found[target.task],
                )
        else:
            for search in (target.search, *target.controls):
                if search is not None:
                    best = search.best
                    value = shown(best.value if best else None, search.unit)
                    table.add(target.task, search.method, value, "-", number(len(search.trials)), "-")
    said = " ".join(
        f"{target.task} ({measured(target)}){f': {against(target)}' if target.controls else ''}."
        for target in found.values()
    )
    note = (
        f"{said} Validation chose the architecture, so it flatters. {caution(history.pipeline)} A study over seeds "
        "says more. Paid now: evaluations that the store did not already have."
    )
    return {"columns": table.columns, "rows": table.rows, "note": note.strip()}


def leaderboard(search: Search) -> Table:
    sizes = any(trial.parameters for trial in search.trials)
    table = Table(
        Column("rank", number=True),
        Column(search.metric.replace("_", " ") + (f", {search.unit}" if search.unit else ""), number=True),
        Column("evaluation", number=True),
        Column("iteration", number=True),
        *([Column("parameters", number=True), Column("multiply-adds", number=True)] if sizes else []),
        Column("score from"),
        Column("architecture", code=True),
    )
    last = search.trials[-1].fingerprint
    first: dict[str, Trial] = {}
    for trial in sorted(search.trials, key=lambda one: -(one.score if one.score is not None else float("-inf"))):
        if trial.score is not None and trial.fingerprint == last:
            first.setdefault(trial.architecture, trial)
    best = list(first.values())[:BEST]
    for trial in best:
        rank = 1 + sum((other.score or 0.0) > (trial.score or 0.0) for other in best)
        size = [_counted(trial.parameters), _counted(trial.flops)] if sizes else []
        value = f"{trial.value:.4g}"
        places = number(trial.ordinal), number(trial.iteration)
        table.add(number(rank), value, *places, *size, trial.origin, trial.architecture)
    return table


def _counted(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:,.2f}M"


def lineage(history: RunHistory, target: TaskHistory) -> Table:
    """Evaluations of an iteration, the space they lie in, the principles it comes from, and whence those."""
    known = {stated.id: stated for _, stated in target.principles}
    if history.learned is not None:
        known[history.learned.id] = history.learned
    table = Table(
        Column("iteration", number=True),
        Column("evaluations", number=True),
        Column("best", number=True),
        Column("refined space"),
        Column("architectures", number=True),
        Column("principles"),
        Column("stated by"),
        Column("from principles"),
    )
    trials = target.search.trials if target.search else ()
    for iteration, space, principles_id in target.spaces:
        mine = [trial for trial in trials if trial.iteration == iteration]
        scored = [trial for trial in mine if trial.score is not None]
        best = max(scored, key=lambda trial: trial.score or 0.0) if scored else None
        stated = known.get(principles_id)
        table.add(
            number(iteration),
            number(len(mine)),
            "-" if best is None else f"{best.value:.4g}",
            next((trial.subspace_id or "-" for trial in mine), "-"),
            number(space.size),
            principles_id,
            f"{stated.origin.step} on {stated.origin.task}, {stated.origin.reasoner}" if stated else "-",
            (stated.parent if stated else None) or "-",
        )
    return table


def budget(history: RunHistory, found: dict[str, TargetResult]) -> dict[str, Any]:
    supernets = any(cost.supernets for cost in history.costs)
    asked = any(cost.reasoner_calls for cost in history.costs)
    table = Table(
        Column("task"),
        Column("method"),
        Column("evaluations", number=True),
        Column("computed", number=True),
        Column("looked up", number=True),
        Column("failed", number=True),
        Column("repeats", number=True),
        Column("seconds, all", number=True),
        Column("paid now", number=True),
        *([Column("supernets", number=True), Column("their seconds", number=True)] if supernets else []),
        *([Column("calls", number=True), Column("tokens", number=True), Column("money", number=True)] if asked else []),
    )
    order = [history.pipeline.source.task, *history.pipeline.targets]
    for cost in sorted(history.costs, key=lambda one: order.index(one.task) if one.task in order else len(order)):
        result = found.get(cost.task)
        ours = cost.method == history.pipeline.label
        table.add(
            cost.task,
            ("archive" if cost.task == order[0] else cost.method) if ours else cost.method,
            number(cost.evaluations),
            number(cost.computed),
            number(cost.looked_up),
            number(cost.failed),
            number(result.repeats) if result and ours else "-",
            number(round(cost.seconds_total, 1)),
            number(round(cost.seconds_paid_now, 1)),
            *([number(cost.supernets), number(round(cost.seconds_supernets, 1))] if supernets else []),
            *([number(cost.reasoner_calls), number(cost.tokens), f"{cost.money:.4g}"] if asked else []),
        )
    notes = [
        "Seconds of one device, for all evaluations by whomever, and for those that this run computed. Repeats: "
        "proposals of the search method that were known already, which cost nothing. Looked up: in a table, a "
        "surrogate or the store."
    ]
    notes += [
        f"{target.task}: final training of {method}: {cost_of(one, one.final)}."
        for target in found.values()
        for method, one in rows_of(target, history.pipeline.label)
        if one.final is not None
    ]
    if history.result is not None:
        notes += ended_early(history.result)
    if history.ledger is not None:
        notes.append(f"Language model {paid(history.ledger)}")
    return {"columns": table.columns, "rows": table.rows, "notes": notes}
