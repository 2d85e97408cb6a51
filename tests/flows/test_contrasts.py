"""Whether a method beats its baseline, on cases computed by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flows.studies import Comparison
from flows.studies.count.contrasts import Contrasts, baselines
from flows.studies.count.figures import Curve, Returned
from flows.studies.entrants.methods import Entrant, with_controls
from flows.studies.rows import Row
from lapt.base.statistics import holm, paired_p_value
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, load_pipeline

INVENTED = load_pipeline("invented")


def test_five_seeds_that_all_gain_differently_have_two_of_the_32_signs() -> None:
    assert paired_p_value([1, 2, 3, 4, 5], [2, 4, 6, 8, 10]) == pytest.approx(2 / 32)
    assert paired_p_value([3, 5], [3, 5]) == 1


def test_one_small_loss_among_five_leaves_six_of_the_32() -> None:
    # |differences| 1 to 5, the smallest of the other sign: rank sums of at most 1 are {} and {1}, on both sides.
    assert paired_p_value([11, 8, 7, 6, 5], [10, 10, 10, 10, 10]) == pytest.approx(4 / 32)


def test_holm_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2, 0.04 x 1, none below the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def curves(entrant: Entrant, ranks: dict[str, list[int]], draw: int | None = None) -> list[Curve]:
    return [
        Curve(entrant.who, task, draw, seed, None, None, 20, {20: Returned(0.0, None, rank)}, {})
        for task, of_seeds in ranks.items()
        for seed, rank in enumerate(of_seeds)
    ]


def entrants(*methods: str) -> list[Entrant]:
    known = {entrant.method: entrant for entrant in with_controls(INVENTED)}
    return [known[method] for method in methods]


def rank_row(entrant: Entrant, target: str) -> Row:
    who = dict(zip(("method", "reasoner", "variant", "source_budget"), entrant.who, strict=True))
    return Row(**who, target=target, quantity="rank", unit="", mean=0.0, budget=20)


def test_differences_are_paired_by_seed_and_corrected_over_methods_and_targets() -> None:
    lapt, rea, random = known = entrants("lapt-rea", "rea", "random")
    found = [
        *curves(lapt, {"a": [1, 2, 3, 4, 5], "b": [10, 10, 10, 10, 10]}),
        *curves(rea, {"a": [2, 4, 6, 8, 10], "b": [10, 10, 10, 10, 10]}),
        *curves(random, {"a": [2, 4, 6, 8, 10], "b": [11, 12, 13, 14, 15]}),
    ]
    rows = [rank_row(e, target) for target in ("a", "b", "mean") for e in known]
    tests = Contrasts(known, ["a", "b"], 20, baselines(known, None))
    by = {(r.method, r.target, r.quantity): r for r in tests.tested(rows, found)}
    difference = by["lapt-rea", "a", "rank_difference"]
    assert (difference.mean, difference.baseline, difference.seeds) == (-3, "rea", 5)
    assert difference.ci_low < -3 < difference.ci_high < 0
    # Four tests: two of 1/16, two of 1. The smallest times four, then times three, raised to what went before.
    assert difference.p_value == by["lapt-rea", "a", "rank"].p_value == pytest.approx(4 / 16)
    assert by["random", "b", "rank_difference"].p_value == pytest.approx(4 / 16)
    assert by["lapt-rea", "b", "rank"].p_value == 1
    # The means over the targets are two tests of their own, 1/16 each.
    assert by["lapt-rea", "mean", "rank_difference"].mean == -1.5
    assert by["lapt-rea", "mean", "rank"].p_value == pytest.approx(2 / 16)
    assert by["rea", "a", "rank"].baseline is None
    assert ("rea", "a", "rank_difference") not in by


def test_one_fixed_run_stands_for_every_seed_and_two_are_not_tested() -> None:
    ranking, rea, mode = known = entrants("source_ranking", "rea", "mode")
    ranking, mode = replace(ranking, fixed=True), replace(mode, fixed=True)
    found = [
        *curves(ranking, {"a": [3]}),
        *curves(mode, {"a": [1]}),
        *curves(rea, {"a": [4, 5, 6, 7, 8]}),
    ]
    known = [ranking, rea, mode]
    rows = [rank_row(e, "a") for e in known]
    against_rea = Contrasts(known, ["a"], 20, baselines(known, "rea")).tested(rows, found)
    difference = next(r for r in against_rea if (r.method, r.quantity) == ("source_ranking", "rank_difference"))
    assert (difference.mean, difference.seeds) == (-3, 5)
    against_mode = Contrasts(known, ["a"], 20, baselines(known, "mode")).tested(rows, found)
    by = {(r.method, r.quantity): r for r in against_mode}
    assert by["rea", "rank_difference"].mean == 5
    assert (by["source_ranking", "rank_difference"].mean, by["source_ranking", "rank"].p_value) == (2, None)


def test_seeds_of_one_draw_are_no_independent_draws() -> None:
    lapt, rea = entrants("lapt-rea", "rea")
    lapt = replace(lapt, draws=4)
    found = [c for draw in range(4) for c in curves(lapt, {"a": [1, 2, 3, 4, 5]}, draw)]
    found += curves(rea, {"a": [2, 4, 6, 8, 10]})
    tests = Contrasts([lapt, rea], ["a"], 20, baselines([lapt, rea], None))
    (row,) = (r for r in tests.tested([rank_row(lapt, "a")], found) if r.quantity == "rank_difference")
    assert row.p_value == pytest.approx(2 / 32)  # 20 pairs would have given far less
    assert (row.draws, row.seeds, row.mean) == (4, 5, -3)


def test_lapt_gp_is_held_against_gp_and_everything_else_against_the_pipelines_search() -> None:
    known = entrants("lapt-rea", "lapt-gp", "gp", "rea", "mode")
    found = {who[0]: baseline.method for who, baseline in baselines(known, None).items()}
    assert found == {"lapt-rea": "rea", "lapt-gp": "gp", "gp": "rea", "mode": "rea"}
    without = {who[0]: b.method for who, b in baselines(entrants("lapt-gp", "rea"), None).items()}
    assert without == {"lapt-gp": "rea"}
    assert baselines(entrants("lapt-rea", "mode"), None) == {}
    named = {who[0]: b.method for who, b in baselines(known, "mode").items()}
    assert named == dict.fromkeys(("lapt-rea", "lapt-gp", "gp", "rea"), "mode")
    with pytest.raises(ConfigError, match="a baseline that runs"):
        baselines(known, "random")


def test_baselines_that_run_on_are_compared_at_lapts_budget(tmp_path: Path) -> None:
    study = Comparison(
        "s",
        with_controls(INVENTED, 60),
        seeds=3,
        methods=["lapt-rea", "rea"],
        execution=Execution(store=str(tmp_path), processes=1),
    )
    result = study.run()
    tested = {(r.method, r.quantity, r.budget) for r in result.rows if r.baseline}
    assert tested == {("lapt-rea", "rank", 20), ("lapt-rea", "rank_difference", 20)}
    by = {(r.method, r.target, r.quantity, r.budget): r.mean for r in result.rows}
    for target in ("invented_a", "invented_b", "mean"):
        mine, theirs = by["lapt-rea", target, "rank", 20], by["rea", target, "rank", 20]
        assert by["lapt-rea", target, "rank_difference", 20] == pytest.approx(mine - theirs)
    assert any("Holm" in note for note in result.notes)
    assert not any("one archive" in note for note in result.notes)  # here every seed draws its own
