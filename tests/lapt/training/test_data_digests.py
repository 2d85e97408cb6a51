"""Digests of image data that earlier versions read rightly: scores are stored under them, so they stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lapt.data.sources import load_images


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def written(pixels: np.ndarray, path: Path, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path)


def colour(root: Path) -> str:
    """Several sizes, all of at least 32."""
    for number in range(6):
        side = 32 + 4 * (number % 3)
        written(noise(number, side, side + 3, 3), root / "ab"[number % 2] / f"{number}.png")
    return str(root)


def of_one_size(root: Path) -> str:
    for number in range(4):
        written(noise(number, 20, 20), root / "ab"[number % 2] / f"{number}.png")
    return str(root)


def train_and_test(root: Path) -> str:
    for number in range(6):
        written(noise(number, 24, 24, 3), root / ("train", "test")[number > 3] / "ab"[number % 2] / f"{number}.bmp")
    return str(root)


def train_and_val(root: Path) -> str:
    for number in range(6):
        written(noise(number, 24, 24, 3), root / ("train", "val")[number > 3] / "ab"[number % 2] / f"{number}.bmp")
    return str(root)


def opaque(root: Path) -> str:
    """A palette, black and white, RGBA and grey with alpha, all of it opaque."""
    for number, mode in enumerate(("RGBA", "LA", "RGB", "L")):
        written(noise(number, 24, 24, 3), root / "ab"[number % 2] / f"{number}.png", mode)
    written(noise(4, 24, 24) > 127, root / "a" / "black_and_white.png")
    palette = Image.fromarray(noise(5, 24, 24))
    palette.putpalette(noise(6, 768).tolist())
    palette.save(root / "b" / "palette.png")
    return str(root)


def full_16_bits(root: Path) -> str:
    for number in range(4):
        grey = noise(number, 24, 24).astype(np.uint16) * 257
        written(grey, root / "ab"[number % 2] / f"{number}.png")
    return str(root)


def nested_and_linked(root: Path) -> str:
    for number in range(4):
        written(noise(number, 24, 24), root / "kept" / f"{number}.png")
    for name in "ab":
        (root / "data" / name / "deep").mkdir(parents=True)
    for number in range(4):
        (root / "data" / "ab"[number % 2] / "deep" / f"{number}.png").symlink_to(root / "kept" / f"{number}.png")
    return str(root / "data")


def archive(root: Path) -> str:
    labels = np.array([0, 1, 1, 0])
    np.savez(
        root / "data.npz", x_train=noise(0, 4, 9, 9, 3), y_train=labels, x_test=noise(1, 2, 9, 9, 3), y_test=[0, 1]
    )
    return str(root / "data.npz")


KNOWN: list[tuple[Callable[[Path], str], str, str | None]] = [
    (colour, "0da5bbd8aeb7", None),
    (of_one_size, "4dabddeb5ece", None),
    (train_and_test, "683ce2d89429", "f7523a97b184"),
    (train_and_val, "683ce2d89429", "f7523a97b184"),
    (opaque, "c61f34f3c136", None),
    (full_16_bits, "43caf3a8113e", None),
    (nested_and_linked, "43caf3a8113e", None),
    (archive, "27177279b387", "418c0360f6c3"),
    (lambda _: "digits", "99335da7c779", "d6130e58245b"),
    (lambda _: "digits_hard", "5e9e061861fd", "6784c32f0cee"),
]
"""Functions that make data, with the digests of training and test images as the first version computed them."""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("make", "train", "test"), KNOWN)
def test_data_that_were_read_rightly_keep_their_digest(
    make: Callable[[Path], str], train: str, test: str | None, tmp_path: Path
) -> None:
    data = load_images(make(tmp_path))
    held_out = data.test()
    assert data.digest[:12] == train
    assert (held_out and held_out.digest[:12]) == test
