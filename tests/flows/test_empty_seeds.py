"""Studies in which some seeds find nothing: they count as worst, no row is lost, and what is written is JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.screen.study import as_json
from flows.studies.count.contrasts import Contrasts
from flows.studies.count.figures import Curve, Figures, Returned, anytime
from flows.studies.entrants.methods import Entrant, alone, lapt_entrant
from flows.studies.rows import Row, StudyResult
from flows.studies.show.plots import plots
from flows.studies.show.tables import tables
from lapt.pipeline.config import load_pipeline

DECLARED = load_pipeline("invented", ["search.population_size=2", "adaptation.iterations=1"])
BUDGET = DECLARED.budget
LAST = 1_000
"""Architectures that are ranked."""
MINE = lapt_entrant(DECLARED)
THEIRS = Entrant("rea", DECLARED, lambda bench, task, seed: alone("rea", bench, task, seed), BUDGET)


def curve(entrant: Entrant, task: str, seed: int, *, found: bool, ranked: bool, draw: int | None = None) -> Curve:
    """Of a run that scored 10 + seed at once, with rank 3 + seed; or nothing at all."""
    rank = (3 + seed if found else LAST) if ranked else None
    value = 10.0 + seed if found else None
    return Curve(
        who=entrant.who,
        task=task,
        draw=draw,
        seed=seed,
        to_top=None,
        to_best=None,
        evaluations=BUDGET if found else 0,
        returned={BUDGET: Returned(value, value, rank)},
        principles={"support": 0.5} if found and entrant is MINE else {},
        ranks=(rank,) * BUDGET if rank is not None else (),
        values=(value,) * BUDGET,
        failed=0 if found else 7,
    )


def result_of(curves: Sequence[Curve], entrants: Sequence[Entrant] = (MINE, THEIRS)) -> StudyResult:
    ranked = all(one.ranked for one in curves)
    units = dict.fromkeys(DECLARED.targets, "%")
    rows = list(Figures(entrants, DECLARED.targets, units).rows(curves))
    quantity: Any = "rank" if ranked else "validation"
    tests = Contrasts(entrants, DECLARED.targets, BUDGET, {MINE.who: THEIRS}, quantity, units)
    return StudyResult(
        study="s",
        pipeline="p",
        seeds=3,
        methods=("lapt-rea", "rea"),
        rows=tuple(tests.tested(rows, curves)),
        seconds=1.0,
        curves=tuple(anytime(e, task, BUDGET, curves) for task in DECLARED.targets for e in entrants),
    )


def keys(result: StudyResult) -> set[tuple[str, str, str]]:
    return {(row.method, row.target, row.quantity) for row in result.rows}


def study(found: Sequence[tuple[bool, bool]], ranked: bool) -> StudyResult:
    return result_of(
        [
            curve(entrant, task, seed, found=one[at], ranked=ranked)
            for seed, one in enumerate(found)
            for (at, entrant), task in product(enumerate((MINE, THEIRS)), DECLARED.targets)
        ]
    )


@cache
def keys_of_whole(seeds: int, ranked: bool) -> set[tuple[str, str, str]]:
    """Of a study in which every seed finds something."""
    return keys(study([(True, True)] * seeds, ranked))


def strict(text: str) -> Any:
    """As JSON has it: no NaN, no infinities."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("ranked", [True, False])
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=4))
def test_whatever_seeds_are_empty_no_row_is_lost(ranked: bool, found: list[tuple[bool, bool]]) -> None:
    result, whole = study(found, ranked), keys_of_whole(len(found), ranked)
    paired = {key for key in whole if key[2] == "validation_difference"}
    supported = {key for key in whole if key[2] == "support"}
    unsaid = paired | (supported if not any(mine for mine, _ in found) else set())
    if not any(any(both) for both in found):
        unsaid |= {key for key in whole if key[2] == "test"}
    assert keys(result) >= whole - unsaid
    if any(all(both) for both in found):
        assert keys(result) >= paired
    for at, method in enumerate(("lapt-rea", "rea")):
        scored = [seed for seed, one in enumerate(found) if one[at]]
        of = {row.quantity: row for row in result.rows if (row.method, row.target) == (method, DECLARED.targets[0])}
        if ranked:
            expected = [3 + seed if seed in scored else LAST for seed in range(len(found))]
            assert of["rank"].mean == pytest.approx(sum(expected) / len(found))
            assert of["rank"].seeds == len(found)
        validation = of["validation"]
        assert (validation.seeds, validation.censored) == (len(scored), len(found) - len(scored))
        mean = sum(10 + seed for seed in scored) / len(scored) if scored else None
        assert validation.mean == (None if mean is None else pytest.approx(mean))
        empty = len(found) - len(scored)
        assert ("found_nothing" in of) == ("failed" in of) == (empty > 0)
        if empty:
            assert of["found_nothing"].mean == pytest.approx(empty / len(found))
    assert StudyResult.model_validate(strict(as_json(result))) == result
    strict(result.model_dump_json())
    assert list(tables(result))


def cells(result: StudyResult) -> str:
    return "\n".join(" | ".join(row.cells) for table in tables(result) for row in table.rows)


def test_the_tables_say_how_many_seeds_found_nothing(tmp_path: Path) -> None:
    of = [
        curve(entrant, task, seed, found=seed != 0, ranked=True)
        for seed, entrant, task in product(range(3), (MINE, THEIRS), DECLARED.targets)
    ]
    said = cells(result_of(of))
    assert "1 of 3" in said
    assert "2.3 a run" in said  # 7 failed evaluations in one of three runs
    assert plots(result_of(of), tmp_path)
    assert all(path.stat().st_size for path in tmp_path.iterdir())


def test_draws_of_which_some_seeds_are_empty_are_summarised_together() -> None:
    drawn = lapt_entrant(load_pipeline("invented", ["reasoner={kind: random}"]), draws=2)
    of = [
        curve(drawn, task, seed, found=(draw, seed) != (0, 0), ranked=False, draw=draw)
        for draw, seed, task in product(range(2), range(2), DECLARED.targets)
    ]
    rows = list(Figures([drawn], DECLARED.targets, dict.fromkeys(DECLARED.targets, "")).rows(of))
    (first, *_) = [row for row in rows if row.quantity == "validation"]
    assert (first.mean, first.seeds, first.censored) == (pytest.approx((11 + 10 + 11) / 3), 3, 1)


def test_a_study_of_an_earlier_version_is_read() -> None:
    row = Row(method="m", reasoner=None, target="t", quantity="rank", unit="", mean=1.0)
    said = StudyResult(study="s", pipeline="p", seeds=1, methods=("m",), rows=(row,), seconds=1.0).model_dump()
    del said["title"]
    assert StudyResult.model_validate(said).heading == "s"
