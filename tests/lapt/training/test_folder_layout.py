"""Folders as splits or classes, and content that is skipped."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.data.layout import SPLITS, SYSTEM, Split, laid_out, split_named
from lapt.errors import DataError


def touch(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def tree(root: Path, folders: Mapping[str, str]) -> Path:
    """{"train": "cat dog"}: a folder with those sub-folders, of three images each; "": three images of its own."""
    for folder, classes in folders.items():
        for name in classes.split() or [""]:
            touch(root, *(f"{folder}/{name}/{number}.png" for number in range(3)))
    return root


@given(st.data())
def test_a_split_is_spelt_in_any_case_with_digits_signs_and_words_beside(data: st.DataObject) -> None:
    split = data.draw(st.sampled_from(sorted(SPLITS)))
    spelt = data.draw(st.sampled_from(SPLITS[split]))
    word = data.draw(st.sampled_from(["", "set", "_data", "-Images", " 2017", "_set"]))
    cases = data.draw(st.lists(st.booleans(), min_size=len(spelt), max_size=len(spelt)))
    name = "".join(letter.upper() if upper else letter for letter, upper in zip(spelt, cases, strict=True)) + word
    assert split_named(name) == split


@pytest.mark.parametrize("name", ["trains", "trainer", "tram", "contest", "valley", "devil", "cat", "", "2017", "set"])
def test_other_words_are_classes(name: str) -> None:
    assert split_named(name) is None


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("Training", "Testing"), {"train", "test"}),
        (("TRAIN", "Valid"), {"train", "validation"}),
        (("train", "val", "test"), {"train", "validation", "test"}),
        (("train_set", "dev_set", "eval_set"), {"train", "validation", "test"}),
        (("tr", "tst"), {"train", "test"}),
        (("train",), {"train"}),
    ],
)
def test_folders_called_as_splits_with_the_same_sub_folders_are_splits(
    folders: tuple[str, ...], splits: set[Split], tmp_path: Path
) -> None:
    found = laid_out(tree(tmp_path, dict.fromkeys(folders, "cat dog")))
    assert set(found.splits) == splits
    assert list(found.train) == ["cat", "dog"]
    assert [len(files) for files in found.train.values()] == [3, 3]
    for split, classes in (("validation", found.validation), ("test", found.test)):
        assert list(classes) == (["cat", "dog"] if split in splits else [])


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        ({"bus": "", "car": "", "train": ""}, ["bus", "car", "train"]),
        ({"bus": "red", "car": "fast", "train": "steam electric"}, ["bus", "car", "train"]),
        ({"test": "", "train": "", "bus": ""}, ["bus", "test", "train"]),
        ({"cat": "images", "dog": "images"}, ["cat", "dog"]),
    ],
)
def test_classes_may_be_called_as_splits_beside_others(
    folders: dict[str, str], classes: list[str], tmp_path: Path
) -> None:
    found = laid_out(tree(tmp_path, folders))
    assert not found.splits
    assert list(found.train) == classes


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ({"batch1": "cat dog", "batch2": "cat dog"}, "['batch1', 'batch2'] with the same folders in each"),
        ({"train": "cat dog", "extra": "cat dog"}, "['extra', 'train'] with the same folders in each, ['cat', 'dog']"),
        ({"train": "cat dog", "test": "cat dog", "more": "cat dog"}, "['more', 'test', 'train'] with the same"),
        ({"learn": "cat dog eel", "check": "cat dog eel fox"}, "['check', 'learn'] with the same folders"),
        ({"cat": "train test", "dog": "train test"}, "['cat', 'dog'] with the same folders in each"),
        ({"train": "cat", "other": "cat"}, "['other', 'train'] with the same folders in each, ['cat']"),
        ({"train": "cat dog", "training": "cat dog"}, "one folder a split"),
        ({"val": "cat dog", "test": "cat dog"}, "train among them"),
        ({"train": "cat dog", "unlabelled": ""}, "name "),
        ({"train": "", "test": ""}, "no folder in it, and 3 images"),
        ({"train": "cat dog", "test": "cat dog eel"}, "['eel'] besides"),
        ({"archive": "cat dog"}, "folders in it that look like the classes, ['cat', 'dog']"),
        ({"archive/data": "cat dog"}, "archive/data as evaluator.data"),
        ({"mine/train": "cat dog", "mine/test": "cat dog"}, "mine as evaluator.data"),
        ({"train/archive": "cat dog", "test/archive": "cat dog"}, "test/archive, with folders in it"),
    ],
)
def test_folders_that_may_be_read_in_two_ways_are_refused(folders: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        laid_out(tree(tmp_path, folders))


@pytest.mark.parametrize("name", [*sorted(SYSTEM - {"icon\r"}), "@eaDir", "$RECYCLE.BIN", ".ipynb_checkpoints", "._x"])
@pytest.mark.parametrize("where", ["{}/0.png", "cat/{}/0.png", "cat/deep/{}/deeper/0.png", "{}/cat/0.png"])
def test_what_is_hidden_or_of_the_system_is_passed_over_and_said(name: str, where: str, tmp_path: Path) -> None:
    touch(tree(tmp_path, {"cat": "", "dog": ""}), where.format(name))
    found = laid_out(tmp_path)
    assert {label: len(files) for label, files in found.train.items()} == {"cat": 3, "dog": 3}
    assert str(found.passed_over) == f"1 image in hidden or system files {[name]}"


def test_what_is_above_the_folder_may_be_hidden(tmp_path: Path) -> None:
    assert len(laid_out(tree(tmp_path / ".cache" / "data", {"cat": "", "dog": ""})).train) == 2


def test_everything_that_is_passed_over_is_said(tmp_path: Path) -> None:
    tree(tmp_path, {"train": "cat dog", "test": "cat dog", "docs": ""})
    touch(tmp_path, "cover.png", "train/loose.jpg", "train/cat/a.heic", "train/cat/b.HEIC", "labels.csv", "test/dog/c")
    touch(tmp_path, "train/cat/.hidden.png", ".DS_Store", "train/Thumbs.db")
    os.mkfifo(tmp_path / "train" / "cat" / "z.png")
    (tmp_path / "train" / "dog" / "linked").symlink_to(tmp_path / "docs")
    found = laid_out(tmp_path)
    assert {len(files) for files in (*found.train.values(), *found.test.values())} == {3}
    assert str(found.passed_over).split("; ") == [
        "1 image in hidden or system files ['.hidden.png']",
        "4 files of kinds that are not read (.heic 2, .csv 1, no suffix 1)",
        "not regular ['train/cat/z.png']",
        "linked inside of a class ['train/dog/linked']",
        "outside of the class folders ['cover.png', 'train/loose.jpg']",
        "beside the splits ['docs']",
    ]


def test_a_class_of_nothing_but_unread_files_names_their_kinds(tmp_path: Path) -> None:
    touch(tree(tmp_path, {"cat": ""}), "dog/0.heic", "dog/1.heic", "dog/2")
    with pytest.raises(
        DataError, match=re.escape("no image in ['dog'] but files of other kinds (.heic 2, no suffix 1)")
    ):
        laid_out(tmp_path)


@pytest.mark.parametrize(("link", "to"), [("self", "."), ("up", ".."), ("train/self", "."), ("train/up", "../..")])
def test_a_link_to_a_folder_around_it_is_refused(link: str, to: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "data", {"train": "cat dog", "test": "cat dog"} if "/" in link else {"cat": "", "dog": ""})
    (root / link).symlink_to(to)
    with pytest.raises(DataError, match="a link to a folder that it lies in"):
        laid_out(root)


def test_two_classes_that_are_one_folder_are_refused(tmp_path: Path) -> None:
    tree(tmp_path, {"cat": ""})
    (tmp_path / "dog").symlink_to("cat")
    with pytest.raises(DataError, match=re.escape("one of ['cat', 'dog']")):
        laid_out(tmp_path)


def test_linked_class_folders_and_files_are_read(tmp_path: Path) -> None:
    tree(tmp_path / "kept", {"cat": "", "dog": ""})
    (tmp_path / "data" / "fox").mkdir(parents=True)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "kept" / name)
    (tmp_path / "data" / "fox" / "0.png").symlink_to(tmp_path / "kept" / "cat" / "0.png")
    assert [len(files) for files in laid_out(tmp_path / "data").train.values()] == [3, 3, 1]


@pytest.mark.parametrize("name", [b"line\nbreak", b"caf\xe9", b"\x1b[31mred", b"tab\t'quote'"])
def test_names_of_any_bytes_are_said_in_one_printable_line(name: bytes, tmp_path: Path) -> None:
    os.makedirs(os.path.join(os.fsencode(tmp_path), name))
    with pytest.raises(DataError, match="no image in") as refused:
        laid_out(tree(tmp_path, {"cat": ""}))
    assert str(refused.value).isprintable()
    touch(tmp_path / os.fsdecode(name), "0.png", "1.txt")
    assert os.fsdecode(name) in laid_out(tmp_path).train
