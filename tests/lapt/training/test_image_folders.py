from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lapt.training.data import DataError
from lapt.training.sources import load_images

RED = (250, 0, 0)

pytestmark = pytest.mark.filterwarnings("ignore:expected images of one kind")


def paint(path: Path, colour: int | tuple[int, int, int], size: tuple[int, int] = (40, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(path)


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


def test_the_size_is_a_choice_and_no_larger_than_the_smallest_image_by_default(folder: Path) -> None:
    assert load_images(str(folder), size=48).train.shape == (3, 48, 48)
    paint(folder / "train" / "cat" / "tiny.png", 1, (20, 13))
    assert load_images(str(folder)).train.shape == (3, 13, 13)


def test_a_single_tree_of_grey_images_has_one_channel_and_no_test_split(tmp_path: Path) -> None:
    paint(tmp_path / "a" / "0.png", 7)
    paint(tmp_path / "b" / "0.png", 9)
    Image.fromarray(np.full((40, 40), 5 * 256, dtype=np.uint16)).save(tmp_path / "b" / "1.png")
    data = load_images(tmp_path.name, tmp_path.parent)
    assert data.train.shape == (1, 32, 32)
    assert [int(image.unique()) for image in data.train.images] == [7, 9, 5]
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
