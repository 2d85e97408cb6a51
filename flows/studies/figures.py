"""From what searches found to the rows of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flows.studies.methods import Entrant
from flows.studies.rows import Anytime, Row, Who
from lapt.published import Published
from lapt.statistics import nested, summarised


class Returned(NamedTuple):
    """What a method returns: scores in the task's unit, and 1 + the architectures strictly better by
    validation, None where a space cannot be listed."""

    validation: float
    test: float | None
    rank: int | None


@dataclass(frozen=True)
class Curve:
    """One entrant on one task with one draw and seed: what it would return at a budget, and how soon it was good."""

    who: Who
    task: str
    draw: int | None
    seed: int
    to_top: int | None
    to_best: int | None
    evaluations: int
    returned: Mapping[int, Returned]
    """Budget -> the incumbent then."""
    principles: Mapping[str, float]
    """Quantity -> value, of the principles that were learned and the first space that was made of them."""
    ranks: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    """The incumbent's rank, where there are ranks, and validation score after each of ``points`` evaluations."""

    @property
    def ranked(self) -> bool:
        return all(returned.rank is not None for returned in self.returned.values())


def points(budget: int) -> list[int]:
    """Evaluations that a curve is drawn at: every one up to 100, then every tenth and the last."""
    return [n for n in range(1, budget + 1) if n <= 100 or n % 10 == 0 or n == budget]


def anytime(entrant: Entrant, target: str, budget: int, curves: Sequence[Curve]) -> Anytime:
    """``curves``: theirs among others. ``budget``: where the single runs' ranks are given, LAPT's."""
    method, reasoner, variant, source_budget = entrant.who
    mine = [curve for curve in curves if (curve.who, curve.task) == (entrant.who, target)]
    ordered = sorted(mine, key=lambda curve: (curve.draw or 0, curve.seed))
    return Anytime(
        method=method,
        reasoner=reasoner,
        variant=variant,
        source_budget=source_budget,
        target=target,
        evaluations=tuple(points(entrant.budget)),
        rank=tuple(float(f"{mean:.5g}") for mean in np.mean([curve.ranks for curve in ordered], axis=0)),
        validation=tuple(float(f"{mean:.6g}") for mean in np.mean([curve.values for curve in ordered], axis=0)),
        budget=budget,
        ranks=tuple(rank for curve in ordered if budget in curve.returned if (rank := curve.returned[budget].rank)),
        validations=tuple(curve.returned[budget].validation for curve in ordered if budget in curve.returned),
    )


@dataclass(frozen=True)
class Figures:
    """The rows of a comparison. ``units``: task -> the unit of its scores."""

    entrants: Sequence[Entrant]
    targets: Sequence[str]
    units: Mapping[str, str]
    published: Sequence[Published] = ()

    def rows(self, curves: Sequence[Curve]) -> Iterator[Row]:
        """A row a target, entrant and quantity, then the ranks over all targets."""
        for task in self.targets:
            for entrant in self.entrants:
                yield from self._of(entrant, task, [c for c in curves if (c.who, c.task) == (entrant.who, task)])
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

    def _of(self, entrant: Entrant, task: str, curves: Sequence[Curve]) -> Iterator[Row]:
        published = self._beside(entrant)
        length, unit = entrant.budget, self.units[task]

        def row(quantity: str, value: Callable[[Curve], float], of: Sequence[Curve] = curves, **more: object) -> Row:
            named = {"target": task, "quantity": quantity, "unit": "", "budget": length, **more}
            return _summarised(_row(entrant, **named), entrant, of, value)

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
        found = [curve for curve in curves if curve.to_best is not None]
        if ranked:
            yield row(
                "archs_to_best_if_found",
                lambda curve: float(curve.to_best or 0),
                found,
                unit="evaluations",
                censored=len(curves) - len(found),
            )
        for budget in sorted(curves[0].returned):
            yield row("validation", lambda curve, b=budget: curve.returned[b].validation, unit=unit, budget=budget)
            if ranked:
                yield row("rank", lambda curve, b=budget: float(curve.returned[b].rank or 0), budget=budget)
            if all(curve.returned[budget].test is not None for curve in curves):
                cited = f"{published.test[task]}" if published and budget == length and task in published.test else None
                yield row(
                    "test",
                    lambda curve, b=budget: curve.returned[b].test or 0.0,
                    unit=unit,
                    budget=budget,
                    published=cited,
                )
        for quantity in curves[0].principles:
            yield row(quantity, lambda curve, q=quantity: curve.principles[q])

    def _mean_rank(self, entrant: Entrant, curves: Sequence[Curve]) -> Iterator[Row]:
        """Mean over the targets, then over the seeds, as published ranks are."""
        beside = self._beside(entrant)
        published = f"{beside.rank}" if beside and beside.rank else None
        for budget in sorted(curves[0].returned):
            first = [curve for curve in curves if curve.task == curves[0].task]

            def mean(curve: Curve, budget: int = budget) -> float:
                same = [c for c in curves if (c.draw, c.seed) == (curve.draw, curve.seed)]
                return float(np.mean([c.returned[budget].rank or 0 for c in same]))

            row = _row(entrant, target="mean", quantity="rank", unit="", budget=budget, published=published)
            yield _summarised(row, entrant, first, mean)

    def _beside(self, entrant: Entrant) -> Published | None:
        """The published row of the method, which none of a study's variants is."""
        return next((p for p in self.published if p.method == entrant.method and not entrant.variant), None)

    def _published(self, task: str) -> Iterator[Row]:
        """Rows of their own for published methods that were not run here; the others stand beside ours."""
        for row in self.published:
            if row.method in {entrant.method for entrant in self.entrants}:
                continue
            common = {"method": row.method, "reasoner": row.reasoner, "target": task}
            for quantity, unit, value in (
                ("archs_to_top_0.1%", "evaluations", row.archs.get(task)),
                ("test", self.units[task], row.test.get(task)),
            ):
                if value is not None:
                    yield Row(**common, quantity=quantity, unit=unit, published=f"{value}")


def _row(entrant: Entrant, **named: object) -> Row:
    return Row.model_validate(
        {**dict(zip(("method", "reasoner", "variant", "source_budget"), entrant.who, strict=True)), **named}
    )


def _summarised(row: Row, entrant: Entrant, curves: Sequence[Curve], value: Callable[[Curve], float]) -> Row:
    if not curves:
        return row
    ordered = sorted(curves, key=lambda curve: (curve.draw or 0, curve.seed))
    if entrant.draws is None:
        return row.with_summary(summarised([value(curve) for curve in ordered]))
    draws = dict.fromkeys(curve.draw for curve in ordered)
    return row.with_summary(nested([[value(c) for c in ordered if c.draw == draw] for draw in draws]))
