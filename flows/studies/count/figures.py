"""Rows of a study, from the results of its searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from flows.studies.entrants.methods import Entrant
from flows.studies.published import BEST, Published
from flows.studies.rows import Anytime, Row, Who
from lapt.base.statistics import nested, summarised

PRINTED = "printed"
"""Quantity of published figures that nothing here is measured by."""


class Returned(NamedTuple):
    """The result of a method: scores in the task's unit, None if it found nothing, and its rank.

    The rank is 1 + the number of architectures strictly better by validation. It is the last one if nothing was found,
    and None if a space cannot be listed.
    """

    validation: float | None
    test: float | None
    rank: int | None


@dataclass(frozen=True)
class Curve:
    """One entrant on one task with one draw and seed: its result at each budget, and the evaluations to a good one.

    ``failed``: evaluations without a score. ``lacking``: architectures asked for that the table lacks.
    """

    who: Who
    task: str
    draw: int | None
    seed: int
    to_top: int | None
    to_best: int | None
    evaluations: int
    returned: Mapping[int, Returned]
    """Budget -> the incumbent at that budget. All seeds have the same budgets."""
    principles: Mapping[str, float]
    """Quantity -> value, of the learned principles and the first space refined by them."""
    ranks: tuple[int, ...] = ()
    values: tuple[float | None, ...] = ()
    """The incumbent's validation score after each of ``points`` evaluations; None before the first score.

    ``ranks``: its rank after each, if there are ranks.
    """
    failed: int = 0
    lacking: int = 0
    shares: tuple[float, ...] = ()
    """With two objectives: the share of the true front's hypervolume after each evaluation."""
    constrained: Mapping[str, float] = field(default_factory=dict)
    """With constraints: the quantities of ``fronts.under_constraints``."""

    @property
    def ranked(self) -> bool:
        return all(returned.rank is not None for returned in self.returned.values())

    @property
    def empty(self) -> bool:
        """Whether nothing was found at any budget."""
        return all(returned.validation is None for returned in self.returned.values())


def points(budget: int) -> list[int]:
    """Numbers of evaluations at which a curve is drawn: every one up to 100, then every tenth and the last."""
    return [n for n in range(1, budget + 1) if n <= 100 or n % 10 == 0 or n == budget]


def anytime(entrant: Entrant, target: str, budget: int, curves: Sequence[Curve]) -> Anytime:
    """The incumbent of one entrant on one target over the budget.

    ``curves``: may have others too. ``budget``: LAPT's, at which the single runs' ranks are given.
    """
    mine = [curve for curve in curves if (curve.who, curve.task) == (entrant.who, target)]
    ordered = sorted(mine, key=lambda curve: (curve.draw or 0, curve.seed))
    there = [curve.returned[budget] for curve in ordered if budget in curve.returned]
    return Anytime(
        **entrant.who._asdict(),
        target=target,
        evaluations=tuple(points(entrant.budget)),
        rank=tuple(float(f"{mean:.5g}") for mean in np.mean([curve.ranks for curve in ordered], axis=0)),
        validation=_mean_incumbents(
            [curve.values for curve in ordered if not curve.empty], len(points(entrant.budget))
        ),
        budget=budget,
        ranks=tuple(one.rank for one in there if one.rank is not None),
        validations=tuple(one.validation for one in there if one.validation is not None),
    )


def _mean_incumbents(found: Sequence[Sequence[float | None]], length: int) -> tuple[float | None, ...]:
    """Means over the runs that found something; None until each of them has a score."""
    if not found:
        return (None,) * length
    means = np.mean(np.array(found, dtype=float), axis=0)  # None is read as NaN
    return tuple(None if np.isnan(mean) else float(f"{mean:.6g}") for mean in means)


@dataclass(frozen=True)
class Figures:
    """The rows of a comparison.

    ``units``: task -> the unit of its scores. ``best``: task -> the best validation score there is, if that is known.
    """

    entrants: Sequence[Entrant]
    targets: Sequence[str]
    units: Mapping[str, str]
    published: Sequence[Published] = ()
    best: Mapping[str, float] = field(default_factory=dict)

    def rows(self, curves: Sequence[Curve]) -> Iterator[Row]:
        """A row for each target, entrant and quantity, then the ranks over all targets."""
        for task in self.targets:
            here = [curve for curve in curves if curve.task == task]
            tested = any(found.test is not None for curve in here for found in curve.returned.values())
            for entrant in self.entrants:
                yield from self._of(entrant, task, [c for c in here if c.who == entrant.who], tested)
            yield from self._published(task)
        for entrant in self.entrants:
            mine = [curve for curve in curves if curve.who == entrant.who]
            if all(curve.ranked for curve in mine):
                yield from self._mean_rank(entrant, mine)
        ours = {entrant.method for entrant in self.entrants}
        for row in self.published:
            if row.rank is not None and row.method not in ours:
                common = {"method": row.method, "reasoner": row.reasoner, "target": "mean"}
                yield Row(**common, quantity="rank", unit="", published=f"{row.rank}")

    def _of(self, entrant: Entrant, task: str, curves: Sequence[Curve], tested: bool) -> Iterator[Row]:
        """Rows of one entrant on one task. ``tested``: whether the task has test scores."""
        published = self._beside(entrant)
        length, unit = entrant.budget, self.units[task]

        def row(quantity: str, value: Callable[[Curve], float], of: Sequence[Curve] = curves, **more: object) -> Row:
            named = {"target": task, "quantity": quantity, "unit": "", "budget": length, **more}
            return _summarised(Row.model_validate(entrant.who._asdict() | named), entrant, of, value)

        ranked = all(curve.ranked for curve in curves)
        if ranked:
            missed = sum(curve.to_top is None for curve in curves)
            yield row(
                "archs_to_top_0.1%",
                lambda curve: float(curve.to_top or length + 1),
                unit="evaluations",
                censored=missed,
                published=published.archs.get(task) if published else None,
            )
            yield row("hit_rate", lambda curve: float(curve.to_top is not None))
        yield row("evaluations", lambda curve: float(curve.evaluations), unit="evaluations")
        if entrant.source_budget is not None:
            paid = entrant.source_budget
            yield row("total_evaluations", lambda curve: float(paid + curve.evaluations), unit="evaluations")
        for quantity, losses in LOSSES.items():
            if any(losses(curve) for curve in curves):
                yield row(quantity, losses)
        found = [curve for curve in curves if curve.to_best is not None]
        if ranked:
            yield row(
                "archs_to_best_if_found",
                lambda curve: float(curve.to_best or 0),
                found,
                unit="evaluations",
                censored=len(curves) - len(found),
            )
        for budget in _budgets(curves):
            having = [curve for curve in curves if curve.returned[budget].validation is not None]
            without = len(curves) - len(having)
            yield row(
                "validation",
                partial(_returned, budget, "validation"),
                having,
                unit=unit,
                budget=budget,
                censored=without,
            )
            if ranked:
                yield row("rank", partial(_returned, budget, "rank"), budget=budget)
            if tested and all(curve.returned[budget].test is not None for curve in having):
                cited = f"{published.test[task]}" if published and budget == length and task in published.test else None
                yield row(
                    "test",
                    partial(_returned, budget, "test"),
                    having,
                    unit=unit,
                    budget=budget,
                    censored=without,
                    published=cited,
                )
        if published and published.printed and task in published.printed:
            who = entrant.who._asdict()
            yield Row(**who, target=task, quantity=PRINTED, unit="", published=published.printed[task])
        for quantity in dict.fromkeys(quantity for curve in curves for quantity in curve.principles):
            stated = [curve for curve in curves if quantity in curve.principles]
            yield row(quantity, partial(_stated, quantity), stated)

    def _mean_rank(self, entrant: Entrant, curves: Sequence[Curve]) -> Iterator[Row]:
        """Mean rank over the targets, then over the seeds, as for published ranks."""
        beside = self._beside(entrant)
        published = f"{beside.rank}" if beside and beside.rank else None
        for budget in _budgets(curves):
            first = [curve for curve in curves if curve.task == self.targets[0]]

            def mean(curve: Curve, budget: int = budget) -> float:
                same = [c for c in curves if (c.draw, c.seed) == (curve.draw, curve.seed)]
                return float(np.mean([c.returned[budget].rank or 0 for c in same]))

            who = entrant.who._asdict()
            row = Row(**who, target="mean", quantity="rank", unit="", budget=budget, published=published)
            yield _summarised(row, entrant, first, mean)

    def _beside(self, entrant: Entrant) -> Published | None:
        """The published row of the method. A study's variants have none."""
        return next((p for p in self.published if p.method == entrant.method and not entrant.variant), None)

    def _published(self, task: str) -> Iterator[Row]:
        """Own rows for published methods that were not run here; the others stand beside ours."""
        for row in self.published:
            if row.method in {entrant.method for entrant in self.entrants}:
                continue
            common = {"method": row.method, "reasoner": row.reasoner, "target": task}
            for quantity, unit, value in (
                ("archs_to_top_0.1%", "evaluations", row.archs.get(task)),
                ("test", self.units[task], row.test.get(task)),
                (PRINTED, "", (row.printed or {}).get(task)),
            ):
                if value is not None:
                    yield Row(**common, quantity=quantity, unit=unit, published=f"{value}")
            if row.method == BEST and task in self.best:
                yield Row(**common, quantity="validation", unit=self.units[task], mean=self.best[task])


LOSSES: dict[str, Callable[[Curve], float]] = {
    "failed": lambda curve: float(curve.failed),
    "lacking": lambda curve: float(curve.lacking),
    "found_nothing": lambda curve: float(curve.empty),
}
"""Quantity -> loss of a search: evaluations without a score, requests that a table lacks, the whole search.

There is a row if any seed lost something.
"""


def _budgets(curves: Sequence[Curve]) -> list[int]:
    return sorted({budget for curve in curves for budget in curve.returned})


def _summarised(row: Row, entrant: Entrant, curves: Sequence[Curve], value: Callable[[Curve], float]) -> Row:
    if not curves:
        return row
    ordered = sorted(curves, key=lambda curve: (curve.draw or 0, curve.seed))
    if entrant.draws is None:
        return row.with_summary(summarised([value(curve) for curve in ordered]))
    of_draws = [[value(c) for c in ordered if c.draw == draw] for draw in dict.fromkeys(c.draw for c in ordered)]
    if len({len(values) for values in of_draws}) > 1:  # some seeds of some draws have no value
        return row.with_summary(summarised([one for values in of_draws for one in values]))
    return row.with_summary(nested(of_draws))


def _returned(budget: int, what: str, curve: Curve) -> float:
    return float(getattr(curve.returned[budget], what) or 0)


def _stated(quantity: str, curve: Curve) -> float:
    return curve.principles[quantity]
