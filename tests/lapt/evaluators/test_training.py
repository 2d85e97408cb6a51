"""The training evaluator: identical scores in any process, and failures that are results."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

from lapt.evaluators.training import TrainingEvaluator, TrainingSpec
from lapt.evaluators.workers import Crashed, Workers
from lapt.spaces import BUILTIN
from lapt.training import Recipe

SPACE = BUILTIN["nas201"]
SPEC = TrainingSpec(
    space=SPACE,
    task="classification",
    data="digits",
    channels=4,
    training_images=200,
    recipe=Recipe(epochs=1, batch_size=50, recalibrate_batch_norm=True),
)


def test_scores_do_not_depend_on_the_number_of_processes() -> None:
    rng = np.random.default_rng(0)
    cells = [SPACE.sample(rng) for _ in range(4)]
    one, two = (TrainingEvaluator(SPEC, processes=n).evaluate(cells) for n in (1, 2))
    assert [e.value for e in one] == [e.value for e in two]
    assert all(not e.failed for e in one)
    assert [e.architecture for e in one] == cells


def test_equivalent_cells_are_one_identity_and_one_score() -> None:
    evaluator = TrainingEvaluator(SPEC, processes=1)
    dead = SPACE.decode("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    plain = SPACE.decode("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    assert evaluator.identity(dead) == evaluator.identity(plain)
    first, second = evaluator.evaluate([dead, plain])
    assert first.value == second.value


def test_a_diverging_network_is_a_failed_evaluation_and_the_others_go_on() -> None:
    wild = SPEC.model_copy(update={"recipe": SPEC.recipe.model_copy(update={"learning_rate": 1e30})})
    cells = [
        SPACE.decode(f"|{op}~0|+|none~0|none~1|+|{op}~0|none~1|none~2|") for op in ("nor_conv_3x3", "nor_conv_1x1")
    ]
    found = TrainingEvaluator(wild, processes=2).evaluate(cells)
    assert all(e.failed and e.error and "loss" in e.error for e in found)
    assert all(e.score == -np.inf for e in found)


@pytest.mark.parametrize(
    "change",
    [{"channels": 8}, {"cells": 2}, {"score": "loss"}, {"training_images": 100}, {"validation_share": 0.3},
     {"task": "jigsaw"}, {"recipe": SPEC.recipe.model_copy(update={"epochs": 2})}],
)  # fmt: skip
def test_the_fingerprint_tells_what_changes_a_score(change: dict[str, object]) -> None:
    other = SPEC.model_copy(update=change)
    assert TrainingEvaluator(other, processes=1).fingerprint != TrainingEvaluator(SPEC, processes=1).fingerprint


def square(job: int) -> int:
    """What the workers of this test do: a negative job kills its process."""
    if job < 0:
        os._exit(9)
    time.sleep(0.01)
    return job * job


def test_a_crash_costs_one_job() -> None:
    workers: Workers[int, int] = Workers(square, 2)
    found = dict(workers([1, 2, -3, 4, 5, 6]))
    assert {i: r for i, r in found.items() if i != 2} == {0: 1, 1: 4, 3: 16, 4: 25, 5: 36}
    assert isinstance(found[2], Crashed)
    assert dict(workers([7])) == {0: 49}
    workers.close()
