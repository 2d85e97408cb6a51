from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from lapt.data.reading import Reading
from lapt.data.sources import load_images
from lapt.errors import DataError

RED = (250, 0, 0)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def paint(path: Path, colour: int | tuple[int, int, int], size: tuple[int, int] = (40, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(path)


def said_of(folder: str, **reading: Any) -> list[str]:
    """The warnings of reading a folder and its test images."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load_images(folder, **reading).test()
    return [str(warning.message) for warning in said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, grey and red images of several sizes and formats, and a test tree."""
    paint(tmp_path / "train" / "cat" / "0.png", 100)
    paint(tmp_path / "train" / "cat" / "1.JPEG", RED, (90, 60))
    paint(tmp_path / "train" / "dog" / "deep" / "0.bmp", RED, (36, 80))
    paint(tmp_path / "train" / "dog" / "1.png", 200)
    paint(tmp_path / "test" / "dog" / "0.png", 50)
    (tmp_path / "train" / "dog" / "notes.txt").write_text("not an image")
    return tmp_path


def test_grey_and_colour_mixed_become_colour_of_one_size(folder: Path) -> None:
    with pytest.warns(UserWarning, match=r"images of one kind.*got \d+ grey and \d+ in colour"):
        load_images(str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = load_images(str(folder))
    train, test = data.train, data.test()
    assert train.shape == (3, 32, 32)
    assert train.classes == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert train.images[0].unique().tolist() == [100]
    assert np.abs(train.images[1].flatten(1).float().mean(1).numpy() - RED).max() < 3
    assert train.images[3, 0].float().mean() == pytest.approx(250)  # "deep/0.bmp" sorts behind "1.png"
    assert test is not None
    assert test.shape == train.shape
    assert test.labels.tolist() == [1]


@pytest.mark.parametrize(
    ("sides", "side"),
    [
        ([13, 13, 13], 13),
        ([64, 64, 64], 32),
        ([64, 64, 64, 64, 1], 32),
        ([20, 20, 20, 20, 1], 20),
        ([20, 20, 20, 20, 500], 20),
        ([24, 20, 28, 22], 22),
    ],
)
def test_the_size_is_a_choice_and_by_default_the_median_and_32_at_most(
    sides: list[int], side: int, tmp_path: Path
) -> None:
    for number, shorter in enumerate(sides):
        paint(tmp_path / "ab"[number % 2] / f"{number}.png", 40 * number, (shorter + number, shorter))
    assert load_images(str(tmp_path)).train.shape == (1, side, side)
    assert load_images(str(tmp_path), size=48).train.shape == (1, 48, 48)


@pytest.mark.parametrize(("size", "named"), [((1, 1), True), ((200, 16), True), ((256, 256), True), ((40, 60), False)])
def test_images_that_are_much_smaller_or_larger_than_most_are_named(
    size: tuple[int, int], named: bool, tmp_path: Path
) -> None:
    for number in range(4):
        paint(tmp_path / "ab"[number % 2] / f"{number}.png", 40 * number, (64, 64))
    paint(tmp_path / "a" / "other.png", 1, size)
    said = said_of(str(tmp_path))
    expected = f"got 1 far from that ['a/other.png ({size[0]} x {size[1]})']"
    assert any(expected in line for line in said) == named
    assert "32 x 32 pixels" in said[-1]


def test_a_single_tree_of_grey_images_has_one_channel_and_no_test_split(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 7)
    paint(tmp_path / "b" / "0.png", 90)
    data = load_images(tmp_path.name, tmp_path.parent)
    assert data.train.shape == (1, 32, 32)
    assert [int(image.unique()) for image in data.train.images] == [7, 90]
    assert data.test() is None


def test_the_centre_is_kept_upright(tmp_path: Path) -> None:
    pixels = np.zeros((8, 24), dtype=np.uint8)
    pixels[:4, 8:16] = 255  # the upper half of the middle third
    for name, exif in (("0", 1), ("1", 3)):  # 3: turned by 180 degrees
        path = tmp_path / "a" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        image = Image.fromarray(pixels)
        tags = image.getexif()
        tags[0x0112] = exif
        image.save(path, exif=tags)
    upright, turned = load_images(str(tmp_path)).train.images[:, 0]
    assert upright[:4].min() == 255
    assert upright[4:].max() == 0
    assert turned.flip(0).equal(upright)


@pytest.mark.parametrize("content", [b"", b"no image at all", None])
def test_a_corrupt_file_is_named(folder: Path, content: bytes | None) -> None:
    broken = folder / "train" / "dog" / "2.png"
    noise = np.random.default_rng(0).integers(256, size=(40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(broken)
    broken.write_bytes(broken.read_bytes()[:200] if content is None else content)
    with pytest.raises(DataError, match=r"dog/2\.png"):
        load_images(str(folder))


def test_folders_without_images(folder: Path, tmp_path: Path) -> None:
    (folder / "train" / "eel").mkdir()
    with pytest.raises(DataError, match=r"no image in \['eel'\]"):
        load_images(str(folder))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="no folder in it"):
        load_images(str(empty))


def test_a_class_that_only_the_test_tree_has(folder: Path) -> None:
    paint(folder / "test" / "eel" / "0.png", 3)
    with pytest.raises(DataError, match="eel"):
        load_images(str(folder))


def test_what_was_done_is_said_in_one_line(folder: Path) -> None:
    assert said_of(str(folder))[-2:] == [
        f"images of {folder}: 4 to train on (train), 1 for the test (test); 2 classes; 32 x 32 pixels (evaluator.size "
        "says another), RGB; more than half of 1 image is outside of the part that is read",
        f"expected images that show something in {folder}; got 1 of one value each ['test/dog/0.png']; remove them if "
        "they are no part of the data",
    ]


def test_all_broken_files_of_all_splits_are_named_at_once(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(40, 40), dtype=np.uint8)
    torn = folder / "train" / "cat" / "torn.png"
    Image.fromarray(noise).save(torn)
    torn.write_bytes(torn.read_bytes()[:200])
    (folder / "train" / "dog" / "empty.jpg").write_bytes(b"")
    (folder / "test" / "dog" / "page.jpg").write_text("<html>")
    (folder / "test" / "dog" / "gone.png").symlink_to("nowhere.png")
    paint(folder / "train" / "cat" / "large.png", 1, (2000, 1000))
    with pytest.raises(DataError, match="5 that cannot be read") as refused:
        load_images(str(folder), max_pixels=1_000_000)
    named = ("cat/torn.png (", "dog/empty.jpg (", "dog/page.jpg (", "dog/gone.png (", "cat/large.png (2,000 x 1,000")
    assert all(f"/{name}" in str(refused.value) for name in named)


def test_the_bound_on_pixels_is_the_settings_and_pillows_own_stays(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 7, (100, 100))
    paint(tmp_path / "b" / "0.png", 90, (100, 101))
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(DataError, match=r"b/0\.png; got 100 x 101 pixels.*raise evaluator\.max_pixels"):
        load_images(str(tmp_path), max_pixels=10_000)
    assert len(load_images(str(tmp_path), max_pixels=10_100).train) == 2
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_picture_over_the_bound_is_refused_by_its_header(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 7)
    paint(tmp_path / "b" / "0.png", 90)
    Image.new("1", (13_300, 13_300)).save(tmp_path / "b" / "large.png")
    with pytest.raises(DataError, match=r"13,300 x 13,300 pixels, over evaluator\.max_pixels \(134,217,728\)"):
        load_images(str(tmp_path))


def test_three_splits_are_training_validation_and_test(folder: Path) -> None:
    paint(folder / "valid" / "cat" / "0.png", 30)
    paint(folder / "valid" / "dog" / "0.png", 60)
    data = load_images(str(folder))
    assert data.validation is not None
    assert [int(image.unique()) for image in data.validation.images] == [30, 60]
    training, validation = data.split(0.5, 0)
    assert (training, validation) == (data.train, data.validation)
    limited, same = data.split(0.5, 0, limit=2)
    assert (limited.labels.tolist(), same) == ([0, 1], data.validation)
    without = load_images(str(Path(shutil.move(folder / "valid", folder.parent / "valid")).parent / folder.name))
    assert without.digest == without.train.digest == data.train.digest != data.digest


def test_a_second_split_is_the_test_set_whatever_its_name(folder: Path) -> None:
    digest = load_images(str(folder)).digest
    (folder / "test").rename(folder / "Validation")
    data = load_images(str(folder))
    assert data.validation is None
    assert len(data.test() or []) == 1
    assert data.digest == digest
    assert "1 for the test (Validation); 2 classes; the second split is the test set" in said_of(str(folder))[-2]


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".dib", ".avif"])
def test_other_suffixes_of_known_kinds_are_read(suffix: str, tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        paint(tmp_path / name / f"0{suffix}", (100 * number, 50, 50))
    assert len(load_images(str(tmp_path)).train) == 2


def test_only_the_first_frame_is_read_and_that_is_said(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        paint(tmp_path / name / "0.png", 100 * number)
        frame = Image.open(tmp_path / name / "0.png")
        frame.save(tmp_path / name / "1.gif", save_all=True, append_images=[Image.new("L", frame.size, 255)])
    assert "the first frame of 2 files" in said_of(str(tmp_path))[-1]


def test_a_pipe_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "train" / "cat" / "z.png")
    assert "not regular ['train/cat/z.png']" in said_of(str(folder))[0]


@pytest.mark.parametrize("source", ["digits", "digits_hard", "cifar10"])
def test_a_folder_called_as_images_of_lapt_is_meant_by_its_path(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path / source / "a" / "0.png", 7)
    paint(tmp_path / source / "b" / "0.png", 90)
    monkeypatch.chdir(tmp_path)
    for root in (None, tmp_path):
        with pytest.raises(DataError, match=rf"write \./{source} for the folder"):
            load_images(source, root)
    assert len(load_images(f"./{source}").train) == 2
    if source.startswith("digits"):  # a folder of other things is no matter
        (tmp_path / "other" / source / "notes").mkdir(parents=True)
        assert len(load_images(source, tmp_path / "other").train) == 1438


def test_a_height_and_a_width_of_ones_own(tmp_path: Path) -> None:
    """Images of 60 x 30 are halved, and cut at the sides where they are too wide; squares above and below."""
    for label, colour in (("a", 90), ("b", 200)):
        paint(tmp_path / label / "0.png", colour, (60, 30))
        paint(tmp_path / label / "1.png", colour, (90, 30))
        paint(tmp_path / label / "2.png", colour, (20, 20))
    train = load_images(str(tmp_path), size=[15, 30]).train
    assert train.shape == (1, 15, 30)
    assert load_images(str(tmp_path), size=15).train.shape == (1, 15, 15)
    said = said_of(str(tmp_path), size=[15, 30])
    assert any("15 x 30 pixels, grey" in line for line in said)
    assert not any("outside of the part that is read" in line for line in said)
    assert any("more than half of 6 images" in line for line in said_of(str(tmp_path), size=[90, 15]))


@pytest.mark.parametrize("size", [7, [32, 7], [0, 9]])
def test_sides_that_are_too_small_are_named(size: Any) -> None:
    with pytest.raises(ValidationError, match=r"sides of 8 pixels or more are expected; got [70]"):
        Reading(size=size)
