"""Estimates of runs: durations from paces, and a dry run that leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.estimate import between, estimate
from flows.screen.estimate import show_estimate
from lapt.evaluators.pace import Pace
from lapt.pipeline.config import Execution, load_pipeline
from lapt.training import Recipe
from lapt.training.pace import WARM, seconds_of_step

TINY = ["evaluator.channels=2", "controls=[random]", "targets=[classification]"]


def test_a_training_lasts_its_steps_its_validation_and_what_is_done_once() -> None:
    pace = Pace(step=0.5, image=0.001, once=2.0, parameters=10)
    recipe = Recipe(epochs=12, batch_size=32)
    assert pace.training(recipe, images=960, validation=1000) == pytest.approx(2 + 12 * 30 * 0.5 + 1)
    again = recipe.model_copy(update={"recalibrate_batch_norm": True})
    assert pace.training(again, images=960, validation=1000) == pytest.approx(2 + 12 * 30 * 0.5 + 5 + 1)


def test_the_range_lies_between_small_median_and_large() -> None:
    found = between([1.0, 2.0, 5.0])
    assert (found.low, found.expected, found.high) == (1.5, pytest.approx(2.6), 3.5)
    same = between([3.0, 3.0, 3.0])
    assert (same.low, same.expected, same.high) == pytest.approx((3.0, 3.0, 3.0))


def test_the_first_steps_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("lapt.training.pace.time.perf_counter", lambda: now[0])

    def train(heard: object, lasts: tuple[float, ...]) -> None:
        for step in lasts:
            now[0] += step
            heard(0, 0.0)  # type: ignore[operator]

    assert seconds_of_step(lambda heard: train(heard, (9.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0))) == 1.0
    assert seconds_of_step(lambda heard: train(heard, (50.0, 1.0, 1.0))) == 50.0  # too slow for a second one
    assert WARM == 2


def test_a_dry_run_measures_and_leaves_nothing(tmp_path: Path) -> None:
    pipeline, store = load_pipeline("digits", TINY), tmp_path / "store"
    found = estimate(pipeline, Execution(store=str(store), processes=1, device="cpu"))
    assert found.counted == "40 trainings (20 of searches, 20 of controls), then 2 final trainings"
    assert found.seconds is not None
    assert 0 < found.seconds.low < found.seconds.expected < found.seconds.high
    assert "2 epochs of 34 steps and a validation, one at a time on cpu" in found.basis[0]
    assert "12 epochs of 45 steps" in found.basis[1]  # all 1,438 training images, 32 a step
    assert found.disk_bytes > 0
    assert not store.exists()


@pytest.mark.integration
def test_decoded_images_that_do_not_fit_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAPT_CACHE", str(tmp_path / "cache"))
    draw = np.random.default_rng(0)
    for split, each in (("train", 30), ("test", 10)):
        for label in "ab":
            (tmp_path / "images" / split / label).mkdir(parents=True)
            for n in range(each):
                pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / split / label / f"{n}.png")
    images = [f"evaluator.data={tmp_path / 'images'}", "evaluator.in_memory=0", "evaluator.recipe.batch_size=8"]
    pipeline = load_pipeline("digits", [*TINY, "controls=[]", *images])
    execution, size = Execution(store=str(tmp_path / "store"), processes=1, device="cpu"), (60 + 20) * 8 * 8 * 3
    found = estimate(pipeline, execution)
    assert found.cache_bytes == size == sum(file.stat().st_size for file in (tmp_path / "cache").glob("*.uint8"))
    assert estimate(pipeline, execution).cache_bytes == 0  # they are there
    show_estimate(pipeline, found)
    assert "1 MB of decoded images in the cache (LAPT_CACHE)" in capsys.readouterr().out
    assert not (tmp_path / "store").exists()


def test_look_ups_take_seconds(tmp_path: Path) -> None:
    found = json.loads(
        estimate(load_pipeline("digits_table"), Execution(store=str(tmp_path / "store"))).model_dump_json()
    )
    assert found["counted"] == "nothing is trained"
    assert found["seconds"]["expected"] < 60
    assert "look-ups" in found["basis"][0]
    assert not (tmp_path / "store").exists()
