"""Tests of methods against their baselines: ranks at LAPT's budget, paired by seed; scores where there are no ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from flows.studies.count.figures import Curve
from flows.studies.entrants.methods import Entrant
from flows.studies.rows import Row, Who
from lapt.base.statistics import holm, nested, paired_p_value, summarised
from lapt.errors import ConfigError
from lapt.reasoning.config import deterministic

Quantity = Literal["rank", "validation"]
"""The quantity that is compared: validation scores if a space cannot be listed."""
Values = Mapping[tuple[int, int], float]
"""(draw, seed) -> rank or validation score."""
DIFFERENCE = "_difference"


@dataclass(frozen=True)
class Contrasts:
    """Tests at a ``budget`` of evaluations: LAPT's, even if a baseline runs longer. ``units``: task -> unit of its
    scores."""

    entrants: Sequence[Entrant]
    targets: Sequence[str]
    budget: int
    baselines: Mapping[Who, Entrant]
    quantity: Quantity = "rank"
    units: Mapping[str, str] = field(default_factory=dict)

    def tested(self, rows: Sequence[Row], curves: Sequence[Curve]) -> list[Row]:
        """The rows, with ``baseline`` and ``p_value`` on each ``quantity`` at ``budget`` that has a baseline.

        A row ``rank_difference`` or ``validation_difference``, mine less the baseline's, follows each of these. Holm's
        correction is over all methods and targets; the mean ranks over the targets are a separate family.
        """
        families = (self.targets, ["mean"] if self.quantity == "rank" else [])
        found: dict[tuple[Who, str], Row] = {}
        for family in families:
            pairs = [
                (entrant, self.baselines[entrant.who], target)
                for target in family
                for entrant in self.entrants
                if entrant.who in self.baselines
            ]
            differences = [self._differences(mine, theirs, target, curves) for mine, theirs, target in pairs]
            p_values = [_p_value(difference) for difference in differences]
            adjusted = iter(holm([p for p in p_values if p is not None]))
            for (mine, theirs, target), p_value, difference in zip(pairs, p_values, differences, strict=True):
                if difference is None:
                    continue
                corrected = None if p_value is None else next(adjusted)
                summary = nested(difference) if mine.draws else summarised(np.ravel(difference).tolist())
                row = Row(
                    **mine.who._asdict(),
                    target=target,
                    quantity=f"{self.quantity}{DIFFERENCE}",
                    unit="" if self.quantity == "rank" else self.units.get(target, ""),
                    budget=self.budget,
                    baseline=theirs.label,
                    p_value=corrected,
                )
                found[mine.who, target] = row.with_summary(summary)
        return list(self._placed(rows, found))

    def _placed(self, rows: Sequence[Row], found: Mapping[tuple[Who, str], Row]) -> Iterator[Row]:
        for row in rows:
            difference = found.get((row.who, row.target))
            if difference is None or (row.quantity, row.budget) != (self.quantity, self.budget) or row.mean is None:
                yield row
            else:
                yield row.model_copy(update={"baseline": difference.baseline, "p_value": difference.p_value})
                yield difference

    def _differences(
        self, mine: Entrant, theirs: Entrant, target: str, curves: Sequence[Curve]
    ) -> list[list[float]] | None:
        """One list per draw, with one value for each seed on which all found something; None without such a seed."""
        ranks, baseline = self._values(mine, target, curves), self._values(theirs, target, curves)
        if not ranks or not baseline:
            return None
        if mine.fixed and not theirs.fixed:
            draws = {draw for draw, _ in ranks}
            ranks = {(draw, seed): ranks[draw, _only(ranks)] for draw in draws for _, seed in baseline}
        of_seed = {seed: np.mean([r for (_, s), r in baseline.items() if s == seed]) for _, seed in baseline}
        if theirs.fixed:
            of_seed = dict.fromkeys((seed for _, seed in ranks), of_seed[_only(baseline)])
        draws = {draw for draw, _ in ranks}
        paired = [seed for seed in sorted(of_seed) if all((draw, seed) in ranks for draw in draws)]
        if not paired:
            return None
        return [[ranks[draw, seed] - float(of_seed[seed]) for seed in paired] for draw in sorted(draws)]

    def _values(self, entrant: Entrant, target: str, curves: Sequence[Curve]) -> Values:
        wanted = self.targets if target == "mean" else [target]
        found: dict[tuple[int, int], list[float]] = {}
        for curve in curves:
            if curve.who == entrant.who and curve.task in wanted and self.budget in curve.returned:
                value = getattr(curve.returned[self.budget], self.quantity)
                if value is not None:
                    found.setdefault((curve.draw or 0, curve.seed), []).append(value)
        return {run: float(np.mean(ranks)) for run, ranks in found.items() if len(ranks) == len(wanted)}


def _only(of_fixed: Values) -> int:
    """The one seed of an entrant in which nothing is random."""
    (seed,) = {seed for _, seed in of_fixed}
    return seed


def _p_value(differences: list[list[float]] | None) -> float | None:
    """p over seeds. Draws of a reasoner are averaged first: seeds of one draw are no independent draws."""
    if differences is None:
        return None
    of_seeds = np.mean(differences, axis=0)
    return paired_p_value(of_seeds.tolist(), [0.0] * len(of_seeds)) if len(of_seeds) > 1 else None


def baselines(entrants: Sequence[Entrant], wanted: str | None) -> dict[Who, Entrant]:
    """The baseline of each ``who``.

    This is ``wanted``, a method or a label; else the study's own choice; else the method's search alone (``gp`` for
    ``lapt-gp``, if it runs); else the pipeline's. Raises ConfigError for one that does not run.
    """
    known = list(dict.fromkeys(entrant.method for entrant in entrants))
    named = [e for e in entrants if wanted in (e.method, e.label)]
    if wanted is not None and not named:
        raise ConfigError(f"a baseline that runs, among {known}", repr(wanted), "name one of them, or add it")
    found = {}
    for entrant in entrants:
        baseline = _closest(entrant, named) if wanted is not None else _usual(entrant, entrants)
        if baseline is not None and baseline.who != entrant.who:
            found[entrant.who] = baseline
    return found


def _usual(entrant: Entrant, entrants: Sequence[Entrant]) -> Entrant | None:
    if entrant.against is not None:
        return next((e for e in entrants if e.who == entrant.against), None)
    # LAPT with another search method has a pipeline with that one; all else has the pipeline as it was declared.
    declared = [e.pipeline.search.method for e in entrants if not e.method.startswith("lapt-")]
    for method in (entrant.method.removeprefix("lapt-"), *declared[:1]):
        alone = [e for e in entrants if e.method == method]
        if alone and method != entrant.method:
            return _closest(entrant, alone)
    return None


def _closest(entrant: Entrant, candidates: Sequence[Entrant]) -> Entrant:
    """Of several candidates, the one with the same source budget and variant."""
    return max(candidates, key=lambda e: (e.source_budget == entrant.source_budget, e.variant == entrant.variant))


def notes(
    entrants: Sequence[Entrant], found: Mapping[Who, Entrant], budget: int, quantity: Quantity = "rank"
) -> Iterator[str]:
    if not found:
        return
    better = " (negative: better)" if quantity == "rank" else ""
    means = " (means: over methods)" if quantity == "rank" else ""
    yield (
        f"{quantity} - baseline's: at {budget} evaluations, over the same seeds, mean and 95 % "
        f"interval{better}; p: Wilcoxon signed-rank (Pratt), Holm over methods and targets{means}"
    )
    if any(entrant.draws for entrant in entrants):
        yield "p of what is drawn from a reasoner: of the mean over its draws, so conditional on these draws"
    yield from conditional(entrants)


def conditional(entrants: Sequence[Entrant]) -> Iterator[str]:
    """A note if every seed of some entrant reads the same principles."""
    if any(
        entrant.method.startswith("lapt-")
        and deterministic(entrant.pipeline.reasoner)
        and not entrant.pipeline.source.drawn
        for entrant in entrants
    ):
        yield (
            "p values are conditional on the one archive that every seed reads, of which a reasoner without chance "
            "says one thing: they tell what the search's luck does, not what another source would do "
            "(--resampled draws archives from it, with replacement)"
        )


ENOUGH = 9
"""Number of seeds from which p can fall below 0.01 in one comparison: the smallest p is 2^(1 - seeds)."""


def few(seeds: int) -> Iterator[str]:
    """A note if there are too few seeds for a small p."""
    if seeds < ENOUGH:
        yield f"{seeds} seeds: no p can be below {2 ** (1 - seeds):.2g}, before Holm"
