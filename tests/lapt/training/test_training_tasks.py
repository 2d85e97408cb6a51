from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lapt.data.images import ImageData
from lapt.errors import DataError
from lapt.training.network import build
from lapt.training.tasks import TASKS, make_task
from lapt.training.tasks.kinds import permutations, shuffled

SHAPES = [(1, 8, 8), (3, 9, 9), (3, 32, 32)]
TARGETS = {
    "segmentation": lambda n, c, h, w: torch.arange(n * h * w).reshape(n, h, w) % 3,
    "surface_normal": lambda n, c, h, w: torch.rand(n, 3, h, w) * 2 - 1,
    "room_layout": lambda n, c, h, w: torch.rand(n, 5),
    "multilabel": lambda n, c, h, w: (torch.arange(3 * n).reshape(n, 3) % 2).float(),
    "regression": lambda n, c, h, w: torch.rand(n, 2),
}
NAMES = ["classification", "jigsaw", "rotation", "autoencoding", *TARGETS]


@pytest.mark.parametrize("grid", [2, 3])
def test_undoing_the_permutation_gives_the_image(grid: int) -> None:
    images = torch.rand(4, 3, 12, 12)
    order = torch.from_numpy(permutations(grid))[[0, 3, 17, 23]]
    assert shuffled(images, order, grid)[0].equal(images[0])
    assert shuffled(shuffled(images, order, grid), order.argsort(1), grid).equal(images)


def test_patches_are_where_the_permutation_says() -> None:
    image = torch.arange(4.0).repeat_interleave(2).reshape(2, 4)[:, None].expand(2, 2, 4).reshape(1, 1, 4, 4)
    assert shuffled(image, torch.tensor([[3, 0, 1, 2]]), 2)[0, 0].tolist() == [
        [3, 3, 0, 0], [3, 3, 0, 0], [1, 1, 2, 2], [1, 1, 2, 2]
    ]  # fmt: skip


def test_permutations_of_nine_patches_differ_much() -> None:
    """Noroozi and Favaro's greedy choice: a mean distance of 8."""
    assert len(permutations(2)) == 24
    chosen = permutations(3)
    assert chosen.shape == (64, 9)
    assert (np.sort(chosen) == np.arange(9)).all()
    distances = [int((a != b).sum()) for a, b in itertools.combinations(chosen, 2)]
    assert np.mean(distances) == pytest.approx(8, abs=0.05)
    assert min(distances) >= 7


def test_a_rotation_is_undone_by_its_label(noise: Callable[..., ImageData]) -> None:
    images = torch.rand(8, 2, 6, 6)
    drawn = torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])
    inputs, target = make_task("rotation", noise(2, 2, 6, 6)).example(images, images, drawn)
    assert target.equal(drawn)
    for turned, image, turns in zip(inputs, images, drawn.tolist(), strict=True):
        assert torch.rot90(turned, -turns, (1, 2)).equal(image)


@pytest.mark.parametrize("name", ["rotation", "jigsaw"])
def test_draws_are_seeded_and_use_every_variant(name: str, noise: Callable[..., ImageData]) -> None:
    task = make_task(name, noise(2, 1, 8, 8))
    first, again, other = (task.draw(400, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)
    assert set(first.tolist()) == set(range(task.variants))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_task_trains_on_every_shape(
    name: str,
    shape: tuple[int, int, int],
    noise: Callable[..., ImageData],
    three_convolutions: Callable[..., torch.nn.Module],
) -> None:
    """Output, target, loss and metric go together, and every parameter of the network gets a gradient."""
    data = noise(4, *shape, targets=TARGETS[name](4, *shape) if name in TARGETS else None)
    task = make_task(name, data)
    network = build(lambda: three_convolutions(shape[0]), task, seed=0)
    drawn = task.draw(4, torch.Generator().manual_seed(0))
    inputs, target = task.example(data.images.float() / 255, task.given(data), drawn)
    output = network(inputs)
    loss = task.loss(output, target)
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    meter = task.meter()
    meter.update(output, target)
    assert 0 <= meter.value() + (name in ("autoencoding", "surface_normal")) <= 100
    assert loss.isfinite()


def test_a_perfect_output_has_the_best_metric(noise: Callable[..., ImageData]) -> None:
    for name, shape in (("segmentation", (1, 8, 8)), ("surface_normal", (1, 8, 8)), ("room_layout", (1, 8, 8))):
        data = noise(4, *shape, targets=TARGETS[name](4, *shape))
        task = make_task(name, data)
        target = task.given(data)
        output = torch.nn.functional.one_hot(target).permute(0, 3, 1, 2) if name == "segmentation" else target
        meter = task.meter()
        meter.update(output.float(), target)
        assert meter.value() == pytest.approx({"segmentation": 100, "surface_normal": 1, "room_layout": 0}[name])


def test_directions_of_metrics_and_losses(noise: Callable[..., ImageData]) -> None:
    data = noise(4, 1, 8, 8, targets=torch.rand(4, 5))
    assert not make_task("room_layout", data).metric.higher_is_better
    assert make_task("classification", data).metric.higher_is_better
    by_loss = make_task("classification", data, score="loss").metric
    assert (by_loss.name, by_loss.higher_is_better) == ("cross_entropy", False)


def test_benchmark_names_are_tasks_too() -> None:
    """The seven tasks of TransNAS-Bench-101."""
    published = {"class_object", "class_scene", "room_layout", "jigsaw", "segmentsemantic", "normal", "autoencoder"}
    assert published <= set(TASKS)


@pytest.mark.parametrize(
    ("name", "shape", "targets", "message"),
    [
        ("depth", (1, 8, 8), None, "a task among"),
        ("segmentation", (1, 8, 8), None, "no targets"),
        ("segmentation", (1, 8, 8), torch.rand(4, 8, 8), "float32"),
        ("segmentation", (1, 8, 8), torch.full((4, 8, 8), 255), "got none"),
        ("segmentation", (1, 8, 8), torch.zeros(4, 8, 8, dtype=torch.int64), "at least two classes of pixels"),
        ("surface_normal", (1, 8, 8), torch.rand(4, 2, 8, 8), r"\[4, 2, 8, 8\]"),
        ("room_layout", (1, 8, 8), None, "no targets"),
        ("rotation", (1, 8, 7), None, "8 x 7"),
        ("jigsaw", (1, 3, 8), None, "3 x 8"),
    ],
)
def test_data_that_a_task_cannot_be_made_from(
    name: str, shape: tuple[int, int, int], targets: torch.Tensor | None, message: str, noise: Callable[..., ImageData]
) -> None:
    with pytest.raises(DataError, match=message):
        make_task(name, noise(4, *shape, targets=targets))


def test_one_class_cannot_be_classified() -> None:
    data = ImageData(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), ("only",))
    with pytest.raises(DataError, match="at least two classes"):
        make_task("classification", data)


def test_splits_of_another_shape_or_other_labels_are_refused(noise: Callable[..., ImageData]) -> None:
    task = make_task("classification", noise(4, 1, 8, 8))
    with pytest.raises(DataError, match=r"\[1, 9, 8\]"):
        task.check(noise(4, 1, 9, 8))
    other = noise(4, 1, 8, 8)
    with pytest.raises(DataError, match="2 classes"):
        task.check(ImageData(other.images, other.labels, ("odd", "even")))
    segments = make_task("segmentation", noise(4, 1, 8, 8, targets=torch.arange(256).reshape(4, 8, 8) % 2))
    with pytest.raises(DataError, match="labels below 2"):
        segments.check(noise(4, 1, 8, 8, targets=torch.arange(256).reshape(4, 8, 8) % 3))


def test_labels_of_pixels_with_gaps_are_said(noise: Callable[..., ImageData]) -> None:
    masks = torch.arange(256).reshape(4, 8, 8) % 2 * 254
    with pytest.warns(UserWarning, match="got 2 labels up to 254, so networks get 255 outputs"):
        make_task("segmentation", noise(4, 1, 8, 8, targets=masks))
