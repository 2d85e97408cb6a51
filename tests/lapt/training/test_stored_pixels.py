"""Folders of images that every process reads from one file on disk."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lapt.data import images, stored
from lapt.data.images import ImageData
from lapt.data.pixels import StoredPixels, blocks
from lapt.data.sources import load_images
from lapt.errors import DataError, Notice
from lapt.training.loop import train
from lapt.training.network import build
from lapt.training.recipe import Recipe
from lapt.training.tasks import make_task

SIDE = 12


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _folder(root: Path, *, per_class: int = 8, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    draw = np.random.default_rng(0)
    for split in splits:
        for at, label in enumerate("abc"):
            (root / split / label).mkdir(parents=True)
            for n in range(per_class):
                pixels = draw.integers(60 * at, 60 * at + 120, (SIDE, SIDE, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / label / f"{n}.png")
    return root


def _read(folder: Path, **how: int) -> tuple[ImageData, ImageData, ImageData]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        found = load_images(str(folder), **how)
        assert found.validation is not None
        test = found.test()
    assert test is not None
    return found.train, found.validation, test


def test_a_stored_folder_is_the_same_data(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "images")
    for held, kept in zip(_read(folder), _read(folder, in_memory=0), strict=True):
        assert isinstance(held.images, torch.Tensor)
        assert isinstance(kept.images, StoredPixels)
        assert kept.shape == held.shape
        assert kept.digest == held.digest
        assert all(torch.equal(a, b) for a, b in zip(kept.statistics, held.statistics, strict=True))
        assert torch.equal(kept.spans, held.spans)
        at = torch.tensor([5, 0, 1, 2, 17, 5])
        assert torch.equal(kept.images[at], held.images[at])
        assert torch.equal(
            kept.subset(at).subset(torch.tensor([4, 0])).images[torch.tensor([0, 1])], held.images[[17, 5]]
        )
        assert kept.subset(at).digest == held.subset(at).digest


def test_a_training_scores_the_same_from_either(tmp_path: Path) -> None:
    folder, scores = _folder(tmp_path / "images"), []
    for in_memory in (2**29, 0):
        training, validation, _ = _read(folder, in_memory=in_memory)
        task = make_task("classification", training)
        network = build(lambda: _Small(), task, seed=0)
        recipe = Recipe(epochs=2, batch_size=8)
        scores.append(train(network, task, training, validation, recipe, seed=0, device="cpu").values)
    assert scores[0] == scores[1]


class _Small(torch.nn.Module):
    out_channels, reduction = 4, 1

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.convolution(images))


@given(st.lists(st.integers(0, 19), max_size=12), st.lists(st.integers(0, 11), max_size=5))
def test_any_positions_are_read_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], then: list[int]
) -> None:
    file = tmp_path_factory.getbasetemp() / "twenty.uint8"
    every = np.random.default_rng(1).integers(0, 256, (20, 3, 4, 5), dtype=np.uint8)
    file.write_bytes(every.tobytes())
    pixels = StoredPixels.whole(file, (20, 3, 4, 5))
    assert np.array_equal(pixels[torch.tensor(first, dtype=torch.int64)].numpy(), every[np.array(first, dtype=int)])
    then = [at for at in then if at < len(first)]
    some = pixels.only(torch.tensor(first, dtype=torch.int64))[torch.tensor(then, dtype=torch.int64)]
    assert np.array_equal(some.numpy(), every[np.array(first, dtype=int)][np.array(then, dtype=int)])


def test_blocks_are_all_images_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapt.data.pixels.BLOCK", 2 * 3 * SIDE * SIDE)
    training, _, _ = _read(_folder(tmp_path / "images"), in_memory=0)
    found = list(blocks(training.images))
    assert [len(block) for block in found] == [2] * 12
    assert torch.equal(torch.cat(found), training.images[torch.arange(24)])


def test_a_moved_folder_and_another_process_find_what_was_decoded(tmp_path: Path, cache: Path) -> None:
    folder = _folder(tmp_path / "images")
    _read(folder, in_memory=0)
    files = {file: file.stat().st_ino for file in cache.glob("*.uint8")}
    assert len(files) == 3
    moved = folder.rename(tmp_path / "elsewhere")
    read = f"from lapt.data.sources import load_images as l; print(l({str(moved)!r}, in_memory=0).train.digest)"
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", read], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == _read(moved, in_memory=0)[0].digest
    assert {file: file.stat().st_ino for file in cache.glob("*.uint8")} == files


def test_a_changed_image_is_decoded_again(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "images")
    before = _read(folder, in_memory=0)[0].digest
    Image.new("RGB", (SIDE, SIDE), (9, 9, 9)).save(folder / "train" / "a" / "0.png")
    with pytest.warns(UserWarning, match="one value"):
        after = load_images(str(folder), in_memory=0).train
    assert after.digest != before
    assert after.images[torch.tensor([0])].flatten(2).tolist() == [[[9] * SIDE * SIDE] * 3]


def test_what_is_decoded_is_said_with_its_size(tmp_path: Path, cache: Path) -> None:
    with pytest.warns(
        Notice, match=r"24 images of .* at 12 x 12 pixels are 0\.0 MB: they are decoded once, to .*cache"
    ):
        load_images(str(_folder(tmp_path / "images")), in_memory=0)


def test_the_sets_used_longest_ago_make_room(tmp_path: Path, cache: Path) -> None:
    size = 24 * 3 * SIDE * SIDE
    first, second = (_folder(tmp_path / name, splits=("train",), per_class=n) for name, n in (("one", 8), ("two", 7)))
    warnings.simplefilter("ignore", Notice)
    kept = load_images(str(first), in_memory=0, max_cache=size + 10).train
    load_images(str(second), in_memory=0, max_cache=size + 10)
    (left,) = cache.glob("*.uint8")
    assert left.stat().st_size == 21 * 3 * SIDE * SIDE
    assert len(kept.images[torch.arange(24)]) == 24  # it is open, so it can still be read
    assert load_images(str(first), in_memory=0, max_cache=size + 10).train.digest == kept.digest


def test_another_process_reads_neither_pictures_nor_pixels_to_know_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder(tmp_path / "images")

    def known() -> list[object]:
        sides = [side for data in _read(folder, in_memory=0) for side in (data, data.subset(torch.tensor([5, 2])))]
        return [(one.digest, one.spans.tolist(), *(part.tolist() for part in one.statistics)) for one in sides]

    first = known()
    in_memory = [side for data in _read(folder) for side in (data, data.subset(torch.tensor([5, 2])))]
    assert [found[0] for found in first] == [one.digest for one in in_memory]
    for module, name in ((stored, "_digest_of"), (images, "blocks")):
        monkeypatch.setattr(module, name, lambda *given, name=name: pytest.fail(f"{name} was called"))
    assert known() == first


def test_a_changed_picture_of_the_same_size_is_seen(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "images")
    before = _read(folder, in_memory=0)[0].digest
    picture = folder / "train" / "a" / "0.png"
    content, status = bytearray(picture.read_bytes()), picture.stat()
    other = (folder / "train" / "a" / "1.png").read_bytes()
    picture.write_bytes(other)
    assert _read(folder, in_memory=0)[0].digest != before
    picture.write_bytes(content)
    os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert _read(folder, in_memory=0)[0].digest == before


def test_files_beside_the_pixels_go_with_them(tmp_path: Path, cache: Path) -> None:
    data, *_ = _read(_folder(tmp_path / "images"), in_memory=0)
    assert isinstance(data.images, StoredPixels)
    assert data.digest
    beside = set(cache.glob(f"{data.images.file.stem}.*.npy"))
    assert len(beside) == 2  # digest and spans
    stored.Cache.of_user(2**30).forget(data.images)
    assert not beside & set(cache.iterdir())


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"torn"])
def test_a_torn_file_beside_the_pixels_is_computed_again(tmp_path: Path, cache: Path, content: bytes) -> None:
    folder = _folder(tmp_path / "images")
    first, *_ = _read(folder, in_memory=0)
    digest, spans = first.digest, first.spans.tolist()
    for file in cache.glob("*.npy"):
        file.write_bytes(content)
    again, *_ = _read(folder, in_memory=0)
    assert (again.digest, again.spans.tolist()) == (digest, spans)
    assert all(len(file.read_bytes()) > len(content) for file in cache.glob("*.npy"))


def test_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, *_ = _read(_folder(tmp_path / "images"), in_memory=0)

    def full(*given: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    with pytest.raises(DataError, match=r"decoded images in .*; got No space left on device; make room there"):
        assert data.digest


@pytest.mark.parametrize(
    ("free", "most", "said"),
    [
        (
            stored.SPARED + 100,
            2**30,
            r"0\.0 MB in .*cache for 24 decoded images .*; got 0\.0 MB there; name another with",
        ),
        (2**40, 100, r"got 0\.0 MB at most \(evaluator\.max_cache\); raise it, choose a smaller evaluator\.size"),
    ],
)
def test_too_small_a_disk_is_said_before_anything_is_decoded(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, free: int, most: int, said: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    with pytest.raises(DataError, match=said):
        load_images(str(_folder(tmp_path / "images")), in_memory=0, max_cache=most)
    assert not list(cache.glob("*.uint8"))


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAPT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"decoded images in .*file; got .*; name another with LAPT_CACHE"):
        load_images(str(_folder(tmp_path / "images")), in_memory=0)


def test_an_interrupted_decoding_leaves_no_file(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _folder(tmp_path / "images")
    decode, done = stored.np.ascontiguousarray, []

    def interrupted(image: np.ndarray) -> np.ndarray:
        done.append(image)
        if len(done) == 10:
            raise KeyboardInterrupt
        return decode(image)

    monkeypatch.setattr(stored.np, "ascontiguousarray", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _read(folder, in_memory=0)
    assert {file.suffix for file in cache.iterdir()} == {".lock", ".listing"}
    monkeypatch.undo()
    monkeypatch.setenv("LAPT_CACHE", str(cache))
    assert len(_read(folder, in_memory=0)[0]) == 24


def test_an_image_that_cannot_be_decoded_is_named(tmp_path: Path, cache: Path) -> None:
    folder = _folder(tmp_path / "images")
    torn = folder / "train" / "b" / "3.png"
    torn.write_bytes(torn.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"b/3\.png"):
        load_images(str(folder), in_memory=0)
    assert not list(cache.glob("*.uint8"))
    assert not list(cache.glob("*.part"))


def test_masks_of_two_levels_are_stretched_from_the_file_too(tmp_path: Path, cache: Path) -> None:
    for label, value in (("a", 0), ("b", 1)):
        (tmp_path / "masks" / label).mkdir(parents=True)
        for n in range(4):
            pixels = np.full((SIDE, SIDE), value, dtype=np.uint8)
            pixels[n] = 1 - value
            Image.fromarray(pixels).save(tmp_path / "masks" / label / f"{n}.png")
    warnings.simplefilter("ignore", Notice)
    kept = load_images(str(tmp_path / "masks"), in_memory=0).train
    assert kept.digest == load_images(str(tmp_path / "masks")).train.digest
    assert kept.spans.unique().tolist() == [0, 128]
    assert len(list(cache.glob("*.uint8"))) == 1


def test_stored_pixels_are_not_sent_by_accident(tmp_path: Path) -> None:
    """Workers read a set by its specification: a pickled one would carry an open file."""
    training, _, _ = _read(_folder(tmp_path / "images"), in_memory=0)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(training.images)


# --- arrays of an npz file ------------------------------------------------------------------------------------------
def _npz(path: Path, *, channels: int = 3, save: Callable[..., None] = np.savez, **more: np.ndarray) -> Path:
    draw = np.random.default_rng(0)
    shape = (12, 10, *([channels] if channels else []))
    arrays = {f"x_{split}": draw.integers(0, 256, (20, *shape), dtype=np.uint8) for split in ("train", "val", "test")}
    arrays |= {f"y_{split}": np.arange(20) % 2 for split in ("train", "val", "test")}
    save(path, **(arrays | more))
    return path


@pytest.mark.parametrize("channels", [0, 1, 3])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_stored_arrays_are_the_same_data(channels: int, save: Callable[..., None], tmp_path: Path) -> None:
    file = _npz(tmp_path / "arrays.npz", channels=channels, save=save)
    for held, kept in zip(_read(file), _read(file, in_memory=0), strict=True):
        assert isinstance(held.images, torch.Tensor)
        assert isinstance(kept.images, StoredPixels)
        assert (kept.shape, kept.digest) == (held.shape, held.digest)
    bytes_of_x = 3 * (20 * 12 * 10 * max(1, channels) + 128)  # with the headers
    assert isinstance(_read(file, in_memory=bytes_of_x)[0].images, torch.Tensor)
    assert isinstance(_read(file, in_memory=bytes_of_x - 1)[0].images, StoredPixels)


def test_arrays_by_columns_are_held_in_memory_as_before(tmp_path: Path) -> None:
    turned = np.asfortranarray(np.random.default_rng(0).integers(0, 256, (20, 12, 10, 3), dtype=np.uint8))
    file = _npz(tmp_path / "arrays.npz", x_train=turned)
    held, kept = _read(file)[0], _read(file, in_memory=0)[0]
    assert isinstance(kept.images, torch.Tensor)
    assert kept.digest == held.digest


def test_a_large_array_takes_no_memory_of_its_size(tmp_path: Path) -> None:
    large = np.zeros((400, 250, 250), dtype=np.uint8)  # 25 MB
    large[:, 0, 0] = np.arange(400) % 256
    np.savez_compressed(tmp_path / "arrays.npz", x_train=large, y_train=np.arange(400) % 2)
    del large
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        found = load_images(str(tmp_path / "arrays.npz"), in_memory=10**6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 10**6
    assert found.train.images[torch.tensor([7, 399])][:, 0, 0, 0].tolist() == [7, 399 % 256]


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((20, 12, 10), dtype=np.float32), r"uint8.*got float32.*255 \* x"),
        (np.zeros((20, 3, 12, 10), dtype=np.uint8), r"got uint8 \[20, 3, 12, 10\]; write x\.transpose"),
        (np.zeros((19, 12, 10), dtype=np.uint8), "got 19 and 20"),
        (np.array([{}] * 20, dtype=object), "without Python objects"),
    ],
)
def test_large_arrays_are_refused_as_small_ones_are(x: np.ndarray, said: str, tmp_path: Path, cache: Path) -> None:
    file = _npz(tmp_path / "arrays.npz", channels=0, x_train=x)
    for in_memory in (2**29, 0):
        with pytest.raises(DataError, match=said):
            load_images(str(file), in_memory=in_memory)
    assert not list(cache.glob("*.uint8"))


def test_a_torn_array_leaves_no_file(tmp_path: Path, cache: Path) -> None:
    file = _npz(tmp_path / "arrays.npz")
    content = bytearray(file.read_bytes())
    content[3000] ^= 1  # in the pixels of x_train
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"arrays without Python objects in .*CRC"):
        _read(file, in_memory=0)
    assert {found.suffix for found in cache.iterdir()} <= {".lock", ".listing"}
