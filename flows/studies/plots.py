"""Plots of a study: incumbents against evaluations, and ranks, or scores where there are none, as boxes.

Needs matplotlib (extra ``plots``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flows.studies.rows import Anytime, StudyResult
from lapt.errors import ConfigError

FORMATS = ("svg", "png")


def require_matplotlib() -> None:
    """Raises ConfigError where it is missing: better known before a study than after."""
    if find_spec("matplotlib") is None:
        raise ConfigError("matplotlib, to plot", "an environment without it", "pip install 'lapt[plots]'")


def plots(result: StudyResult, folder: Path) -> list[Path]:
    """Writes both plots of each target, as SVG and PNG, and returns their paths.

    Raises ConfigError without matplotlib, for a study without curves, and for a folder that cannot be written.
    """
    require_matplotlib()
    if not result.curves:
        raise ConfigError("a study that searches", result.study, "leave --plots out: it has no curves")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"a folder at {folder}", str(error), "name another") from None
    import matplotlib as mpl

    mpl.use("Agg")  # no screen is needed
    written = []
    for target in dict.fromkeys(curve.target for curve in result.curves):
        curves = [curve for curve in result.curves if curve.target == target]
        boxes = "ranks" if curves[0].rank else "validation"
        drawings: dict[str, Callable[[Any, Sequence[Anytime]], None]] = {"anytime": _anytime, boxes: _boxes}
        for name, draw in drawings.items():
            written += _written(folder / f"{result.study}-{target}-{name}", target, curves, draw)
    return written


def _written(
    path: Path, target: str, curves: Sequence[Anytime], draw: Callable[[Any, Sequence[Anytime]], None]
) -> list[Path]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    draw(axes, curves)
    axes.set_title(target)
    paths = [path.with_name(f"{path.name}.{suffix}") for suffix in FORMATS]
    for written in paths:
        figure.savefig(written, dpi=150)
    return paths


def _anytime(axes: Any, curves: Sequence[Anytime]) -> None:
    ranked = bool(curves[0].rank)
    for curve in curves:
        axes.step(curve.evaluations, curve.rank if ranked else curve.validation, where="post", label=named(curve))
    longest = max(curve.evaluations[-1] for curve in curves)
    if ranked:
        axes.set(xlabel="evaluations", ylabel="mean rank of the incumbent", yscale="log")
    else:
        axes.set(xlabel="evaluations", ylabel="mean validation score of the incumbent")
    if longest > 2 * min(curve.budget for curve in curves):
        axes.set_xscale("log")  # baselines that run on would squeeze LAPT's budget into a corner
    axes.legend(fontsize="small")


def _boxes(axes: Any, curves: Sequence[Anytime]) -> None:
    ranked = bool(curves[0].rank)
    runs = [curve.ranks if ranked else curve.validations for curve in curves]
    axes.boxplot(runs, orientation="horizontal", showmeans=True)
    axes.set_yticks(range(1, len(curves) + 1), [named(curve) for curve in curves], fontsize="small")
    axes.invert_yaxis()
    what = "rank" if ranked else "validation score"
    axes.set(xlabel=f"{what} after {curves[0].budget} evaluations, one a run; triangle: mean")
    if ranked:
        axes.set_xscale("log")


def named(curve: Anytime) -> str:
    source = [f"{curve.source_budget:,} from the source"] if curve.source_budget else []
    return ", ".join([part for part in (curve.method, curve.reasoner, curve.variant) if part] + source)
