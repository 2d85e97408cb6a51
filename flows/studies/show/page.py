"""A study as one page of HTML: the tables of the terminal, and the plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from rich.table import Table as Printed

from flows.screen.study import remarks, tables
from flows.studies.literature import TABLES
from flows.studies.rows import Anytime, StudyResult
from flows.studies.show.plots import drawings, named
from lapt.pipeline.wording import lasting
from lapt.report.figures import svg
from lapt.report.pages import Column, Table, page


def study_page(study_id: str, result: StudyResult, versions: Mapping[str, str]) -> str:
    """One HTML document, which reads nothing else. ``versions``: package -> version, of what ran it."""
    targets = list(dict.fromkeys(curve.target for curve in result.curves))
    targets += [row.target for row in result.rows if row.target not in (*targets, "mean")]
    return page(
        "study",
        title=f"study {result.heading}{_seeds(result)}",
        study_id=study_id,
        about=_about(result),
        groups=_groups([_as_html(table) for table in tables(result)]),
        remarks=[*remarks(result), *result.notes, f"took {lasting(result.seconds)}"],
        figures=[
            {"target": target, "drawn": _figures(result, target, f"f{place}")}
            for place, target in enumerate(dict.fromkeys(targets), start=1)
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


def _groups(found: Sequence[dict[str, object]]) -> list[list[dict[str, object]]]:
    """Tables that belong together: those without a caption to the one before."""
    groups: list[list[dict[str, object]]] = []
    for table in found:
        if table["caption"] or not groups:
            groups.append([])
        groups[-1].append(table)
    return groups


def _as_html(printed: Printed) -> dict[str, object]:
    """What the terminal shows, cell by cell."""
    heads = [str(column.header).replace("\n", " ") for column in printed.columns]
    table = Table(
        *(Column(head, number=column.justify == "right") for head, column in zip(heads, printed.columns, strict=True))
    )
    for cells in zip(*(column.cells for column in printed.columns), strict=True):
        table.add(
            *(str(cell).replace("_\n", "_").replace("\n", " ") for cell in cells), ours=cells[0].startswith("lapt")
        )
    return {"caption": str(printed.title or ""), "columns": table.columns, "rows": table.rows}


def _figures(result: StudyResult, target: str, name: str) -> list[dict[str, object]]:
    found = []
    for kind, draw in drawings(result, target):
        curves = [curve for curve in result.curves if curve.target == target]
        height = 3.6 if len(curves) < 9 or kind not in ("ranks", "validation") else 3.6 + 0.13 * len(curves)
        drawn = svg(f"{name}-{kind}", f"{_SAID[kind]} on {target}. {_ends(curves)}", draw, size=(5.6, height))
        found.append({"svg": Markup(drawn), "said": _SAID[kind]})
    return found


_SAID = {
    "anytime": "The incumbent as the budget grows, mean over seeds",
    "ranks": "Ranks of what each run found; the box: half of the runs, the line: the median, the triangle: the mean",
    "validation": "Validation scores of what each run found; the box: half of the runs, the line: the median, the "
    "triangle: the mean",
    "cost": "The same with the source's evaluations before the target's",
    "ecdf": "Scores inside the refined spaces among those of the whole space; below the diagonal is better",
}


def _ends(curves: Sequence[Anytime]) -> str:
    ranked = [f"{named(curve)}: rank {curve.rank[-1]:.1f}" for curve in curves if curve.rank]
    return f"At the end: {', '.join(ranked)}" if ranked else ""
