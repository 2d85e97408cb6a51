from __future__ import annotations

import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lapt.data.images import ImageData, split
from lapt.data.reading import Reading
from lapt.data.sources import load_images
from lapt.errors import DataError
from lapt.training.tasks import make_task

DIGITS = load_images("digits")


def test_digits_are_all_there_and_scaled() -> None:
    train, test = DIGITS.train, DIGITS.test()
    assert test is not None
    assert len(train) + len(test) == 1797
    assert train.shape == (1, 8, 8)
    assert (int(train.images.min()), int(train.images.max())) == (0, 255)
    assert torch.bincount(torch.cat([train.labels, test.labels])).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180
    ]  # fmt: skip
    assert not train.flippable


def test_hard_digits_are_the_same_digits_turned_and_noisy() -> None:
    plain, hard = load_images("digits"), load_images("digits_hard")
    assert torch.equal(hard.train.labels, plain.train.labels)
    assert hard.train.shape == plain.train.shape == (1, 8, 8)
    held_out = hard.test()
    assert held_out is not None
    assert len(held_out) == len(plain.test() or [])
    assert load_images("digits_hard").train.digest == hard.train.digest
    # Noise with a standard deviation of a tenth of the range, of which cutting off at black takes some.
    corners = hard.train.images[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].double()
    assert 10 < corners.std() < 30
    # Turned by up to 45 degrees: alike in the middle, unlike towards the edges, which noise alone would not tell apart.
    before, after = plain.train.images[:, 0].double(), hard.train.images[:, 0].double()
    middle, rim = (slice(None), slice(3, 5), slice(3, 5)), (slice(None), slice(1, 7), [1, 6])
    assert (after - before)[middle].abs().mean() < 35
    assert (after - before)[rim].abs().mean() > 35


def test_statistics_are_those_of_all_pixels() -> None:
    scaled = DIGITS.train.images.double() / 255
    mean, deviation = DIGITS.train.statistics
    assert mean.item() == pytest.approx(scaled.mean().item(), abs=1e-6)
    assert deviation.item() == pytest.approx(scaled.std(correction=0).item(), abs=1e-6)


def test_the_digest_follows_the_content_alone() -> None:
    train = DIGITS.train
    same = ImageData(train.images.clone(), train.labels.clone(), train.classes, flippable=False, name="other")
    assert same.digest == train.digest == load_images("digits").train.digest
    images = train.images.clone()
    images[5, 0, 3, 3] ^= 1
    assert ImageData(images, train.labels, train.classes, flippable=False).digest != train.digest


def keys(data: ImageData) -> set[bytes]:
    return {image.numpy().tobytes() for image in data.images}


def test_a_split_is_stratified_disjoint_and_of_its_seed() -> None:
    train, validation = split(DIGITS.train, 0.25, 1)
    assert len(train) + len(validation) == len(DIGITS.train)
    assert not keys(train) & keys(validation)
    shares = torch.bincount(validation.labels) / torch.bincount(DIGITS.train.labels)
    assert shares.sub(0.25).abs().max() < 0.01
    assert split(DIGITS.train, 0.25, 1)[1].digest == validation.digest
    assert split(DIGITS.train, 0.25, 2)[1].digest != validation.digest


def test_a_limit_leaves_the_validation_images_alone() -> None:
    train, validation = split(DIGITS.train, 0.25, 1, limit=50)
    assert torch.bincount(train.labels).tolist() == [5] * 10
    assert validation.digest == split(DIGITS.train, 0.25, 1)[1].digest
    assert keys(train) <= keys(split(DIGITS.train, 0.25, 1, limit=100)[0])


@pytest.mark.parametrize(
    ("labels", "share", "limit", "message"),
    [
        ([0, 0, 0, 1], 0.5, None, "one of class 'b'"),
        ([0, 0, 1, 1], 0.5, 1, "at least one image a class (2); got 1"),
        ([0, 0, 1, 1], 1.0, None, "between 0 and 1; got 1.0"),
        ([], 0.5, None, "got none"),
    ],
)
def test_splits_that_cannot_be(labels: list[int], share: float, limit: int | None, message: str) -> None:
    images = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    data = ImageData(images, torch.tensor(labels, dtype=torch.int64), ("a", "b"))
    with pytest.raises(DataError, match=re.escape(message)):
        split(data, share, 0, limit=limit)


def test_two_images_of_a_class_go_to_either_side() -> None:
    data = ImageData(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]), ("a", "b"))
    for share in (0.01, 0.99):
        assert [part.labels.tolist() for part in split(data, share, 0)] == [[0, 1], [0, 1]]


IMAGES = np.arange(4 * 6 * 5 * 3, dtype=np.uint8).reshape(4, 6, 5, 3)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    def save(**arrays: Any) -> str:
        np.savez(tmp_path / "data.npz", **arrays)
        return str(tmp_path / "data.npz")

    return save


def test_npz_images_come_channels_first_and_the_test_split_by_a_call(saved: Callable[..., str]) -> None:
    labels = np.array([0, 1, 1, 0], dtype=np.int16)
    data = load_images(saved(x_train=IMAGES, y_train=labels, x_test=IMAGES[:1], y_test=labels[:1]))
    assert data.train.shape == (3, 6, 5)
    assert data.train.images[2, 1, 4, 3] == IMAGES[2, 4, 3, 1]
    assert data.train.labels.tolist() == [0, 1, 1, 0]
    assert data.train.classes == ("0", "1")
    test = data.test()
    assert test is not None
    assert test.images.shape == (1, 3, 6, 5)
    assert load_images(saved(x_train=IMAGES[..., 0], y_train=labels)).test() is None


def test_npz_targets(saved: Callable[..., str]) -> None:
    normals = np.random.default_rng(0).normal(size=(4, 6, 5, 3))
    dense = load_images(saved(x_train=IMAGES, y_train=normals)).train.targets
    assert dense is not None
    assert dense.shape == (4, 3, 6, 5)
    assert dense[1, 2, 3, 4] == pytest.approx(normals[1, 3, 4, 2])
    layouts = load_images(saved(x_train=IMAGES, y_train=np.zeros(4))).train.targets
    assert layouts is not None
    assert layouts.shape == (4, 1)
    segments = load_images(saved(x_train=IMAGES, y_train=np.ones((4, 6, 5), dtype=np.uint8))).train.targets
    assert segments is not None
    assert segments.dtype == torch.int64


LABELS = np.array([0, 1, 1, 0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "got ['images']"),
        ({"x_train": IMAGES / 255, "y_train": LABELS}, "got float64 [4, 6, 5, 3]"),
        ({"x_train": IMAGES.transpose(0, 3, 1, 2), "y_train": LABELS}, "got uint8 [4, 3, 6, 5]"),
        ({"x_train": IMAGES, "y_train": LABELS[:3]}, "got 4 and 3"),
        ({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, "got 0 and 0"),
        ({"x_train": IMAGES, "y_train": LABELS - 1}, "labels from -1 to 0"),
        ({"x_train": IMAGES, "y_train": LABELS * 2 - 1}, "labels from -1 to 1"),
        ({"x_train": IMAGES, "y_train": LABELS + 1}, "labels from 1 to 2 with 2 numbers in use"),
        ({"x_train": IMAGES, "y_train": LABELS + 1}, "write y_train - 1 and y_test - 1"),
        ({"x_train": IMAGES, "y_train": LABELS[:, None] + 1}, "write y_train - 1 and y_test - 1"),
        ({"x_train": IMAGES, "y_train": np.array([0, 90_210, 0, 7])}, "labels from 0 to 90210 with 3 numbers in use"),
        ({"x_train": IMAGES, "y_train": LABELS * 10_000 + 500}, "write numpy.searchsorted(numpy.unique(y_train), y)"),
        ({"x_train": IMAGES, "y_train": LABELS.astype(bool)}, "write y.astype('int64')"),
        ({"x_train": IMAGES, "y_train": np.eye(2, dtype=int)[LABELS]}, "one-hot rows: write y.argmax(1)"),
        ({"x_train": IMAGES, "y_train": LABELS + 1, "classes": ["a", "b"]}, "labels from 1 to 2"),
        ({"x_train": IMAGES, "y_train": LABELS.astype(str)}, "write classes, y = numpy.unique(y, return_inverse=True)"),
        ({"x_train": IMAGES, "y_train": np.full(4, np.nan)}, "NaN or infinity"),
        ({"x_train": IMAGES, "y_train": np.zeros((4, 3, 3, 1))}, "got float64 [4, 3, 3, 1]"),
        ({"x_train": IMAGES, "y_train": np.zeros((4, 2), dtype=int)}, "got int64 [4, 2]"),
        ({"x_train": IMAGES, "y_train": LABELS.astype(object)}, "without Python objects"),
    ],
)
def test_npz_files_that_are_wrong(saved: Callable[..., str], arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        load_images(saved(**arrays))


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ({"x_test": IMAGES[..., :1], "y_test": LABELS}, "as in training: ((3, 6, 5), None); got ((1, 6, 5), None)"),
        ({"x_test": IMAGES, "y_test": np.zeros((4, 2))}, "as in training"),
        ({"x_test": IMAGES}, "x_test and y_test in"),
    ],
)
def test_test_images_that_do_not_fit_are_found_before_anything_is_trained(
    saved: Callable[..., str], test: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        load_images(saved(x_train=IMAGES, y_train=LABELS, **test))


def test_a_test_label_out_of_range_is_found_before_anything_is_trained(saved: Callable[..., str]) -> None:
    with pytest.raises(DataError, match="labels from 1 to 2"):
        load_images(saved(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS + 1))


def test_labels_in_a_column_are_labels(saved: Callable[..., str]) -> None:
    column = LABELS[:, None].astype(np.uint8)
    data = load_images(saved(x_train=IMAGES, y_train=column, x_test=IMAGES, y_test=column))
    plain = load_images(saved(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS))
    assert data.digest == plain.digest
    assert (data.test() or DIGITS.train).digest == (plain.test() or DIGITS.train).digest


@pytest.mark.parametrize(
    ("y", "remedy"),
    [
        (np.eye(2, dtype=np.float32)[LABELS], "these look like one-hot rows: write y.argmax(1)"),
        (LABELS.astype(float), "these look like labels as float32: write y.astype('int64').reshape(-1)"),
        (LABELS[:, None].astype(float), "these look like labels as float32: write y.astype('int64').reshape(-1)"),
        (LABELS + 0.25, "correct y"),
    ],
)
def test_targets_that_look_like_labels_are_told_to_a_classification(
    y: np.ndarray, remedy: str, saved: Callable[..., str]
) -> None:
    data = load_images(saved(x_train=IMAGES, y_train=y)).train
    assert make_task("jigsaw", data).name == "jigsaw"
    with pytest.raises(DataError, match=re.escape(remedy)):
        make_task("classification", data)


def test_a_class_without_training_images_is_said(saved: Callable[..., str]) -> None:
    with pytest.warns(UserWarning, match=re.escape("got none of 1 class ['2']")):
        assert load_images(saved(x_train=IMAGES, y_train=np.array([0, 1, 3, 1]))).train.classes == tuple("0123")
    named = {"x_train": IMAGES, "y_train": LABELS * 2, "classes": ["ant", "bee", "cat"]}
    with pytest.warns(UserWarning, match=re.escape("got none of 1 class ['bee']")):
        assert len(load_images(saved(**named)).train.classes) == 3


@pytest.mark.parametrize("ending", ["val", "valid", "validation"])
def test_validation_images_of_an_npz_are_used(ending: str, saved: Callable[..., str]) -> None:
    three = {f"x_{ending}": IMAGES[:2], f"y_{ending}": LABELS[:2], "x_test": IMAGES[2:], "y_test": LABELS[2:]}
    data = load_images(saved(x_train=IMAGES, y_train=LABELS, **three))
    assert data.validation is not None
    assert torch.equal(data.split(0.5, 0)[1].images, data.train.images[:2])
    assert data.digest != data.train.digest
    two = load_images(saved(x_train=IMAGES, y_train=LABELS, **{k: three[k] for k in list(three)[:2]}))
    assert two.validation is None
    assert torch.equal((two.test() or DIGITS.train).images, two.train.images[:2])
    with pytest.raises(DataError, match=f"x_{ending} and y_{ending} in"):
        load_images(saved(x_train=IMAGES, y_train=LABELS, **{f"y_{ending}": LABELS}))


def test_arrays_that_are_passed_over_are_named(saved: Callable[..., str]) -> None:
    with pytest.warns(UserWarning, match=re.escape("the arrays ['ids', 'x_extra']")):
        load_images(saved(x_train=IMAGES, y_train=LABELS, ids=LABELS, x_extra=IMAGES))


def test_an_npz_that_unpacks_to_more_than_the_bound_is_refused_unread(tmp_path: Path) -> None:
    pixels = np.zeros((200, 500, 500), dtype=np.uint8)
    np.savez_compressed(tmp_path / "zeros.npz", x_train=pixels, y_train=np.arange(200) % 2)
    assert (tmp_path / "zeros.npz").stat().st_size < 60_000
    tracemalloc.start()
    with pytest.raises(DataError, match=r"1,000,000 bytes.*\(evaluator\.max_bytes\); got 50,00\d,\d{3}, in a file of"):
        load_images(str(tmp_path / "zeros.npz"), max_bytes=10**6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6
    assert Reading().max_bytes == 4 * 1024**3


def test_the_bound_counts_what_is_read_and_is_a_setting(saved: Callable[..., str]) -> None:
    path = saved(x_train=IMAGES, y_train=LABELS, other=np.zeros(10**6))
    with pytest.raises(DataError, match=r"got 6\d\d, in a file of"):
        load_images(path, max_bytes=600)
    assert len(load_images(path, max_bytes=1000).train) == 4


def test_a_header_that_claims_more_than_the_memory_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive, archive.open("x_train.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (10**17, 9, 9)})
    with zipfile.ZipFile(tmp_path / "data.npz", "a") as archive, archive.open("y_train.npy", "w") as file:
        np.lib.format.write_array(file, LABELS)
    with pytest.raises(DataError, match=r"data\.npz"):
        load_images("data.npz", tmp_path)


def test_a_member_that_is_no_array_is_refused(saved: Callable[..., str]) -> None:
    path = saved(x_train=IMAGES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y_train.npy", b"0110")
    with pytest.raises(DataError, match=re.escape("['y_train'] are no arrays")):
        load_images(path)


def test_a_damaged_npz(saved: Callable[..., str]) -> None:
    noise = np.random.default_rng(0).integers(256, size=(4, 9, 9), dtype=np.uint8)
    path = Path(saved(x_train=noise, y_train=LABELS))
    content = bytearray(path.read_bytes())
    content[300] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"data\.npz"):
        load_images(str(path))


def test_a_file_that_is_no_npz(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DataError, match=r"broken\.npz"):
        load_images("broken.npz", tmp_path)


@pytest.mark.parametrize("source", ["cifar10", "cifar100"])
def test_cifar_that_is_not_there_names_the_folder(source: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        load_images(source, tmp_path)


def test_cifar_through_torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def found(root: str, *, train: bool, download: bool) -> SimpleNamespace:
        assert not download
        rows = 4 if train else 1
        return SimpleNamespace(data=IMAGES[:rows], targets=[0, 1, 1, 0][:rows], classes=["cat", "dog"])

    monkeypatch.setattr("torchvision.datasets.CIFAR10", found)
    data = load_images("cifar10", tmp_path)
    test = data.test()
    assert test is not None
    assert (len(data.train), len(test), data.train.classes) == (4, 1, ("cat", "dog"))
    assert data.train.images[0, 2, 5, 4] == IMAGES[0, 5, 4, 2]


def test_an_unknown_source_is_told_what_exists(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"digits, digits_hard, cifar10, cifar100, an \.npz file, a \.csv file or a folder"
    ):
        load_images("mnist", tmp_path)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.zeros(2, 1, 3, 3), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 3, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.zeros(2)),
        (torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.tensor([0, 2])),
    ],
)
def test_image_data_are_checked_when_they_are_made(images: torch.Tensor, labels: torch.Tensor) -> None:
    with pytest.raises(DataError):
        ImageData(images, labels, ("a", "b"))
