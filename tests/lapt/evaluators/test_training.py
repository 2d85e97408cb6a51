"""The training evaluator: identical scores in any process, and failures that are results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lapt.data.sources import load_images
from lapt.errors import DataError, LaptError
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import Job, TrainingEvaluator
from lapt.networks import counts
from lapt.spaces import BUILTIN
from lapt.training import Recipe, loop

SPACE = BUILTIN["nas201"]
SPEC = TrainingSpec(
    space=SPACE,
    task="classification",
    data="digits",
    channels=4,
    training_images=200,
    recipe=Recipe(epochs=1, batch_size=50, recalibrate_batch_norm=True),
)


@pytest.mark.integration
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


CELL = SPACE.decode("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|")


def test_out_of_memory_is_tried_once_more_in_half_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def short_of_memory(
        network: Any, task: Any, train: Any, validation: Any, recipe: Recipe, **rest: Any
    ) -> loop.Trained:
        tried.append(recipe.accumulation)
        if recipe.accumulation < enough:
            raise loop.OutOfMemory("enough memory", "too little", "use a smaller batch_size")
        return real(network, task, train, validation, recipe, **rest)

    real = loop.train
    monkeypatch.setattr(loop, "train", short_of_memory)
    digest = load_images("digits").train.digest
    enough = 2
    found = Job(SPEC, CELL, digest).run()
    assert found.value is not None
    assert tried == [1, 2]
    enough = 4
    failed = Job(SPEC, CELL, digest).run()
    assert tried == [1, 2, 1, 2]
    assert failed.value is None
    assert "enough memory" in str(failed.error)
    assert failed.seconds > 0


def saved(path: Path, **changed: np.ndarray) -> TrainingSpec:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (80, 8, 8), dtype=np.uint8), np.arange(80) % 4
    np.savez(path, **{"x_train": x, "y_train": y, "x_test": x[:20], "y_test": y[:20], **changed})
    return SPEC.model_copy(update={"data": str(path), "training_images": None})


@pytest.mark.parametrize(
    ("changed", "settings", "message"),
    [
        ({"y_train": np.r_[np.arange(79) % 4, 4]}, {}, "two images of every class"),
        ({}, {"training_images": 3}, "one image a class"),
        ({}, {"device": "cuda:99"}, "the device cuda:99"),
    ],
)
def test_what_would_end_a_run_later_is_said_before_it(
    tmp_path: Path, changed: dict[str, np.ndarray], settings: dict[str, object], message: str
) -> None:
    spec = saved(tmp_path / "a.npz", **changed).model_copy(update=settings)
    with pytest.raises(LaptError, match=message):
        TrainingEvaluator(spec).check()


def test_a_broken_test_image_is_said_before_the_search(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(40, 40), dtype=np.uint8)
    for name in ("train/a/0", "train/a/1", "train/b/0", "train/b/1", "test/a/0"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(path)
    evaluator = TrainingEvaluator(SPEC.model_copy(update={"data": str(tmp_path), "training_images": None}))
    few = r"100 validation images or more.*got 2: one image is 50 points"
    with pytest.warns(UserWarning, match=few):
        evaluator.check()
    path.write_bytes(path.read_bytes()[:200])  # its header is whole
    again = TrainingEvaluator(evaluator.spec.model_copy(update={"root": str(tmp_path)}))  # read afresh
    with pytest.warns(UserWarning, match=few), pytest.raises(DataError, match=r"test/a/0\.png"):
        again.check()


def test_scores_are_stored_for_the_images_they_were_measured_on_alone(tmp_path: Path) -> None:
    job = Job(saved(tmp_path / "a.npz"), CELL, data="the digest of other images")
    with pytest.raises(DataError, match="as it was when this began"):
        job.run()


def test_other_test_images_are_another_test_score_and_the_same_search(tmp_path: Path) -> None:
    one = TrainingEvaluator(saved(tmp_path / "a.npz"))
    labels = (np.arange(20) + 1) % 4
    other = TrainingEvaluator(saved(tmp_path / "b.npz", y_test=labels))
    assert one.fingerprint == other.fingerprint
    assert one.final_fingerprint != other.final_fingerprint


@pytest.mark.parametrize("task", ["classification", "jigsaw", "autoencoding"])
def test_sizes_are_by_the_published_definition(task: str) -> None:
    evaluator = TrainingEvaluator(SPEC.model_copy(update={"task": task}), processes=1)
    (found,) = evaluator.evaluate([CELL])
    size = {"channels": 4, "cells": 1, "image_channels": 1, "image_size": (8, 8)}
    backbone = counts(SPACE, CELL, **size)
    assert evaluator.backbone_size(CELL) == backbone
    if task == "classification":  # with its linear layer
        assert (found.parameters, found.flops) == counts(SPACE, CELL, **size, classes=10)
    else:
        assert found.parameters is not None
        assert found.parameters > backbone[0]
        assert found.flops == backbone[1]
