"""Pixels of any depth and transparency, on their way to 8 bits."""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lapt.data.pictures import filled
from lapt.data.sources import load_images
from lapt.errors import DataError, Notice

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

GREY = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
"""Eight pictures, two classes in turn; 0 and 255 occur."""


def png_of_16_bits(pixels: np.ndarray, path: Path) -> None:
    """uint16 [H, W, C]: Pillow cannot write such files. Colour types after the PNG specification."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(content)


def ppm_of_16_bits(pixels: np.ndarray, path: Path) -> None:
    height, width, _ = pixels.shape
    path.write_bytes(b"P6 %d %d 65535\n" % (width, height) + pixels.astype(">u2").tobytes())


def write(root: Path, save: Callable[[np.ndarray, Path], None], suffix: str, pictures: np.ndarray = GREY) -> str:
    for number, picture in enumerate(pictures):
        path = root / "ab"[number % 2] / f"{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(picture, path)
    return str(root)


def saved(picture: np.ndarray, path: Path) -> None:
    Image.fromarray(picture).save(path)


def in_order(images: torch.Tensor) -> np.ndarray:
    """Of the files in the order of their numbers: [8, H, W], the first channel."""
    return images[[0, 4, 1, 5, 2, 6, 3, 7], 0].numpy()


@pytest.mark.parametrize(
    ("convert", "suffix"),
    [
        (lambda grey: grey.astype(np.uint16), ".png"),
        (lambda grey: grey.astype(np.uint16) * 16, ".png"),
        (lambda grey: grey.astype(np.uint16) * 257, ".png"),
        (lambda grey: grey.astype(np.uint16) * 16, ".tif"),
        (lambda grey: grey.astype(np.uint16) + 30_000, ".tiff"),
        (lambda grey: grey.astype(np.uint16) * 257, ".pgm"),
        (lambda grey: grey.astype(np.int32), ".tif"),
        (lambda grey: grey.astype(np.int32) * 1000 - 70_000, ".tif"),
        (lambda grey: grey.astype(np.float32), ".tif"),
        (lambda grey: (grey / 255).astype(np.float32), ".tif"),
        (lambda grey: grey.astype(np.float32) * 10 - 1000, ".tif"),
        (lambda grey: grey.astype(np.float32) * 1e-6, ".tif"),
    ],
)
def test_grey_levels_survive_in_every_depth(
    convert: Callable[[np.ndarray], np.ndarray], suffix: str, tmp_path: Path
) -> None:
    data = load_images(write(tmp_path, lambda grey, path: saved(convert(grey), path), suffix))
    assert data.train.shape == (1, 16, 16)
    assert np.array_equal(in_order(data.train.images), GREY)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_png_files_of_16_bits_a_colour_are_read_where_their_higher_bits_say_something(
    channels: int, tmp_path: Path
) -> None:
    def save(grey: np.ndarray, path: Path, factor: int) -> None:
        opaque = [np.full((16, 16), 65535, dtype=np.uint16)] * (1 - channels % 2)
        png_of_16_bits(np.stack([grey.astype(np.uint16) * factor] * (channels - len(opaque)) + opaque, 2), path)

    data = load_images(write(tmp_path / "full", lambda grey, path: save(grey, path, 257), ".png"))
    assert np.array_equal(in_order(data.train.images), GREY)
    for factor in (1, 16):
        with pytest.raises(DataError, match=r"of which Pillow reads the higher 8; got values from 0 to \d+ of 255"):
            load_images(write(tmp_path / str(factor), lambda grey, path, f=factor: save(grey, path, f), ".png"))


def test_16_bits_a_colour_of_which_the_lower_are_lost_are_refused_where_they_matter(tmp_path: Path) -> None:
    def save(grey: np.ndarray, path: Path, factor: int) -> None:
        ppm_of_16_bits(np.stack([grey.astype(np.uint16) * factor] * 3, 2), path)

    full = load_images(write(tmp_path / "full", lambda grey, path: save(grey, path, 257), ".ppm"))
    assert np.array_equal(in_order(full.train.images), GREY)
    with pytest.raises(DataError, match=r"of which Pillow reads the higher 8; got values from 0 to 1\d of 255"):
        load_images(write(tmp_path / "dark", lambda grey, path: save(grey, path, 16), ".ppm"))


@pytest.mark.parametrize("levels", [2, 3, 15])
def test_8_bits_of_almost_no_levels_are_scaled(levels: int, tmp_path: Path) -> None:
    data = load_images(write(tmp_path, saved, ".png", GREY % levels))
    assert len(data.train.images.unique()) == levels
    assert data.train.images.float().std() > 60
    as_is = load_images(write(tmp_path / "more", saved, ".png", GREY % 17))
    assert np.array_equal(in_order(as_is.train.images), GREY % 17)


def test_one_range_is_of_the_training_images_and_cuts_off_others(tmp_path: Path) -> None:
    for split, low, high in (("train", 1000, 3000), ("test", 0, 4000)):
        for name in "ab":
            (tmp_path / split / name).mkdir(parents=True)
            ramp = np.linspace(low, high, 256).reshape(16, 16).astype(np.uint16)
            saved(ramp, tmp_path / split / name / "0.png")
    data = load_images(str(tmp_path))
    test = data.test()
    assert test is not None
    halves = [int((test.images[0] == level).sum()) for level in (0, 255)]
    assert all(60 <= half <= 66 for half in halves)  # a quarter below, a quarter above
    assert int(test.images[0, 0].flatten()[128]) == pytest.approx(128, abs=2)


def test_an_image_that_sets_the_range_of_all_is_named(tmp_path: Path) -> None:
    root = write(tmp_path, lambda grey, path: saved(grey.astype(np.uint16), path), ".png")
    saved(GREY[0].astype(np.uint16) * 257, tmp_path / "a" / "saturated.png")
    with pytest.raises(DataError, match=r"0 to 65535, of which most images use 25\d: 1 file beyond \['a/saturated"):
        load_images(root)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("split", ["train", "test"])
def test_pixels_that_are_not_finite_are_refused(value: float, split: str, tmp_path: Path) -> None:
    for at in ("train", "test"):
        write(tmp_path / at, lambda grey, path: saved(grey.astype(np.float32), path), ".tif")
    broken = GREY[0].astype(np.float32)
    broken[3, 4:6] = value
    saved(broken, tmp_path / split / "b" / "broken.tif")
    with pytest.raises(DataError, match=r"b/broken\.tif; got ValueError: 2 pixels are NaN or infinite"):
        load_images(str(tmp_path)).test()


@given(low=st.integers(-(2**30), 2**30), width=st.integers(1, 2**30))
def test_the_range_of_a_type_is_taken_where_values_fill_it(low: int, width: int) -> None:
    a, b = filled("32-bit", low, low + width)
    assert a <= low < low + width <= b
    assert (a, b) == (low, low + width) or (a == 0 and b - a <= 2 * width)


# --- transparency ----------------------------------------------------------------------------------------------------
def _rgba(alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha]))


def _la(alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([np.zeros_like(alpha), alpha]))


def _palette(alpha: np.ndarray) -> Image.Image:
    image = Image.fromarray((alpha > 127).astype(np.uint8))
    image.putpalette([0, 0, 0, 0, 0, 0])
    image.info["transparency"] = 0
    return image


def _key(alpha: np.ndarray) -> Image.Image:
    """RGB, of which one colour is transparent."""
    image = Image.fromarray(np.where(alpha[..., None] > 127, np.uint8(0), np.array([9, 9, 9], np.uint8)))
    image.info["transparency"] = (9, 9, 9)
    return image


@pytest.mark.parametrize("drawn", [_rgba, _la, _palette, _key])
@pytest.mark.parametrize("background", ["white", "black"])
def test_drawings_in_the_alpha_channel_lie_on_the_background(
    drawn: Callable[[np.ndarray], Image.Image], background: str, tmp_path: Path
) -> None:
    def save(alpha: np.ndarray, path: Path) -> None:
        image = drawn(alpha)
        image.save(path, **({"transparency": key} if (key := image.info.get("transparency")) is not None else {}))

    folder = write(tmp_path, save, ".png")
    if background == "black":
        with pytest.raises(DataError, match=r"class 'a'.*images of one value.*evaluator\.background: white"):
            load_images(folder, background=background)
        return
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = in_order(load_images(folder).train.images).astype(int)
    assert any("transparency laid on white" in str(w.message) and w.category is Notice for w in said)
    on_white = 255 - (GREY if drawn in (_rgba, _la) else np.where(GREY > 127, 255, 0)).astype(int)
    assert np.abs(found - on_white).max() <= 1


def test_16_bit_drawings_in_the_alpha_channel_lie_on_the_background(tmp_path: Path) -> None:
    def save(alpha: np.ndarray, path: Path) -> None:
        values = np.zeros((*alpha.shape, 4), np.uint16)
        values[..., :3] = np.arange(16)[:, None] * 4000  # the first column is black
        values[..., 3] = alpha.astype(np.uint16) * 257
        png_of_16_bits(values, path)

    found = in_order(load_images(write(tmp_path, save, ".png")).train.images).astype(int)
    assert np.abs(found[..., 0] - (255 - GREY[..., 0])).max() <= 1


# --- images of one value -------------------------------------------------------------------------------------------
def test_a_class_that_comes_out_constant_is_refused_with_its_range(tmp_path: Path) -> None:
    root = write(tmp_path, lambda grey, path: saved(grey.astype(np.uint16) * 257, path), ".png")
    for file in (tmp_path / "b").iterdir():
        saved(np.full((16, 16), 300, np.uint16), file)
    with pytest.raises(
        DataError, match=r"class 'b'.*one value, values from 300 to 300 where 0 to 65535 become 0 to 255"
    ):
        load_images(root)


def test_single_images_of_one_value_are_named(tmp_path: Path) -> None:
    root = write(tmp_path, lambda grey, path: saved(grey.astype(np.uint16), path), ".png")
    saved(np.full((16, 16), 77, np.uint16), tmp_path / "b" / "blank.png")
    with pytest.warns(UserWarning, match=re.escape("got 1 of one value each ['b/blank.png']")):
        load_images(root)


def test_a_class_of_blank_8_bit_images_is_the_users_own(tmp_path: Path) -> None:
    write(tmp_path, saved, ".png")
    for file in (tmp_path / "b").iterdir():
        saved(np.full((16, 16), 255, np.uint8), file)
    with pytest.warns(UserWarning, match="got 4 of one value each"):
        assert len(load_images(str(tmp_path)).train) == 8


def test_the_depth_of_test_images_is_that_of_training(tmp_path: Path) -> None:
    write(tmp_path / "train", saved, ".png")
    write(tmp_path / "test", lambda grey, path: saved(grey.astype(np.float32), path), ".tif")
    with pytest.raises(DataError, match=r"training images' depth.*got \['float'\] in"):
        load_images(str(tmp_path))
