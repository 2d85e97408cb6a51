"""A study as one page of HTML: its tables and plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from flows.studies.literature import TABLES
from flows.studies.rows import Anytime, ParetoResult, StudyResult, TransferResult
from flows.studies.show.plots import drawings, named, subjects
from flows.studies.show.tables import remarks, tables
from lapt.pipeline.wording import lasting
from lapt.report.figures import svg
from lapt.report.pages import page
from lapt.report.tables import Table


def study_page(study_id: str, result: StudyResult, versions: Mapping[str, str]) -> str:
    """The study as one HTML document that needs no other file. ``versions``: package -> version."""
    return page(
        "study",
        title=f"study {result.heading}{_seeds(result)}",
        study_id=study_id,
        about=_about(result),
        groups=_groups(tables(result)),
        remarks=[*remarks(result), *result.notes, f"took {lasting(result.seconds)}"],
        figures=[
            {"target": target, "drawn": _figures(result, target, f"f{place}")}
            for place, target in enumerate(subjects(result), start=1)
        ],
        versions=", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        command=result.command or f"lapt study {result.study}" + (f" --seeds {result.seeds}" if result.seeds else ""),
    )


def _seeds(result: StudyResult) -> str:
    return f", {result.seeds} seed{'s' if result.seeds > 1 else ''}" if result.seeds else ""


def _about(result: StudyResult) -> list[str]:
    if result.study in TABLES:
        return ["Published figures, and what can be counted here: no network is trained."]
    return [
        f"Pipeline {result.pipeline}; methods: {', '.join(result.methods)}.",
        "Rows are means over the same seeds. Brackets: 95 % intervals by bootstrap. Published figures are named so.",
    ]


def _groups(found: Iterable[Table]) -> list[list[Table]]:
    """Tables that belong together. A table without a caption belongs to the one before."""
    groups: list[list[Table]] = []
    for table in found:
        if table.caption or not groups:
            groups.append([])
        groups[-1].append(table)
    return groups


def _figures(result: StudyResult, target: str, name: str) -> list[dict[str, str]]:
    found = []
    for kind, draw in drawings(result, target):
        curves = [curve for curve in result.curves if curve.target == target]
        height = 3.6 if len(curves) < 9 or kind not in ("ranks", "validation") else 3.6 + 0.13 * len(curves)
        drawn = svg(f"{name}-{kind}", _alt(result, kind, target, curves), draw, size=(5.6, height))
        found.append({"svg": Markup(drawn), "said": _SAID[kind]})
    return found


def _alt(result: StudyResult, kind: str, target: str, curves: Sequence[Anytime]) -> str:
    """The figure for those who do not see it."""
    if isinstance(result, TransferResult):
        of_pairs = (f"{pair.source} to {pair.target}: {pair.difference:+.2f}" for pair in result.pairs)
        return f"{_SAID[kind]}. {', '.join(of_pairs)}"
    if isinstance(result, ParetoResult):
        ends = (f"{one.method} {one.mean[-1]:.3f}" for one in result.hypervolumes if one.target == target)
        return f"{_SAID[kind]}, {target}. At the end: {', '.join(ends)}"
    return f"{_SAID[kind]} on {target}. {_ends(curves)}"


_SAID = {
    "heatmap": "From each row's task to each column's; blue: lower ranks than without LAPT, red: higher ones",
    "anytime": "The incumbent as the budget grows, mean over seeds",
    "ranks": "Ranks of what each run found; the box: half of the runs, the line: the median, the triangle: the mean",
    "validation": "Validation scores of what each run found; the box: half of the runs, the line: the median, the "
    "triangle: the mean",
    "cost": "The same with the source's evaluations before the target's",
    "hypervolume": "Share of the true front's hypervolume that is missing, mean over seeds and 95 % intervals",
    "ecdf": "Scores inside the refined spaces among those of the whole space; below the diagonal is better",
}


def _ends(curves: Sequence[Anytime]) -> str:
    ranked = [f"{named(curve)}: rank {curve.rank[-1]:.1f}" for curve in curves if curve.rank]
    return f"At the end: {', '.join(ranked)}" if ranked else ""
