"""Scores at chance: the threshold, the tasks that have one, and the words of the warning."""

from __future__ import annotations

import pytest
import torch

from lapt.base.guessing import Guessing, largest_share
from lapt.data.images import ImageData
from lapt.evaluators.config import TrainingEvaluation
from lapt.evaluators.images import TrainingSpec, guessing_of
from lapt.pipeline.results import RunResult, TargetResult
from lapt.pipeline.wording import advice, guessed_source
from lapt.spaces import BUILTIN
from lapt.training.tasks import make_task


def images(counts: tuple[int, ...]) -> ImageData:
    """8 x 8 pixels, with so many images of each class."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    pixels = torch.zeros((len(labels), 1, 8, 8), dtype=torch.uint8)
    return ImageData(pixels, labels, tuple(f"c{at}" for at in range(len(counts))))


def test_one_network_exceeds_the_reach_of_guessing_one_time_in_twenty() -> None:
    half = Guessing(0.5, 100)  # a coin, 100 times: 50 +- 5; the 95th percentile lies 1.645 deviations above
    assert half.percent == 50.0
    assert half.reach() == pytest.approx(58.22, abs=0.01)
    assert half.tells_nothing(58.0)
    assert not half.tells_nothing(59.0)
    assert not half.tells_nothing(None)


def test_the_best_of_many_guesses_reaches_further() -> None:
    jigsaw = Guessing(1 / 24, 360)  # 4.17 +- 1.05
    assert jigsaw.reach(200) == pytest.approx(4.17 + 3.48 * 1.05, abs=0.03)
    assert jigsaw.tells_nothing(7.5, 200)
    assert not jigsaw.tells_nothing(7.5, 1)
    assert Guessing(1.0, 50).tells_nothing(100.0, 20)  # one class: nothing to learn


def test_a_source_tells_nothing_if_half_of_what_is_read_is_at_chance() -> None:
    jigsaw = Guessing(1 / 24, 360)
    assert jigsaw.nothing_read([30.0, 5.0, 4.2, 4.0], tries=200)
    assert not jigsaw.nothing_read([30.0, 28.0, 27.0, 4.0], tries=200)
    assert not jigsaw.nothing_read([], tries=200)


def test_the_best_guess_is_the_largest_class() -> None:
    assert largest_share([90, 5, 5]) == 0.9
    assert largest_share([]) == 0.0


@pytest.mark.parametrize(
    ("task", "counts", "share"),
    [
        ("classification", (90, 10), 0.9),
        ("classification", (20, 20, 20, 20), 0.25),
        ("rotation", (90, 10), 1 / 4),
        ("jigsaw", (90, 10), 1 / 24),
        ("autoencoding", (90, 10), None),
    ],
)
def test_tasks_with_right_and_wrong_answers_can_be_guessed(
    task: str, counts: tuple[int, ...], share: float | None
) -> None:
    data = images(counts)
    assert make_task(task, data).guess(data.labels) == share


@pytest.mark.parametrize(("task", "percent"), [("classification", 10.0), ("jigsaw", 100 / 24), ("autoencoding", None)])
def test_the_digits_are_guessed_by_their_ten_classes(task: str, percent: float | None) -> None:
    config = TrainingEvaluation(kind="training", data="digits", validation_share=0.25)
    found = guessing_of(TrainingSpec.of(config, BUILTIN["nas201"], task, "cpu"))
    if percent is None:
        assert found is None
    else:
        assert found is not None
        assert found.percent == pytest.approx(percent, abs=0.4)
        assert found.images == 360  # a quarter of 1,438, rounded


def test_a_loss_is_not_compared_with_guessing() -> None:
    config = TrainingEvaluation(kind="training", data="digits", score="loss")
    assert guessing_of(TrainingSpec.of(config, BUILTIN["nas201"], "classification", "cpu")) is None


def test_the_warnings_name_score_chance_and_remedy() -> None:
    assert guessed_source("jigsaw", 4.0, Guessing(1 / 24, 360).best_of(200)) == (
        "the source jigsaw scores 4 % where guessing gives 4.17 %, and up to 7.83 % as the best of 200: "
        "principles learned from it mean nothing; train longer (recipe.epochs) or name another source"
    )
    target = TargetResult(
        task="classification", architecture="a", validation=11.0, metric="accuracy", unit="%", evaluations=20,
        paid_now=20, seconds=1.0, repeats=0, space_size=1, guessing=Guessing(0.1, 360).best_of(20),
    )  # fmt: skip
    result = RunResult(run_id="0" * 12, pipeline="p", store="s", targets=(target,))
    (said,) = advice(result)
    assert said.startswith("classification: the best scores 11 % where guessing gives 10 %, and up to 14.4 %")
    learned = target.model_copy(update={"guessing": None})
    assert not list(advice(result.model_copy(update={"targets": (learned,)})))
    assert "guessing" not in learned.model_dump()
