"""Choice of the images that score a network, and warnings of images that score nothing."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lapt.evaluators.images import TrainingSpec, doubts_of, sides_of
from lapt.evaluators.training import TrainingEvaluator
from lapt.spaces import BUILTIN
from lapt.training import Recipe

CPU = torch.device("cpu")


@pytest.fixture
def numbers() -> Iterator[int]:
    return iter(range(10_000))


def fill(folder: Path, numbers: Iterator[int], count: int) -> None:
    """Images of noise, no two alike, of two classes."""
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            number = next(numbers)
            noise = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name / f"{number}.png")


def spec_of(folder: Path, **changed: object) -> TrainingSpec:
    spec = TrainingSpec(space=BUILTIN["nas201"], task="classification", data=str(folder), channels=2, recipe=Recipe())
    return spec.model_copy(update=changed)


def doubts(spec: TrainingSpec) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(doubts_of(spec))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_validation_folder_is_what_scores_come_from(tmp_path: Path, numbers: Iterator[int]) -> None:
    for split, count in (("train", 20), ("val", 6), ("test", 4)):
        fill(tmp_path / split, numbers, count)
    spec = spec_of(tmp_path)
    training, validation = sides_of(spec, CPU)
    assert (len(training), len(validation)) == (40, 12)
    _, drawn = sides_of(spec_of(tmp_path, training_images=10), CPU)
    assert torch.equal(drawn.images, validation.images)
    final_training, test = sides_of(spec, CPU, final=True)
    assert (len(final_training), len(test)) == (40, 8)
    before = TrainingEvaluator(spec).fingerprint
    shutil.rmtree(tmp_path / "val")
    without = spec_of(tmp_path, root=str(tmp_path))  # read afresh
    assert len(sides_of(without, CPU)[1]) == 8
    assert TrainingEvaluator(without).fingerprint != before


def test_copies_in_two_splits_are_counted(tmp_path: Path, numbers: Iterator[int]) -> None:
    fill(tmp_path / "train", numbers, 100)
    for split, count in (("val", 60), ("test", 30)):
        fill(tmp_path / split, numbers, count)
    assert doubts(spec_of(tmp_path)) == []
    for number, file in enumerate(sorted((tmp_path / "train" / "cat").iterdir())[:5]):
        Image.open(file).save(tmp_path / ("val" if number < 3 else "test") / "cat" / f"copy-{number}.bmp")
    shutil.copy(next((tmp_path / "val" / "dog").iterdir()), tmp_path / "test" / "dog" / "copy.png")
    said = doubts(spec_of(tmp_path, root=str(tmp_path)))
    assert [line.partition(" that are the same")[0].rpartition("; ")[2] for line in said] == [
        "got 3",
        "got 3",
    ]


def test_copies_on_both_sides_of_a_split_that_is_drawn_are_counted(tmp_path: Path, numbers: Iterator[int]) -> None:
    fill(tmp_path, numbers, 300)
    for file in list(tmp_path.rglob("*.png")):
        shutil.copy(file, file.with_name(f"copy of {file.name}"))
    (line,) = doubts(spec_of(tmp_path))
    same = int(line.partition("got ")[2].split()[0])
    assert 170 < same < 215  # 240 validation images, of which each has its copy in training four times in five
