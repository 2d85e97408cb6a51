"""Plots of studies: the files that are written."""

from __future__ import annotations

from pathlib import Path

from flows.studies.rows import Anytime, Row, StudyResult
from flows.studies.show import plots


def curve(method: str, evaluations: int) -> Anytime:
    ranks = tuple(float(100 - n) for n in range(evaluations))
    return Anytime(
        method=method,
        reasoner=None,
        variant=None,
        source_budget=50 if method == "mode" else None,
        target="cifar10",
        evaluations=tuple(range(1, evaluations + 1)),
        rank=ranks,
        validation=ranks[::-1],
        budget=20,
        ranks=(3, 7, 81),
    )


RESULT = StudyResult(
    study="s", pipeline="p", seeds=3, methods=("rea",), rows=(), seconds=0, curves=(curve("rea", 60), curve("mode", 20))
)


def test_each_target_gets_curves_and_boxes_in_both_formats(tmp_path: Path) -> None:
    written = plots.plots(RESULT, tmp_path / "plots")
    names = {f"s-cifar10-{name}.{suffix}" for name in ("anytime", "ranks") for suffix in ("svg", "png")}
    names |= {f"s-cifar10-cost.{suffix}" for suffix in ("svg", "png")}
    assert {path.name for path in written} == names
    assert all(path.stat().st_size > 1000 for path in written)
    assert (tmp_path / "plots" / "s-cifar10-ranks.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "plots" / "s-cifar10-anytime.svg").read_text()


def test_lines_are_told_apart_by_what_their_source_cost() -> None:
    assert [plots.named(c) for c in RESULT.curves] == ["rea", "mode, 50 from the source"]


def test_refined_spaces_are_drawn_as_distributions(tmp_path: Path) -> None:
    rows = tuple(
        Row(method=method, reasoner=reasoner, target="cifar10", quantity=f"ecdf_at_q{q}", unit="", mean=share * q / 100)
        for method, reasoner, share in (("omega", None, 1.0), ("omega_r", "patterns", 0.2))
        for q in (10, 50, 99)
    )
    result = RESULT.model_copy(update={"curves": (), "rows": rows, "study": "quality"})
    written = plots.plots(result, tmp_path)
    assert {path.name for path in written} == {"quality-cifar10-ecdf.svg", "quality-cifar10-ecdf.png"}
