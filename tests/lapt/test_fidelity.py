"""Pipelines whose trainings stop early: what Algorithms 1 and 2 see of the rungs, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Metric
from lapt.evaluators import Table, TableEvaluator
from lapt.pipeline.config import Pipeline, validated
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.principles import Principles
from lapt.reasoning import Unguided
from lapt.search.halving import Fidelity, check_rungs
from lapt.spaces import BUILTIN

SPACE = BUILTIN["trans101"]
EPOCHS = (1, 3, 9)


def curves() -> Table:
    """Invented learning curves of every cell: convolutions help late, and an epoch adds noise that falls."""
    cells = list(SPACE.members())
    rng = np.random.default_rng(0)
    good = np.array([sum(operator == "nor_conv_3x3" for operator in cell.operators) for cell in cells], dtype=float)
    scores = {f"task_epoch{n}": {"validation": good * n + rng.normal(0, 3 / n, len(cells))} for n in EPOCHS}
    scores["task"] = scores["task_epoch9"]
    scores["flat"] = {"validation": good}
    metrics = {name: Metric("accuracy", "%") for name in scores}
    return Table("curves", SPACE.name, tuple(SPACE.encode(cell) for cell in cells), scores, metrics, "0")  # type: ignore[arg-type]


TABLE = curves()


def declared(**change: Any) -> dict[str, Any]:
    return {
        "name": "early",
        "space": "trans101",
        "evaluator": {"kind": "table", "table": "curves"},
        "source": "none",
        "targets": ["task"],
        "adaptation": {"iterations": 3, "top_r": 3},
        "search": {"method": "rea", "population_size": 5, "generations": 1, "ask_size": 1},
        "fidelity": {"epochs": [1, 3, 9], "keep": 0.33},
        **change,
    }


class Watched(TargetSearch):
    """Keeps what it evaluated, by epochs, and what Algorithm 2 was given."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: list[int | None] = []
        self.taught: list[Sequence[Evaluation]] = []

    def evaluate(self, architectures: Any, refined: Any, g: int, epochs: int | None = None) -> list[Evaluation]:
        self.asked += [epochs] * len(architectures)
        return super().evaluate(architectures, refined, g, epochs)

    def adapt(
        self, principles: Principles, base: float, best_found: float, evaluations: Sequence[Evaluation], g: int
    ) -> tuple[Principles, float]:
        self.taught.append(evaluations)
        return super().adapt(principles, base, best_found, evaluations, g)


def searched(**change: Any) -> tuple[Watched, Evaluation | None, list[Evaluation]]:
    pipeline = validated(declared(**change), "here")
    watched = Watched(Steps(pipeline, SPACE, Unguided()), TableEvaluator(TABLE, SPACE, "task"))
    nothing = Unguided().learn(SPACE, Steps(pipeline, SPACE, Unguided()).build_archives(lambda source: None)[0])  # type: ignore[arg-type, return-value]
    return watched, *watched.run(nothing)


def test_only_whole_trainings_are_found_and_teach() -> None:
    watched, incumbent, every = searched()
    whole = dict(zip(TABLE.architectures, TABLE.column("task"), strict=True))
    assert every
    assert all(evaluation.value == whole[evaluation.identity] for evaluation in every)
    assert incumbent is not None
    assert incumbent.value == max(whole[evaluation.identity] for evaluation in every)
    assert [list(found) for found in watched.taught] == [every[: len(found)] for found in watched.taught]
    assert watched.taught[-1] == tuple(every)
    assert len(every) == watched.asked.count(9)


def test_the_budget_is_that_of_whole_trainings_in_epochs() -> None:
    """Three iterations of REA have 10 + 5 + 5 evaluations, 180 epochs; a rung adds 1, 2 and 6."""
    watched, _, _ = searched()
    assert watched.rungs is not None
    epochs = watched.asked.count(1) + 2 * watched.asked.count(3) + 6 * watched.asked.count(9)
    assert 180 - 6 < epochs == watched.rungs.spent <= 180
    assert watched.asked.count(1) > 2 * watched.asked.count(3) > 4 * watched.asked.count(9) > 0


def test_without_rungs_every_evaluation_is_whole_and_the_declaration_is_as_before() -> None:
    watched, _, every = searched(fidelity=None)
    assert watched.rungs is None
    assert watched.asked == [None] * 20
    assert len(every) == 20
    assert "fidelity" not in validated(declared(fidelity=None), "here").model_dump(mode="json")


def test_the_same_seed_searches_the_same() -> None:
    assert searched()[2] == searched()[2]


TRAINING = {"kind": "training", "data": "digits", "recipe": {"epochs": 9}}
SUPERNET = {"kind": "supernet", "data": "digits", "recipe": {"epochs": 9}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fidelity": {"epochs": [3, 3, 9]}}, "fidelity.epochs: rungs are numbers of epochs from 1 that rise"),
        ({"fidelity": {"epochs": [9]}}, "fidelity.epochs"),
        ({"fidelity": {"epochs": [3, 9], "keep": 1}}, "fidelity.keep: input should be less than 1"),
        ({"fidelity": {"epochs": [3, 9], "keep": 0}}, "fidelity.keep: input should be greater than 0"),
        ({"fidelity": {"epochs": [3, 27]}, "evaluator": TRAINING}, "end with 27, not with evaluator.recipe.epochs"),
        ({"evaluator": SUPERNET}, "evaluator.kind supernet cannot"),
        ({"fidelity": {"epochs": [1, 3, 9], "keep": 0.05}}, "raise search.generations, or say fewer rungs"),
        ({"search": {"method": "gp"}, "objectives": ["accuracy", "parameters"]}, "one objective"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        validated(declared(**change), "here.yaml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_training_may_stop_at_rungs_of_its_recipe() -> None:
    pipeline = validated(declared(evaluator=TRAINING), "here")
    assert Pipeline.model_validate(pipeline.model_dump(mode="json")) == pipeline


@pytest.mark.parametrize(
    ("task", "epochs", "said"),
    [
        ("flat", (1, 9), "learning curves of flat"),
        ("task", (1, 3), r"end with 9.*got 3; write \[1, 3, 9\]"),
        ("task", (2, 9), "task_epoch2"),
    ],
)
def test_tables_without_the_curves_are_refused(task: str, epochs: tuple[int, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_rungs(TableEvaluator(TABLE, SPACE, task), Fidelity(epochs=epochs))


def test_rungs_of_a_table_are_its_tasks_with_fingerprints_of_their_own() -> None:
    evaluator = TableEvaluator(TABLE, SPACE, "task")
    assert evaluator.epochs == 9
    assert evaluator.at(9) is evaluator
    cells = list(SPACE.members())[:5]
    assert [e.value for e in evaluator.at(3).evaluate(cells)] == TABLE.column("task_epoch3")[:5].tolist()
    assert len({evaluator.at(epochs).fingerprint for epochs in EPOCHS}) == 3
