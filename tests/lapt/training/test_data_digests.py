"""Images whose reading has not changed keep their digests: scores of earlier versions hang on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lapt.training.sources import load_images

KNOWN = {
    ("digits", None): ("99335da7c779fac5", "d6130e58245bc21d"),
    ("digits_hard", None): ("5e9e061861fdbe5e", "6784c32f0ceed705"),
    ("grey", None): ("a16932e1d817ea51", "09133787a62e7bad"),
    ("grey", 8): ("e4b92aaec875950e", "3b6d6414e1881dd8"),
    ("rgb", None): ("000ab7036ce7613b", "2d4a957ab7f97e8c"),
    ("rgb", 8): ("0dc1985f821dc66c", "34fe861e02ed49d9"),
    ("arrays.npz", None): ("fb4f9551d967e6c9", "11bd69c64663b71c"),
}
"""Source and size -> the starts of the digests of its training and test images, as of the first version."""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Opaque pictures of 8 bits and 12 x 12 pixels, grey and in colour, and arrays."""
    for kind, channels in (("grey", 1), ("rgb", 3)):
        at = np.arange(12 * 12 * channels).reshape(12, 12, channels)
        for split, count in (("train", 6), ("test", 2)):
            for label, name in enumerate(("bird", "cat")):
                (tmp_path / kind / split / name).mkdir(parents=True)
                for number in range(count):
                    pixels = ((at * (7 + number) + 41 * label + 13 * count) % 256).astype(np.uint8)
                    picture = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
                    picture.save(tmp_path / kind / split / name / f"{number}.png")
    x = (np.arange(8 * 6 * 5 * 3) * 7 % 256).astype(np.uint8).reshape(8, 6, 5, 3)
    arrays = {"x_train": x, "y_train": np.arange(8) % 2, "x_test": x[:2], "y_test": np.arange(2)}
    np.savez(tmp_path / "arrays.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path


@pytest.mark.parametrize(("source", "size"), KNOWN)
def test_images_keep_the_digests_of_the_first_version(images: Path, source: str, size: int | None) -> None:
    found = load_images(source, images, size=size)
    test = found.test()
    assert test is not None
    assert (found.train.digest[:16], test.digest[:16]) == KNOWN[source, size]
