"""The page of a run: its purpose, results, costs, and the declaration that repeats it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import yaml
from markupsafe import Markup

from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import Found, TargetResult
from lapt.pipeline.sources import NoSource, is_read
from lapt.pipeline.wording import (
    against,
    alarms,
    caution,
    cost_of,
    ended_early,
    measured,
    paid,
    rows_of,
    rungs,
    shown,
    weights,
    within,
)
from lapt.principles import Principles
from lapt.report.cells import cell_figures, legend
from lapt.report.changes import Line, changes
from lapt.report.figures import incumbents, some_outside, svg
from lapt.report.fronts import front_part
from lapt.report.history import RunHistory, Search, TaskHistory, Trial
from lapt.report.pages import page
from lapt.report.run_tables import budget, leaderboard, lineage, results, so_far
from lapt.report.tables import number
from lapt.spaces import SearchSpace
from lapt.spaces.graphs import short

GRID = 60
"""Largest number of layers, or of candidates, in a grid."""


def run_page(history: RunHistory) -> str:
    """The run as one HTML document that needs no other file."""
    pipeline = history.pipeline
    found = {target.task: target for target in history.result.targets} if history.result else {}
    return page(
        "run",
        title=f"{pipeline.name}, run {history.run_id}",
        run_id=history.run_id,
        when=_when(history),
        about=_about(history),
        trouble=_trouble(history),
        source=pipeline.source.named,
        results=results(history.result, pipeline.label).without("architecture") if history.result else so_far(history),
        results_note=_results_note(history, found),
        targets=[
            _target(history, target, found.get(target.task), f"t{place}")
            for place, target in enumerate(history.targets, start=1)
        ],
        learned=_learned(history),
        budget=budget(history, found),
        budget_notes=_budget_notes(history, found),
        facts=_facts(history),
        of_function=pipeline.evaluator.kind == "function",
        yaml=yaml.safe_dump(pipeline.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100),
    )


# --- the head --------------------------------------------------------------------------------------------
def _when(history: RunHistory) -> str:
    started, last = history.attempts[0], history.attempts[-1]
    times = len([one for one in history.attempts if one.event == "started"])
    again = f" in {times} attempts" if times > 1 else ""
    return f"Started {started.created_at:%d %B %Y, %H:%M} UTC, {last.event} {last.created_at:%d %B %Y, %H:%M}{again}"


def _about(history: RunHistory) -> list[str]:
    pipeline, space = history.pipeline, history.space
    source = pipeline.source
    read = "read {}, stated design principles, and refined the space of each target by them."
    if history.learned is None:
        read = "was to read {}, state design principles, and refine the space of each target by them."
    if isinstance(source, NoSource):
        why = "no source was named, so no principles guide the search."
    elif is_read(source):
        why = f"the {pipeline.reasoner.named} reasoner {read.format(source.described)}"
    else:
        why = f"{source.described} refined the space of each target. Nothing was read for it, and nothing paid."
    bounds = ", ".join(f"{name} {bound.described}" for name, bound in pipeline.constraints.items())
    return [
        f"Searched: {space.name}, a space of {number(space.size)} architectures, for {_listed(pipeline.targets)}.",
        f"Why there: {why}",
        f"How: {pipeline.search.method} with {pipeline.budget} evaluations a target in "
        f"{pipeline.adaptation.iterations} iterations; after each, the principles are adapted to what was found. "
        f"Seed {pipeline.seed}.",
        *([f"Constraints: {bounds}. What breaks them is never trained, by the controls neither."] if bounds else []),
    ]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _trouble(history: RunHistory) -> str | None:
    if history.result is not None:
        return next(ended_early(history.result), None)
    last = history.attempts[-1]
    why = f": {last.detail}" if last.detail else ""
    return (
        f"This run is not finished ({last.event}{why}). The page shows what is stored so far, without test scores; the "
        "same command goes on from there."
    )


def _results_note(history: RunHistory, found: dict[str, TargetResult]) -> str:
    said = " ".join(
        f"{target.task} ({measured(target)}){f': {against(target)}' if target.controls else ''}."
        + (f" Of the architecture found: {kept}." if (kept := within(target, history.pipeline)) else "")
        for target in found.values()
    )
    said = " ".join([said, *((history.result and alarms(history.result)) or ())])
    now = " Paid now: evaluations that the store did not already have." if found else ""
    return (
        f"{said} Validation chose the architecture, so it flatters. {caution(history.pipeline)} A study over seeds "
        f"says more.{now}"
    ).strip()


# --- a target --------------------------------------------------------------------------------------------
def _target(history: RunHistory, target: TaskHistory, result: TargetResult | None, name: str) -> dict[str, Any]:
    search = target.search
    if search is None:
        return {"task": target.task, "empty": "No evaluation is stored yet."}
    best = search.best
    searches = [search, *target.controls]
    better = "" if search.higher_is_better else "; lower is better"
    drawn = history.space.decode(best.architecture) if best else None
    return {
        "task": target.task,
        "empty": "",
        "architecture": best.architecture if best else "none could be scored",
        "facts": _facts_of(best, search, result),
        "cells": [(said, Markup(drawn)) for said, drawn in (cell_figures(name, history.space, drawn) if drawn else [])],
        "legend": legend(history.space, drawn) if drawn else "",
        "curve": Markup(svg(f"{name}-curve", _curve_said(searches), partial(incumbents, searches=searches))),
        "curve_note": f"The best validation score so far{better}. Dots: LAPT's evaluations"
        + (", some of them outside" if some_outside(searches) else "")
        + "; vertical lines: a new iteration."
        + ("" if target.controls else " No control ran beside it."),
        "front": front_part(f"{name}-front", history.pipeline, target, result),
        "grids": _grids(history.space, target),
        "refines": history.pipeline.reasoner.refines,
        "changes": _changes(history, target),
        "stated": _principles(target.principles[-1][1], history.space) if target.principles else [],
        "leaderboard": leaderboard(search),
        "lineage": lineage(history, target),
    }


def _facts_of(best: Trial | None, search: Search, result: Found | None) -> str:
    if best is None:
        return f"All {len(search.trials)} evaluations failed; the last: {search.trials[-1].error}"
    sizes = [f"{best.parameters:,} parameters"] if best.parameters else []
    sizes += [f"{best.flops / 1e6:,.1f}M multiply-adds"] if best.flops else []
    found = f"evaluation {best.ordinal} of {search.trials[-1].ordinal}, iteration {best.iteration}"
    test = f"test {shown(result.test, result.unit)}" if result is not None and result.test is not None else None
    return "; ".join(filter(None, [f"validation {shown(best.value, search.unit)}", test, found, *sizes]))


def _curve_said(searches: Sequence[Search]) -> str:
    ends = (f"{one.method} {one.best.value:.4g}" for one in searches if one.best and one.best.value is not None)
    return f"Incumbents against evaluations; at the end: {', '.join(ends)}"


def _grids(space: SearchSpace, target: TaskHistory) -> list[list[dict[str, Any]]]:
    """Grids of layers and candidates for each iteration: operators, and sources where these are chosen."""
    if len(space.layers) > GRID or len(_columns(space, "operators")) > GRID:
        return []
    chosen = any(len(layer.sources) > 1 for layer in space.layers)
    kinds = ("operators", "sources") if chosen else ("operators",)
    return [[_grid(space, refined, iteration, kind) for kind in kinds] for iteration, refined, _ in target.spaces]


def _columns(space: SearchSpace, kind: str) -> list[str]:
    return list(dict.fromkeys(candidate for layer in space.layers for candidate in getattr(layer, kind)))


def _grid(space: SearchSpace, refined: SearchSpace, iteration: int, kind: str) -> dict[str, Any]:
    columns = _columns(space, kind)
    rows = []
    for whole, kept in zip(space.layers, refined.layers, strict=True):
        known, left = set(getattr(whole, kind)), set(getattr(kept, kind))
        rows.append((whole.name, ["kept" if c in left else "dropped" if c in known else "absent" for c in columns]))
    size = f"{number(refined.size)} of {number(space.size)} architectures"
    what = f"iteration {iteration}: {size}" if kind == "operators" else f"iteration {iteration}: sources"
    return {"caption": what, "columns": [short(column) for column in columns], "rows": rows}


def _changes(history: RunHistory, target: TaskHistory) -> list[dict[str, Any]]:
    before, found = history.learned, []
    for iteration, after in target.principles:
        old = [principle.statement for principle in before.spoken] if before else []
        lines = changes(old, [principle.statement for principle in after.spoken])
        step = _STEPS.get(after.origin.step, after.origin.step)
        if after.origin.step == "explore" and iteration < history.pipeline.adaptation.iterations:
            step += WIDENS
        found.append({"iteration": iteration, "step": step, "said": _kept(old, lines), "lines": lines})
        before = after
    return found


def _kept(old: Sequence[str], lines: Sequence[Line]) -> str:
    if not lines:
        return f"All {len(old)} principles stay."
    gone, changed, new = (sum(line.kind == kind for line in lines) for kind in ("gone", "same", "new"))
    counts = [(gone, "dropped"), (changed, "changed"), (new, "new")]
    said = [f"{len(old) - gone - changed} of {len(old)} principles stay", *(f"{n} {word}" for n, word in counts if n)]
    return f"{', '.join(said)}."


_STEPS = {
    "learn": "what was learned from the source",
    "transfer": "carried over from the source space",
    "update": "updated from the best found so far",
    "explore": "nothing better was found",
}
WIDENS = ", so that the next space is to be a wider one"


# --- principles ------------------------------------------------------------------------------------------
def _learned(history: RunHistory) -> dict[str, Any] | None:
    stated = history.learned
    if stated is None:
        return None
    pipeline = history.pipeline
    about = (
        f"Read: {pipeline.source.described}. The bar says how many of those read do as the principle says, the "
        "mark how many random architectures of the whole space would."
    )
    if stated.origin.instead_of:
        about += f" Stated by counting: {stated.origin.instead_of} gave nothing that could be used."
    return {
        "about": about,
        "stated": _principles(stated, history.space, learned=True),
        "known": _principles(stated, history.space, learned=False),
        "dropped": stated.dropped,
    }


def _principles(stated: Principles, space: SearchSpace, learned: bool | None = None) -> list[dict[str, Any]]:
    """The principles; the learned ones alone, or those known before alone, if ``learned`` says so."""
    return [
        {
            "statement": principle.statement,
            "rationale": principle.rationale,
            "support": None if principle.unread else round(100 * principle.support),
            "chance": round(100 * principle.chance(space)) if stated.space == space.name else None,
        }
        for principle in stated.spoken
        if learned in (None, principle.learned)
    ]


# --- the foot --------------------------------------------------------------------------------------------
def _budget_notes(history: RunHistory, found: dict[str, TargetResult]) -> list[str]:
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
        notes += (*ended_early(history.result), *rungs(history.result), *weights(history.result))
    return notes if history.ledger is None else [*notes, f"Language model {paid(history.ledger)}"]


def _facts(history: RunHistory) -> list[tuple[str, str]]:
    pipeline: Pipeline = history.pipeline
    evaluator = pipeline.evaluator.model_dump(mode="json")
    named = {key: evaluator[key] for key in ("table", "model", "data") if evaluator.get(key)}
    facts = [
        ("store", history.store),
        ("evaluator", ", ".join([evaluator["kind"], *(f"{key} {value}" for key, value in named.items())])),
        ("fingerprint", next((t.search.trials[-1].fingerprint or "-" for t in history.targets if t.search), "-")),
        ("seed", str(pipeline.seed)),
    ]
    if history.devices:
        facts.append(("devices", ", ".join(history.devices)))
    versions = ", ".join(f"{name} {version}" for name, version in sorted(history.versions.items()))
    return [*facts, ("versions", versions or "not recorded by the version of LAPT that ran it")]
