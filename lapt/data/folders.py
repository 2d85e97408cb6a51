"""Image files, of folders in torchvision's ImageFolder layout or of lists, decoded once into memory or to a file."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median, median_low
from typing import TypeVar

import numpy as np
import torch

from lapt.data.images import DataSets, ImageData
from lapt.data.layout import Classes, Layout, Split, counted, inside, laid_out, listed, sampled, shown
from lapt.data.lists import Listed, read_list
from lapt.data.pictures import (
    CUT,
    LEVELS,
    Depth,
    Header,
    Look,
    Range,
    Unreadable,
    bound,
    filled,
    header_of,
    pixels_of,
    range_of,
)
from lapt.data.pixels import Pixels, StoredPixels
from lapt.data.reading import Reading
from lapt.data.stored import Cache
from lapt.errors import DataError, Notice

T = TypeVar("T")

LARGEST_DEFAULT = 32
"""Largest side in pixels that is chosen by default: the size of CIFAR, which searches can afford."""
UNLIKE = 4
"""Factor by which an image must be smaller or larger than most to be named in a warning."""
BROKEN = 10
"""Number of undecodable files that a message names at most."""


def load_folder(path: Path, reading: Reading | None = None) -> DataSets:
    """Load ``path/<split>/<class>/*``, with splits called as in ``layout.SPLITS``, or ``path/<class>/*`` alone.

    Every image is turned upright, put on the background where it is transparent, and resized so that its shorter side
    is ``size`` (if unset, the median of the training images', 32 at most); its centre is cut out. All grey: one
    channel; else RGB. More than 8 bits are scaled by the range of the training images. With three splits,
    ``validation`` is one; with two, the second is the test set. Warnings list conversions and skipped files. Raises
    DataError naming folders or files.
    """
    layout, reading = laid_out(path), reading or Reading()
    if (part := reading.sample) is not None:
        return _Files(path, reading, sampled(layout, part.classes, part.images), of=len(layout.train)).data()
    return _Files(path, reading, layout).data()


def load_list(path: Path, reading: Reading | None = None) -> DataSets:
    """Load the images of a CSV file (``lapt.data.lists``), decoded as those of a folder. Raises DataError."""
    found = read_list(path)
    return _Files(found.layout.passed_over.root, reading or Reading(), found.layout, found).data()


class _Files:
    """Image files during reading: the files by split, their headers, and the target format.

    ``path``: the folder that they are in. ``listed``: the list that they come from, if it is no folder. ``of``: the
    number of classes that a sample was drawn from.
    """

    def __init__(
        self, path: Path, reading: Reading, layout: Layout, listed: Listed | None = None, of: int | None = None
    ) -> None:
        self.path, self.reading, self.cache = path, reading, Cache.of_user(reading.max_cache)
        self.of = of
        self.vectors = {} if listed is None else listed.vectors
        self.components = () if listed is None else listed.components
        self.folders, self.passed_over = layout.splits, str(layout.passed_over)
        self.classes = () if self.components else tuple(layout.train)
        self.only_two = listed is None and bool(layout.validation) and not layout.test
        validation, test = ({}, layout.validation) if self.only_two else (layout.validation, layout.test)
        self.splits: dict[Split, Classes] = {"train": layout.train, "validation": validation, "test": test}
        self.files = {split: [f for found in classes.values() for f in found] for split, classes in self.splits.items()}
        with bound(None):
            self.headers = self._surveyed()
        self.look = self._look()

    def data(self) -> DataSets:
        """The data of the folder. Test images are decoded when asked for; their headers have been read."""
        self._warn_of_headers()
        with bound(self.reading.max_pixels):
            self.look.ranges.update(self._ranges())
            train = self._decoded("train")
            if narrow := self._narrow(train):
                if isinstance(train.images, StoredPixels):
                    self.cache.forget(train.images)
                self.look.ranges["8-bit"] = narrow
                train = self._decoded("train")
            self._check_contrast("train", train)
            validation = self._decoded("validation") if self.splits["validation"] else None
            if validation is not None:
                self._check_contrast("validation", validation)
        warnings.warn(Notice(f"images of {shown(self.path)}: {self._read()}"), stacklevel=4)

        def test() -> ImageData | None:
            if not self.splits["test"]:
                return None
            with bound(self.reading.max_pixels):
                decoded = self._decoded("test")
                self._check_contrast("test", decoded)
            return decoded

        return DataSets(train, test, validation, self.look)

    # --- headers -------------------------------------------------------------------------------------------------
    def _surveyed(self) -> dict[Path, Header]:
        headers, broken = {}, {}
        for file in self._every:
            found = _tried(header_of, file)
            if isinstance(found, Unreadable):
                broken[file] = str(found)
                continue
            headers[file] = found
            width, height = found.size
            if width * height > self.reading.max_pixels:
                broken[file] = f"{width:,} x {height:,} pixels, over evaluator.max_pixels ({self.reading.max_pixels:,})"
        if broken:
            raise self._refused(broken)
        return headers

    @property
    def _every(self) -> list[Path]:
        return [file for files in self.files.values() for file in files]

    def _look(self) -> Look:
        sides = [min(self.headers[file].size) for file in self.files["train"]]
        side = min(LARGEST_DEFAULT, median_low(sides))
        size = self.reading.height_and_width or (side, side)
        grey = all(self.headers[file].grey for file in self.files["train"])
        return Look(size, grey, self.reading.background, {})

    def _warn_of_headers(self) -> None:
        where, training = shown(self.path), self.files["train"]
        if self.passed_over:
            warnings.warn(f"passed over in {where}: {self.passed_over}", stacklevel=4)
        greys = sum(self.headers[file].grey for file in training)
        if 0 < greys < len(training):
            warnings.warn(
                f"expected images of one kind in {where}; got {greys} grey and {len(training) - greys} in colour; all "
                "are read as RGB, so convert them if colour gives the class away",
                stacklevel=4,
            )
        depths = Counter(self.headers[file].depth for file in training)
        if len(depths) > 1:
            warnings.warn(
                f"expected images of one depth in {where}; got {', '.join(f'{n} of {d}' for d, n in depths.items())}; "
                "each depth is scaled for itself, so convert them if it gives the class away",
                stacklevel=4,
            )
        usual = median_low(min(self.headers[file].size) for file in training)
        unlike = [f for f in training if not usual / UNLIKE < min(self.headers[f].size) < usual * UNLIKE]
        if unlike:
            named = [f"{f.relative_to(self.path)} ({'{} x {}'.format(*self.headers[f].size)})" for f in unlike]
            warnings.warn(
                f"expected images of about one size in {where}, most with a shorter side of {usual}; got "
                f"{len(unlike)} far from that {listed(named)}; remove those that are no pictures",
                stacklevel=4,
            )

    # --- pixels --------------------------------------------------------------------------------------------------
    def _ranges(self) -> dict[Depth, Range]:
        """The range of every depth of the training images that does not fit 8 bits, common to all files."""
        found: dict[Depth, Range] = {}
        for depth in sorted({self.headers[file].depth for file in self.files["train"]} - {"8-bit", CUT}):
            files = [file for file in self.files["train"] if self.headers[file].depth == depth]
            spans = list(self._all(range_of, files))
            low, high = min(low for low, _ in spans), max(high for _, high in spans)
            found[depth] = filled(depth, low, high)
            usual = median([high - low for low, high in spans if high > low] or [0])
            if usual and usual * LEVELS < found[depth][1] - found[depth][0]:
                bounds = median(a for a, _ in spans) - 4 * usual, median(b for _, b in spans) + 4 * usual
                far = [f for f, (a, b) in zip(files, spans, strict=True) if a < bounds[0] or b > bounds[1]]
                raise DataError(
                    f"{depth} images in {shown(self.path)} that use most of the range that they have in common",
                    f"values from {low:g} to {high:g}, of which most images use {usual:g}: "
                    f"{counted(len(far), 'file')} beyond {inside(far, self.path)}",
                    "mend or remove what is beyond, or write all images with 8 bits",
                )
        unknown = {self.headers[file].depth for file in self._every} - set(found) - {"8-bit", CUT}
        if unknown:
            files = [file for file in self._every if self.headers[file].depth in unknown]
            raise DataError(
                f"pixels of the training images' depth in {shown(self.path)}",
                f"{sorted(unknown)} in {inside(files, self.path)}",
                "write all images alike",
            )
        return found

    def _narrow(self, train: ImageData) -> Range | None:
        """The range of 8-bit images that use only a few levels, as masks of 0 and 1 do; else None.

        Raises DataError if the cause is that the lower bits were dropped.
        """
        depths = {self.headers[file].depth for file in self.files["train"]}
        low, high = int(train.spans.min()), int(train.spans.max())
        if depths == {CUT} and high - low < 4 * LEVELS:
            raise DataError(
                f"16 bits a colour that are used in {shown(self.path)}, of which Pillow reads the higher 8",
                f"values from {low} to {high} of 255 there",
                "write the images with 8 bits",
            )
        if depths != {"8-bit"} or not 0 < high - low < LEVELS:
            return None
        spans = list(self._all(range_of, self.files["train"]))
        lowest, highest = min(low for low, _ in spans), max(high for _, high in spans)
        return (lowest, highest) if highest - lowest < LEVELS else None

    def _decoded(self, split: Split) -> ImageData:
        listed = [
            (file, self.classes.index(label) if self.classes else 0)
            for label, found in self.splits[split].items()
            for file in found
        ]
        shape = (len(listed), 1 if self.look.grey else 3, *self.look.size)
        where = shown(self._folder(split) if self.folders else self.path)
        labels = torch.tensor([label for _, label in listed], dtype=torch.int64)
        pixels = self._pixels([file for file, _ in listed], shape, where)
        if not self.components:
            return ImageData(pixels, labels, self.classes, name=where)
        targets = torch.tensor([self.vectors[file] for file, _ in listed], dtype=torch.float32)
        # A mirror image may have another quantity, as a place has; of labels it has the same.
        mirrored = bool(((targets == 0) | (targets == 1)).all())
        return ImageData(pixels, labels, (), targets, flippable=mirrored, name=where, components=self.components)

    def _pixels(self, files: list[Path], shape: tuple[int, int, int, int], where: str) -> Pixels:
        """The pixels of the files, uint8 of ``shape``: in memory, or from the cache if all splits are too large."""
        decoded = partial(self._all, partial(pixels_of, look=self.look), files)
        if math.prod(shape[1:]) * len(self._every) > self.reading.in_memory:
            return self.cache.pixels(files, self.look, shape, decoded, where)
        try:
            images = np.empty(shape, dtype=np.uint8)
        except MemoryError:
            raise DataError(
                f"memory for {list(shape)} bytes of {where}", "less", "lower evaluator.in_memory or evaluator.size"
            ) from None
        for index, pixels in enumerate(decoded()):
            images[index] = pixels
        return torch.from_numpy(images)

    def _folder(self, split: Split) -> Path:
        return self.folders["validation" if split == "test" and self.only_two else split]

    def _check_contrast(self, split: Split, data: ImageData) -> None:
        """Warn of images with a single value. Raises DataError for a class of only such images, if the reading caused
        it."""
        flat = dict(zip(self.files[split], (data.spans[:, 0] == data.spans[:, 1]).tolist(), strict=True))
        for name, files in self.splits[split].items():
            headers = [self.headers[file] for file in files]
            if all(flat[file] for file in files) and any(h.clear or h.depth != "8-bit" for h in headers):
                raise DataError(
                    f"images of the class {name!r} in {shown(self.path)} that show something",
                    f"nothing but images of one value, {self._values(files)}",
                    f"say evaluator.background: {'black' if self.look.background == 'white' else 'white'}, or mend them"
                    if any(header.clear for header in headers)
                    else "write all images with one range of values, or remove those that set it",
                )
        constant = [file for file, is_flat in flat.items() if is_flat]
        if constant:
            warnings.warn(
                f"expected images that show something in {shown(self.path)}; got {len(constant)} of one value each "
                f"{inside(constant, self.path)}; remove them if they are no part of the data",
                stacklevel=4,
            )

    def _values(self, files: Sequence[Path]) -> str:
        spans = list(self._all(range_of, files))
        found = f"values from {min(low for low, _ in spans):g} to {max(high for _, high in spans):g}"
        common = [self.look.ranges[d] for d in sorted({self.headers[f].depth for f in files}) if d in self.look.ranges]
        scaled = "".join(f" where {low:g} to {high:g} become 0 to 255" for low, high in common)
        return found + scaled + (f", on {self.look.background}" if any(self.headers[f].clear for f in files) else "")

    # --- all files -----------------------------------------------------------------------------------------------
    def _all(self, function: Callable[[Path], T], files: Sequence[Path]) -> Iterator[T]:
        """The function's results for all files, in order. Raises DataError naming all files that cannot be decoded."""
        broken = {}
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for file, found in zip(files, pool.map(partial(_tried, function), files), strict=True):
                if isinstance(found, Unreadable):
                    broken[file] = str(found)
                else:
                    yield found
        if broken:
            raise self._refused(broken)

    def _refused(self, broken: dict[Path, str]) -> DataError:
        """The error for files that cannot be read, including those that would only be found later."""
        others = [file for file in self._every if file not in broken]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            tried = zip(others, pool.map(partial(_tried, range_of), others), strict=True)
            broken |= {file: str(found) for file, found in tried if isinstance(found, Unreadable)}
        larger = ", or raise evaluator.max_pixels" if any("max_pixels" in why for why in broken.values()) else ""
        if len(broken) == 1:
            ((file, why),) = broken.items()
            return DataError(f"an image in {shown(file)}", why, f"replace or remove the file{larger}")
        named = [f"{shown(f.relative_to(self.path))} ({why})" for f, why in sorted(broken.items())[:BROKEN]]
        more = f" and {len(broken) - BROKEN} more" if len(broken) > BROKEN else ""
        return DataError(
            f"an image in every file of {shown(self.path)}",
            f"{len(broken)} that cannot be read: {', '.join(named)}{more}",
            f"replace or remove them{larger}",
        )

    # --- in words ------------------------------------------------------------------------------------------------
    def _read(self) -> str:
        """Summary of the reading for the user."""
        purposes: dict[Split, str] = {"train": "to train on", "validation": "for validation", "test": "for the test"}
        counts = [
            f"{len(files):,} {purposes[split]}"
            + (f" ({shown(Path(self._folder(split).name))})" if self.folders else "")
            for split, files in self.files.items()
            if files
        ]
        learned = listed(self.components) if self.components else counted(len(self.classes), "class", "classes")
        drawn = "" if self.of is None else f" of {self.of:,}, a sample"
        said = [f"{', '.join(counts)}; {learned}{drawn}"]
        if self.only_two:
            said.append("the second split is the test set, so validation images are drawn from the first")
        chosen = "" if self.reading.size else " (evaluator.size says another)"
        said.append(f"{' x '.join(map(str, self.look.size))} pixels{chosen}, {'grey' if self.look.grey else 'RGB'}")
        said += [f"{depth} values {a:g} to {b:g} scaled to 0 to 255" for depth, (a, b) in self.look.ranges.items()]
        headers = self.headers.values()
        if any(header.clear for header in headers):
            said.append(f"transparency laid on {self.look.background}")
        if frames := sum(header.frames for header in headers):
            said.append(f"the first frame of {counted(frames, 'file')}")
        if cropped := sum(self._lost(header) > 0.5 for header in headers):
            said.append(f"more than half of {counted(cropped, 'image')} is outside of the part that is read")
        return "; ".join(said)

    def _lost(self, header: Header) -> float:
        """The share of an image that is cut off, unless it is turned by its orientation."""
        (width, height), (high, wide) = header.size, self.look.size
        return 1 - min(width / height, wide / high) / max(width / height, wide / high)


def _tried(function: Callable[[Path], T], file: Path) -> T | Unreadable:
    try:
        return function(file)
    except Unreadable as error:
        return error
