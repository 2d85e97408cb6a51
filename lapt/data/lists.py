"""CSV files that list images with a class each, with several labels, or with quantities. This module opens no image."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lapt.data.layout import Classes, Layout, PassedOver, Split, counted, listed, shown, split_named
from lapt.errors import DataError, printable

FILE, SPLIT, LABEL, LABELS = "file", "split", "label", "labels"
"""Names of columns: a path relative to the CSV file; train, validation or test; one class; labels with | between."""
BETWEEN = "|"
DELIMITERS = (",", ";", "\t")

Row = tuple[int, dict[str, str]]
"""(line, column -> text)."""


class Listed(NamedTuple):
    """The content of a list.

    ``layout``: the images by split and class. Without classes all are of the class ``EVERY``, each with a vector of
    ``components``: zeros and ones for labels, or quantities.
    """

    layout: Layout
    components: tuple[str, ...] = ()
    vectors: Mapping[Path, tuple[float, ...]] = {}


EVERY = "every image"


def read_list(path: Path) -> Listed:
    """The list at ``path``. Raises DataError, which names lines: columns, files, labels or numbers that are not there,
    a file listed twice, a label that no training image has."""
    rows = list(_rows(path))
    if not rows:
        raise DataError(f"images listed in {shown(path)}", "no line below the header", "list one a line")
    columns = [column for column in rows[0][1] if column not in (FILE, SPLIT)]
    if LABEL in columns and LABELS in columns:
        raise DataError(
            f"a column {LABEL} or a column {LABELS} in {shown(path)}",
            "both",
            "remove one of them",
        )
    splits = [_split_of(path, line, row) for line, row in rows]
    files = _files(path, rows)
    root = Path(os.path.commonpath([file.parent for file in files]))
    if LABEL in columns:
        return Listed(_by_class(path, root, rows, splits, files))
    if LABELS in columns:
        found = [frozenset(_labels(row[LABELS])) for _, row in rows]
        names = tuple(sorted(frozenset().union(*found)))
        if not names:
            raise DataError(f"labels in the column {LABELS} of {shown(path)}", "none", f"write them as A{BETWEEN}B")
        _check_known(path, splits, found)
        vectors = [tuple(float(name in one) for name in names) for one in found]
    else:
        names = tuple(columns)
        if not names:
            raise DataError(
                f"a column {LABEL}, a column {LABELS}, or columns of numbers in {shown(path)}",
                f"{listed(rows[0][1])} alone",
                "add what is to be learned",
            )
        vectors = [tuple(_number(path, line, row, name) for name in names) for line, row in rows]
    by_split: dict[Split, Classes] = {"train": {}, "validation": {}, "test": {}}
    for split, file in zip(splits, files, strict=True):
        by_split[split].setdefault(EVERY, []).append(file)
    return Listed(_layout(path, root, by_split), names, dict(zip(files, vectors, strict=True)))


def _rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=header.count)
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            columns = [name.strip() for name in reader.fieldnames or ()]
            twice = sorted({name for name in columns if columns.count(name) > 1})
            if FILE not in columns or twice or "" in columns:
                raise DataError(
                    f"a first line in {shown(path)} that names each column once, {FILE} among them",
                    listed(columns),
                    f"write {FILE},{LABEL} or {FILE},{SPLIT},{LABEL}",
                )
            reader.fieldnames = columns
            for row in reader:
                if None in row or None in row.values():
                    got = "more" if None in row else "fewer"
                    raise DataError(
                        f"{counted(len(columns), 'column')} in line {reader.line_num} of {shown(path)}",
                        got,
                        f"correct it: columns are separated by {delimiter!r}",
                    )
                yield reader.line_num, {name: text.strip() for name, text in row.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"a CSV file in UTF-8 at {shown(path)}", " ".join(str(error).split())[:200], "write it as one"
        ) from None


def _split_of(path: Path, line: int, row: dict[str, str]) -> Split:
    if SPLIT not in row:
        return "train"
    found = split_named(row[SPLIT])
    if found is None:
        raise DataError(
            f"train, validation or test in line {line} of {shown(path)}", printable(repr(row[SPLIT])), "name one"
        )
    return found


def _files(path: Path, rows: list[Row]) -> list[Path]:
    """The files, absolute. Raises DataError for what is no file, or is listed twice."""
    first: dict[Path, int] = {}
    missing = []
    for line, row in rows:
        file = Path(os.path.normpath(path.parent / Path(row[FILE]).expanduser()))
        if not row[FILE] or not file.is_file():
            missing.append(f"{row[FILE]} (line {line})")
        elif file in first:
            raise DataError(
                f"each image once in {shown(path)}",
                f"{printable(row[FILE])} in lines {first[file]} and {line}",
                f"keep one; several labels of an image are written as A{BETWEEN}B in a column {LABELS}",
            )
        first.setdefault(file, line)
    if missing:
        raise DataError(
            f"the files that {shown(path)} lists, relative to its folder",
            f"{len(missing)} that are not there, {listed(missing)}",
            "correct the paths, or remove the lines",
        )
    return list(first)


def _by_class(path: Path, root: Path, rows: list[Row], splits: list[Split], files: list[Path]) -> Layout:
    found: dict[Split, Classes] = {"train": {}, "validation": {}, "test": {}}
    labels = []
    for (line, row), split, file in zip(rows, splits, files, strict=True):
        if not row[LABEL]:
            raise DataError(f"a class in line {line} of {shown(path)}", "none", "name it, or remove the line")
        labels.append(frozenset({row[LABEL]}))
        found[split].setdefault(row[LABEL], []).append(file)
    _check_known(path, splits, labels)
    ordered: dict[Split, Classes] = {
        split: {name: sorted(classes[name]) for name in sorted(classes)} for split, classes in found.items()
    }
    return _layout(path, root, ordered)


def _layout(path: Path, root: Path, found: dict[Split, Classes]) -> Layout:
    if not found["train"]:
        raise DataError(f"training images in {shown(path)}", "none", f"write train in the column {SPLIT}")
    return Layout(found["train"], found["validation"], found["test"], {}, PassedOver(root))


def _check_known(path: Path, splits: list[Split], labels: list[frozenset[str]]) -> None:
    """Raise DataError for labels of validation or test images alone, which nothing could learn."""
    learned = frozenset[str]().union(*(one for one, split in zip(labels, splits, strict=True) if split == "train"))
    unknown = frozenset[str]().union(*labels) - learned
    if unknown:
        raise DataError(
            f"labels that training images of {shown(path)} have",
            f"{listed(unknown)}, of validation or test images alone",
            "add training images of them, or remove them",
        )


def _labels(text: str) -> list[str]:
    return [label.strip() for label in text.split(BETWEEN) if label.strip()]


def _number(path: Path, line: int, row: dict[str, str], column: str) -> float:
    try:
        found = float(row[column])
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise DataError(
            f"a number in the column {column}, line {line} of {shown(path)}",
            printable(repr(row[column])),
            f"correct it, or remove the line; for a class an image, name the column {LABEL}",
        )
    return found
