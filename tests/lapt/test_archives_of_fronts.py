"""Archives of fronts: architectures that are good and cheap on the source task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_constraints import NAS201, declared, evaluator, table, weight

from lapt.archive import Archive, NothingScored, best_of_all, of_fronts
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Quantity
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import Pipeline, load_pipeline
from lapt.pipeline.steps import Steps
from lapt.reasoning import Frequency, Patterns

METRIC = "invented score"
SIZE = Quantity(lambda architectures: np.array([weight(one) for one in architectures]))


def fronts(**archive: object) -> Pipeline:
    section = ", ".join(f"{key}: {value}" for key, value in archive.items())
    return declared(
        f"objectives=[{METRIC}, parameters]", "search.method=gp", f"source.archive={{strategy: front, {section}}}"
    )


def beaten(entry: Evaluation, others: tuple[Evaluation, ...]) -> int:
    """The number of entries with a better score at no higher cost, or as good a one at a lower cost."""
    mine = entry.score, -weight(entry.architecture)
    return sum(
        other.score >= mine[0] and -weight(other.architecture) >= mine[1]
        and (other.score, -weight(other.architecture)) != mine
        for other in others
    )  # fmt: skip


def test_layers_by_hand() -> None:
    # (score, cost) of six functions: the front is a, b, d; the second layer c, e; the third f.
    points = {"a": (9.0, 50), "b": (7.0, 30), "c": (8.0, 55), "d": (3.0, 10), "e": (2.0, 20), "f": (1.0, 60)}
    cells = list({NAS201.canonical(NAS201.sample(np.random.default_rng(seed))) for seed in range(40)})[: len(points)]
    assert len(cells) == len(points)
    of = dict(zip(points, cells, strict=True))
    costs = {of[name]: float(cost) for name, (_, cost) in points.items()}
    seen = evaluator("invented_source").evaluate(list(of.values()))
    entries = tuple(replace(one, value=points[name][0]) for one, name in zip(seen, points, strict=True))
    archive = Archive(NAS201, "invented_source", entries, asked=entries, chosen_from=6)
    quantity = Quantity(lambda architectures: np.array([costs[one] for one in architectures]))
    chosen = {size: of_fronts(archive, "cost", quantity, size) for size in (3, 5, 6)}
    names = {cell: name for name, cell in of.items()}
    assert [names[one.architecture] for one in chosen[3].entries] == ["a", "b", "d"]
    assert [names[one.architecture] for one in chosen[5].entries] == ["a", "c", "b", "d", "e"]
    assert len(chosen[6].entries) == 6
    assert chosen[3].cost == "cost"
    assert chosen[3].asked == chosen[3].entries


def test_the_archive_of_a_whole_table_starts_with_its_front_and_has_each_function_once() -> None:
    steps = Steps(fronts(size=20), NAS201, Frequency())
    source = evaluator("invented_source")
    archive = steps.build_archive(source)
    best = best_of_all(NAS201, source, 20)
    assert len({NAS201.canonical(one.architecture) for one in archive.entries}) == len(archive.entries) == 20
    assert archive.entries[0].score == best.entries[0].score
    assert min(weight(one.architecture) for one in archive.entries) < min(
        weight(one.architecture) for one in best.entries
    )
    every = best_of_all(NAS201, source, NAS201.size).entries
    assert sum(beaten(one, every) == 0 for one in archive.entries) >= 5
    assert archive.chosen_from == NAS201.size


def test_an_archive_that_is_paid_for_costs_its_samples_and_has_their_front() -> None:
    steps = Steps(fronts(size=8, samples=40), NAS201, Frequency())
    archive = steps.build_archive(evaluator("invented_source"))
    assert len(archive.asked) == archive.chosen_from == 40
    assert len(archive.entries) == 8
    assert sum(beaten(one, archive.asked) == 0 for one in archive.entries) == min(
        8, sum(beaten(one, archive.asked) == 0 for one in archive.asked)
    )
    assert fronts(size=8, samples=40).source.drawn
    assert not fronts(size=8).source.drawn


def test_principles_of_a_front_are_of_cheap_architectures_too() -> None:
    said = {}
    for strategy in ("top", "front"):
        pipeline = fronts(size=30) if strategy == "front" else declared(
            f"objectives=[{METRIC}, parameters]", "search.method=gp", "source.archive={strategy: top, size: 30}"
        )  # fmt: skip
        steps = Steps(pipeline, NAS201, Patterns())
        principles = steps.learn(steps.build_archive(evaluator("invented_source")))
        refined = steps.refine(principles, task="invented_a")
        said[strategy] = np.mean([weight(one) for one in refined.members()])
    assert said["front"] < said["top"]


def test_a_source_whose_costs_are_not_known_is_refused() -> None:
    holes = TableEvaluator(replace(table(), columns={"ms": np.full(15_625, np.nan)}), NAS201, "invented_source")
    pipeline = declared(f"objectives=[{METRIC}, ms]", "search.method=gp", "source.archive={strategy: front, size: 5}")
    with pytest.raises(NothingScored, match="invented_source whose ms is known; got none of"):
        Steps(pipeline, NAS201, Frequency()).build_archive(holes)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["source.archive={strategy: front}"], "source.archive.strategy front is of two objectives"),
        (
            [f"objectives=[{METRIC}, parameters]", "source.archive={strategy: front, size: 9, samples: 8}"],
            "size (9) is larger than samples (8)",
        ),
    ],
)
def test_wrong_archives_of_fronts_are_one_line(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_pipeline("invented", ["search.method=gp", *overrides])
    assert said in str(error.value)
