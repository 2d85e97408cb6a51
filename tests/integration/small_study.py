"""A study of two methods on one target, as its rows and curves."""

from __future__ import annotations

from flows.studies.rows import Anytime, Row, StudyResult


def a_study() -> StudyResult:
    rows = []
    curves = []
    for number, method in enumerate(("lapt-rea", "rea")):
        figures = {"mean": 20.0 + number, "sd": 2.0, "ci_low": 18.0, "ci_high": 22.0, "median": 20.0, "seeds": 3}
        for quantity in ("rank", "validation", "archs_to_top_0.1%", "archs_to_best_if_found", "hit_rate"):
            rows.append(
                Row(
                    method=method, reasoner=None, target="<b>t</b>", quantity=quantity, unit="", budget=20,
                    q25=1.0, q75=2.0, published="4.9" if number == 0 else None, **figures,  # type: ignore[arg-type]
                )
            )  # fmt: skip
        ranks = tuple(float(1000 - 40 * n) for n in range(20))
        curves.append(
            Anytime(
                method=method, reasoner=None, variant=None, source_budget=None, target="<b>t</b>",
                evaluations=tuple(range(1, 21)), rank=ranks, validation=ranks, budget=20, ranks=(3, 7, 81),
            )
        )  # fmt: skip
    return StudyResult(
        study="s", pipeline="p", seeds=3, methods=("lapt-rea", "rea"), rows=tuple(rows), seconds=1.0,
        curves=tuple(curves), notes=("a <note>",), failures=("x: y",),
    )  # fmt: skip
