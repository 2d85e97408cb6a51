from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter
from sklearn.metrics import jaccard_score

from lapt.training.meters import Accuracy, MeanIoU, MeanLoss, MeanSquaredError, Ssim, ssim

GENERATOR = np.random.default_rng(0)


def test_accuracy_counts_images_not_batches() -> None:
    meter = Accuracy()
    meter.update(torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), torch.tensor([1, 0, 1]))
    meter.update(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
    assert meter.value() == 75.0


def test_the_mean_loss_is_weighted_by_the_batch() -> None:
    meter = MeanLoss()
    meter.update(torch.tensor(1.0), 3)
    meter.update(torch.tensor(5.0), 1)
    assert meter.value() == 2.0


def test_mean_squared_error_by_hand() -> None:
    meter = MeanSquaredError()
    meter.update(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 4.0], [3.0, 1.0]]))
    assert meter.value() == (0 + 4 + 9 + 1) / 4


@pytest.mark.parametrize("side", [4, 8, 16, 32])
def test_identical_images_have_a_similarity_of_one(side: int) -> None:
    images = torch.rand(3, 2, side, side)
    assert ssim(images, images).numpy() == pytest.approx(np.ones(3), abs=1e-5)
    assert ssim(images, 1 - images).max() < 0.5


def test_similarity_of_one_window_by_hand() -> None:
    """3 x 3 pixels are one window: one white pixel has mean 1/9 and variance 8/81, its complement mean 8/9."""
    images = torch.zeros(1, 1, 3, 3)
    images[0, 0, 1, 1] = 1
    c1, c2 = 1e-4, 9e-4
    means = (2 * (1 / 9) * (8 / 9) + c1) / ((1 / 9) ** 2 + (8 / 9) ** 2 + c1)
    covariances = (-2 * 8 / 81 + c2) / (2 * 8 / 81 + c2)
    assert ssim(images, 1 - images).item() == pytest.approx(means * covariances, abs=1e-5)


def test_similarity_at_8_pixels_is_that_of_windows_of_three() -> None:
    x, y = GENERATOR.random((2, 8, 8))
    a, b = (sliding_window_view(image, (3, 3)).reshape(36, 9) for image in (x, y))
    mean_a, mean_b = a.mean(1), b.mean(1)
    covariance = (a * b).mean(1) - mean_a * mean_b
    places = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    places /= (mean_a**2 + mean_b**2 + 1e-4) * (a.var(1) + b.var(1) + 9e-4)
    ours = ssim(torch.tensor(x)[None, None], torch.tensor(y)[None, None])
    assert ours.item() == pytest.approx(places.mean(), abs=1e-5)


def test_similarity_at_32_pixels_is_that_of_the_gaussian_window() -> None:
    x, y = GENERATOR.random((2, 40, 40))

    def smooth(image: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(image, 1.5, radius=5)[5:-5, 5:-5])

    mean_x, mean_y = smooth(x), smooth(y)
    covariance = smooth(x * y) - mean_x * mean_y
    spread = smooth(x * x) - mean_x**2 + smooth(y * y) - mean_y**2
    places = (2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
    places /= (mean_x**2 + mean_y**2 + 1e-4) * (spread + 9e-4)
    ours = ssim(torch.tensor(x)[None, None], torch.tensor(y)[None, None])
    assert ours.item() == pytest.approx(places.mean(), abs=1e-5)


def test_the_meter_of_similarity_scales_its_range() -> None:
    x, y = torch.rand(2, 4, 1, 8, 8)
    meter = Ssim(-1.0, 1.0)
    meter.update(2 * x - 1, 2 * y - 1)
    assert meter.value() == pytest.approx(ssim(x, y).mean().item(), abs=1e-5)


def test_mean_iou_by_hand() -> None:
    """Class 0: 1 of 2 pixels; class 1: 1 of 2; class 2 is not shown; the last pixel is ignored."""
    output = torch.nn.functional.one_hot(torch.tensor([[[0, 1, 1, 2]]]), 3).permute(0, 3, 1, 2).float()
    meter = MeanIoU(3)
    meter.update(output, torch.tensor([[[0, 0, 1, 255]]]))
    assert meter.value() == 50.0


def test_mean_iou_of_many_batches_is_scikit_learns() -> None:
    target, found = GENERATOR.integers(4, size=(2, 6, 5, 5))
    meter = MeanIoU(4)
    for at in (slice(0, 2), slice(2, 6)):
        output = torch.nn.functional.one_hot(torch.from_numpy(found[at]), 4).permute(0, 3, 1, 2).float()
        meter.update(output, torch.from_numpy(target[at]))
    expected = jaccard_score(target.ravel(), found.ravel(), average="macro")
    assert meter.value() == pytest.approx(100 * expected)
