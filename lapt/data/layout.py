"""Splits and classes of the image files in a folder. This module opens no file."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, TypeVar

from lapt.data.pictures import SUFFIXES
from lapt.errors import DataError, printable

T = TypeVar("T")

Split = Literal["train", "validation", "test"]
Classes = dict[str, list[Path]]
"""Image files by class, both in the order of their names."""

SPLITS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "tr"),
    "validation": ("validation", "validate", "valid", "val", "development", "dev"),
    "test": ("testing", "test", "tst", "evaluation", "eval", "holdout"),
}
"""Spellings of a split's folder, in any case, with or without digits, signs and words such as set: Train_Set,
val2017."""
_BESIDE = "(?:set|data|dataset|images?|imgs?|split|folder)*"
_SPELT = {split: re.compile(f"{_BESIDE}(?:{'|'.join(names)}){_BESIDE}") for split, names in SPLITS.items()}

SYSTEM = frozenset({
    "@eadir", "@tmp", "@recycle", "@__thumb", "@recently-snapshot", "#recycle", "#snapshot", "~snapshot",
    "$recycle.bin", "recycler", "system volume information", "lost+found", "network trash folder", "temporary items",
    "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",
})  # fmt: skip
"""Names, in lower case, of files that servers, archives and systems add. Names that begin with a dot count too."""
NAMED = 5
"""Number of files and folders that a message names at most."""


def split_named(name: str) -> Split | None:
    """The split of a folder with that name, if it is a split's name."""
    letters = re.sub("[^a-z]", "", name.casefold())
    return next((split for split, spelt in _SPELT.items() if spelt.fullmatch(letters)), None)


@dataclass
class PassedOver:
    """Content of the folder ``root`` that is not read. As text: one line, empty if there is none.

    ``hidden``: images by the hidden file or folder that they are in. ``kinds``: other files by suffix. ``special``:
    pipes and devices. ``links``: linked folders inside of classes. ``loose``: images outside of classes. ``folders``:
    those beside the splits.
    """

    root: Path
    hidden: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    special: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    loose: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        said = []
        if self.hidden:
            said.append(f"{counted(self.hidden.total(), 'image')} in hidden or system files {listed(self.hidden)}")
        if self.kinds:
            said.append(f"{counted(self.kinds.total(), 'file')} of kinds that are not read {_by_kind(self.kinds)}")
        for found, what in (
            (self.special, "not regular"),
            (self.links, "linked inside of a class"),
            (self.loose, "outside of the class folders"),
            (self.folders, "beside the splits"),
        ):
            if found:
                said.append(f"{what} {inside(found, self.root)}")
        return "; ".join(said)


class Layout(NamedTuple):
    """Layout of a folder. ``splits``: the folders of the splits; empty if there is only ``train``."""

    train: Classes
    validation: Classes
    test: Classes
    splits: Mapping[Split, Path]
    passed_over: PassedOver


def laid_out(path: Path) -> Layout:
    """The layout of ``path``: folders of splits with one folder per class in each, or folders of classes.

    Folders are splits if they have such names and share sub-folders with the training folder. Raises DataError if
    folders may be either, for classes without images, and for links that lead in circles.
    """
    passed = PassedOver(path)
    splits = _splits(path)
    if not splits:
        return Layout(_classes(path, passed), {}, {}, {}, passed)
    passed.folders += [folder for folder in _folders(path) if folder not in splits.values()]
    _loose(path, passed)
    found = {split: _classes(folder, passed) for split, folder in splits.items()}
    for split, classes in found.items():
        unknown = sorted(set(classes) - set(found["train"]))
        if unknown:
            raise DataError(
                f"in {shown(splits[split])} the classes of {shown(splits['train'])}",
                f"{listed(unknown)} besides",
                "name the folders alike",
            )
    return Layout(found["train"], found.get("validation", {}), found.get("test", {}), splits, passed)


def sampled(layout: Layout, classes: int | None, images: int | None) -> Layout:
    """At most so many classes, in every split, and at most so many training images of each; None: all of them.

    Both are drawn by a fixed seed, and a larger sample holds the smaller one.
    """

    def drawn(found: Sequence[T], most: int | None, seed: str) -> list[T]:
        order = Random(seed).sample(range(len(found)), len(found))
        return [found[at] for at in sorted(order[:most])]

    names = drawn(list(layout.train), classes, "classes")
    train = {name: drawn(layout.train[name], images, name) for name in names}
    validation, test = (
        {name: part[name] for name in names if name in part} for part in (layout.validation, layout.test)
    )
    return Layout(train, validation, test, layout.splits, layout.passed_over)


def images_in(folder: Path) -> list[Path]:
    """All image files below a folder, by name. Raises DataError for a folder that cannot be read."""
    return sorted(_walk(folder, PassedOver(folder)))


def holds_images(folder: Path) -> bool:
    return any(True for _ in _walk(folder, PassedOver(folder)))


# --- splits or classes -------------------------------------------------------------------------------------------
class _Outline(NamedTuple):
    """Outline of a folder. ``direct``: images lie in the folder itself. ``inside``: its sub-folders with images."""

    direct: bool
    inside: frozenset[str]


def _splits(path: Path) -> dict[Split, Path]:
    """The folders of the splits; empty if the folders are classes. Raises DataError if they may be either."""
    tops = {folder: outline for folder in _folders(path) if any(outline := _outline(folder))}
    called = {folder: split for folder in tops if (split := split_named(folder.name))}
    splits = {split: folder for folder, split in called.items()}
    training, others = splits.get("train"), [folder for folder in tops if folder not in called]
    if len(called) > 1 and not others and (training is None or len(splits) < len(called)):
        raise DataError(
            f"one folder a split in {shown(path)}, train among them",
            listed(folder.name for folder in called),
            "name them train, val and test",
        )
    if training is None or len(splits) < len(called):
        return {}
    classes = tops[training].inside
    sharing = [folder for folder in tops if folder != training and tops[folder].inside & classes]
    if not others or (sharing and set(sharing) <= set(called)):
        return splits
    if sharing:
        raise _alike(path, [training, *sharing], classes)
    if classes and not tops[training].direct and not any(tops[folder].inside for folder in others):
        raise DataError(
            f"in {shown(path)} folders of splits alone, or of classes alone",
            f"{listed([training.name])} with the folders {listed(classes)}, beside {listed(o.name for o in others)}",
            f"name {shown(training)} itself if those are the classes; else put its images directly into it",
        )
    return {}


def _alike(path: Path, folders: Collection[Path], shared: Iterable[str]) -> DataError:
    return DataError(
        f"in {shown(path)} a folder a class, or folders called train, val and test",
        f"{listed(folder.name for folder in folders)} with the same folders in each, {listed(shared)}: they look like "
        "splits under other names, or like parts of all classes",
        "name them train, val and test if they are splits; else put the images of each class directly into its folder",
    )


def _outline(folder: Path) -> _Outline:
    holding = frozenset(sub.name for sub in _folders(folder) if holds_images(sub))
    return _Outline(any(_is_image(entry) for entry in _entries(folder)), holding)


def _classes(tree: Path, passed: PassedOver) -> Classes:
    """The images of each class. Raises DataError: no folder, a class without images, folders that do not look like
    classes."""
    folders = _folders(tree)
    loose = _loose(tree, passed)
    if not folders:
        raise DataError(
            f"a folder a class in {shown(tree)}, with image files ({', '.join(SUFFIXES)})",
            "no folder in it" + (f", and {counted(loose, 'image')}" if loose else ""),
            "put the images of each class into a folder named after it",
        )
    _check_apart(tree, folders)
    outlines = {folder: _outline(folder) for folder in folders}
    names = Counter(name for outline in outlines.values() for name in outline.inside)
    shared = {name for name, found in names.items() if found > 1}
    alike = [
        f for f, (_, inner) in outlines.items() if len(inner & shared) > 1 and 2 * len(inner & shared) >= len(inner)
    ]
    if len(alike) > 1:
        raise _alike(tree, alike, shared)
    if len(folders) == 1:
        _check_not_nested(folders[0], outlines[folders[0]])
    found: Classes = {}
    for folder in folders:
        before = passed.kinds.copy()
        found[folder.name] = sorted(_walk(folder, passed))
        unread = passed.kinds - before
        if not found[folder.name]:
            raise DataError(
                f"a folder a class in {shown(tree)}, with image files ({', '.join(SUFFIXES)})",
                f"no image in {[folder.name]}" + (f" but files of other kinds {_by_kind(unread)}" if unread else ""),
                "convert them, or move the folder away"
                if unread
                else "put the images of each class into a folder named after it",
            )
    return found


def _check_apart(tree: Path, folders: Iterable[Path]) -> None:
    """Raises DataError if links make two classes of one folder."""
    real: dict[Path, Path] = {}
    for folder in folders:
        other = real.setdefault(folder.resolve(), folder)
        if other != folder:
            raise DataError(
                f"a folder of its own for every class in {shown(tree)}",
                f"links that make one of {listed([other.name, folder.name])}",
                "remove the link",
            )


def _check_not_nested(folder: Path, outline: _Outline) -> None:
    """Raises DataError for a single folder around the classes, as in many archives."""
    while len(outline.inside) == 1 and not outline.direct:
        folder = folder / next(iter(outline.inside))
        outline = _outline(folder)
    if outline.inside and not outline.direct:
        raise DataError(
            "a folder a class, and more than one",
            f"one, {shown(folder)}, with folders in it that look like the classes, {listed(outline.inside)}",
            f"name {shown(folder)} as evaluator.data",
        )


# --- files and folders -------------------------------------------------------------------------------------------
def _hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in SYSTEM


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"a folder that can be read at {shown(folder)}", f"{error.strerror}", "mend it") from None


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # a link to itself
        return False


def _folders(parent: Path) -> list[Path]:
    """Sub-folders that are not hidden, by name. Raises DataError for a link to a folder that contains it."""
    found = [Path(entry.path) for entry in _entries(parent) if _is(entry.is_dir) and not _hidden(entry.name)]
    around = [parent.resolve(), *parent.resolve().parents]
    for folder in found:
        if folder.is_symlink() and folder.resolve() in around:
            raise DataError(
                f"folders of images in {shown(parent)}",
                f"{[folder.name]}, a link to a folder that it lies in",
                "remove the link",
            )
    return found


def _image_by_suffix(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def _is_image(entry: os.DirEntry[str]) -> bool:
    """Whether its name is that of an image. A broken link counts, so that it is reported with other unreadable
    files."""
    image = _image_by_suffix(entry.name) and not _hidden(entry.name)
    return image and (_is(entry.is_file) or (entry.is_symlink() and not os.path.exists(entry.path)))


def _loose(folder: Path, passed: PassedOver) -> int:
    """Number of images that lie directly in a folder of folders."""
    found = list(_walk(folder, passed, deep=False))
    passed.loose += found
    return len(found)


def _walk(folder: Path, passed: PassedOver, *, deep: bool = True) -> Iterator[Path]:
    """All image files below a folder, which may be a link. Links to folders inside it are not followed."""
    for entry in _entries(folder):
        path, hidden, image = Path(entry.path), _hidden(entry.name), _image_by_suffix(entry.name)
        if _is(entry.is_dir):
            if hidden:
                within = [name for _, _, names in os.walk(path) for name in names]
                passed.hidden.update({entry.name: found} if (found := sum(map(_image_by_suffix, within))) else {})
            elif deep and entry.is_symlink():
                passed.links.append(path)
            elif deep:
                yield from _walk(path, passed)
        elif _is_image(entry):
            yield path
        elif not hidden and image:
            passed.special.append(path)
        elif hidden and image:
            passed.hidden[entry.name] += 1
        elif not hidden:
            passed.kinds[path.suffix.lower() or "no suffix"] += 1


# --- in words ----------------------------------------------------------------------------------------------------
def shown(path: Path) -> str:
    return printable(str(path))


def listed(names: Iterable[str]) -> str:
    """At most ``NAMED`` of the names, as a list."""
    every = sorted(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return f"{every[:NAMED]}{more}"


def inside(files: Iterable[Path], root: Path) -> str:
    """Paths of the files relative to ``root``, as a list."""
    return listed(str(file.relative_to(root)) for file in files)


def counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def _by_kind(kinds: Counter[str]) -> str:
    return f"({', '.join(f'{printable(kind)} {found}' for kind, found in kinds.most_common(NAMED))})"
