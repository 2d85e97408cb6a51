"""Table files of any format, recognised by content: readable ones become columns, others are named in the error."""

from __future__ import annotations

import bz2
import csv as header_reader
import gzip
import json
import lzma
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv, feather

from lapt.errors import BenchmarkError
from storage.store import first_line

LARGEST = 1 << 31
"""Largest size of a packed file's content, in bytes."""
HEAD = 1_024
"""Number of first bytes by which a file is recognised."""
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_PARQUET, _ARROW = b"PAR1", b"ARROW1"
_BOMS = {b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_FETCH = "fetch the file itself"
_REWRITE = "write its table as Parquet or CSV"
_STRANGERS = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file", "git lfs pull, then import it again"),
    (b"/annex/objects/", "a pointer of git-annex, not the file", "git annex get, then import it again"),
    (b"\x80", "a pickle, which may run code", f"{_REWRITE} (python: pandas.read_pickle and to_parquet)"),
    (b"\x89HDF", "an HDF5 file", _REWRITE),
    (b"SQLite format 3", "an SQLite database", _REWRITE),
    (b"\x93NUMPY", "a NumPy array", _REWRITE),
    (b"ORC", "an ORC file", _REWRITE),
    (b"Obj\x01", "an Avro file", _REWRITE),
    (b"\x28\xb5\x2f\xfd", "a file packed by zstd", "unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "save the sheet as CSV"),
    (b"%PDF", "a PDF", _FETCH),
)
"""First bytes of a format, its name, and a remedy."""


def columns_of(path: Path, architecture: str) -> pa.Table:
    """Read Parquet, CSV or TSV, JSON records or lines, Feather, packed or not, or a folder of parts in Parquet.

    ``architecture``: the column that is read as text. Raises BenchmarkError for anything else, naming its format.
    """
    if path.is_dir():
        return _joined(path)
    if not path.is_file():
        found = "a link to nothing" if path.is_symlink() else "no file"
        raise BenchmarkError("a benchmark file", f"{path}, which is {found}", "check the path")
    head = b""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
        if head.startswith(_PARQUET):
            return pq.ParquetFile(path).read()  # read_table fails where a column's name stands twice
        unpack = next((opener for magic, opener in _PACKED.items() if head.startswith(magic)), None)
        content = path.read_bytes() if unpack is None else _unpacked(unpack, path)
        return _parsed(content, path, architecture)
    except (pa.ArrowException, OSError, EOFError, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise BenchmarkError(f"a file that can be read at {path}", error.strerror, "check its rights") from error
        kind = "Parquet file" if head.startswith(_PARQUET) else "file"
        raise BenchmarkError(f"a whole {kind}", f"{path}: {first_line(error)}", "download or write it again") from error


def _joined(folder: Path) -> pa.Table:
    visible = (file for file in sorted(folder.rglob("*")) if not file.name.startswith((".", "_")))
    files = [file for file in visible if file.is_file()]
    others = [file.name for file in files if file.suffix != ".parquet"]
    if others or not files:
        got = f"{folder} with {others[0]}" if others else f"{folder} without one"
        raise BenchmarkError("a file, or a folder of .parquet files", got, "name the table's file")
    try:
        return pa.concat_tables([pq.ParquetFile(file).read() for file in files])
    except (pa.ArrowException, OSError) as error:
        raise BenchmarkError(
            f"whole Parquet files with the same columns in {folder}", first_line(error), "write them alike"
        ) from error


def _unpacked(opener: Any, path: Path) -> bytes:
    with opener(path) as file:
        content: bytes = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise BenchmarkError(f"at most {LARGEST:,} bytes in {path}", "more", "unpack it, and write it as Parquet")
    return content


def _parsed(content: bytes, path: Path, architecture: str) -> pa.Table:
    if content.startswith(_PARQUET):
        return pq.ParquetFile(BytesIO(content)).read()
    if content.startswith(_ARROW):
        return feather.read_table(BytesIO(content))
    _refuse_strangers(content[:HEAD], path)
    text = _text(content, path)
    if text.lstrip()[:1] in ("{", "["):
        return _records(text, path)
    return _separated(text, path, architecture)


def _refuse_strangers(head: bytes, path: Path) -> None:
    for magic, what, remedy in _STRANGERS:
        if head.startswith(magic):
            _refuse(path, what, remedy)
    if head.startswith(b"PK\x03\x04"):
        excel = b"[Content_Types].xml" in head
        _refuse(path, "an Excel workbook" if excel else "a zip", "save the sheet as CSV" if excel else "unpack it")
    if head[257:262] == b"ustar":
        _refuse(path, "a tar", "unpack it")
    if head.lstrip()[:1] == b"<":
        page = b"<html" in head.lower() or b"<!doctype html" in head.lower()
        _refuse(path, "a web page, such as of a login or an error" if page else "an XML file", _FETCH)
    if not head.strip():
        _refuse(path, "empty", _FETCH)


def _refuse(path: Path, what: str, remedy: str) -> NoReturn:
    raise BenchmarkError("a table as Parquet, CSV, TSV or JSON", f"{path}, which is {what}", remedy)


def _text(content: bytes, path: Path) -> str:
    encoding = next((name for magic, name in _BOMS.items() if content.startswith(magic)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        _refuse(path, f"no UTF-8 text (byte {error.start:,})", "save it as UTF-8")
    if "\0" in text[:HEAD]:
        _refuse(path, "no text and of no known kind", _REWRITE)
    return text


# --- JSON ------------------------------------------------------------------------------------------------------------
def _records(text: str, path: Path) -> pa.Table:
    try:
        rows = list(_rows(text, path))
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"JSON records in {path}", first_line(error), "correct it") from None
    if not all(isinstance(row, dict) for row in rows):
        raise BenchmarkError(f"JSON records in {path}, one object a row", "other values", "write a list of objects")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        try:
            columns[name] = pa.array([row.get(name) for row in rows])
        except (pa.ArrowException, OverflowError) as error:
            raise BenchmarkError(f"values of one kind as {name} in {path}", first_line(error), "correct it") from None
    return pa.table(columns)


def _rows(text: str, path: Path) -> Iterator[Any]:
    if text.lstrip()[0] == "[":
        yield from json.loads(text, object_pairs_hook=_once)
        return
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        json.loads(lines[0])
    except ValueError:
        raise ValueError("an object over several lines; write a list of objects, or an object a line") from None
    yield from (json.loads(line, object_pairs_hook=_once) for line in lines)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the column {next(name for name in names if names.count(name) > 1)} stands twice")
    return found


# --- CSV and TSV -----------------------------------------------------------------------------------------------------
def _separated(text: str, path: Path, architecture: str) -> pa.Table:
    tabs = any(suffix.lower() in (".tsv", ".tab") for suffix in path.suffixes[-2:])
    separator = "\t" if tabs else ","
    header = next(line for line in text.splitlines() if line.strip())
    if architecture not in _names(header, separator):
        for other, called in _SEPARATORS.items():
            if architecture in _names(header, other):
                raise BenchmarkError(
                    f"columns with {_SEPARATORS[separator]} between them in {path}",
                    f"{called}, as it seems: {header[:80]!r}",
                    f"write it with {_SEPARATORS[separator]}, and numbers with points"
                    + (", or name it .tsv" if other == "\t" else ""),
                )
    # 011 is an architecture, no number; NaN is what a training came to, no empty cell
    empty = [word for word in csv.ConvertOptions().null_values or () if "nan" not in word.lower()]
    try:
        return csv.read_csv(
            BytesIO(text.encode()),
            read_options=csv.ReadOptions(use_threads=False),  # so that an error says the row
            parse_options=csv.ParseOptions(delimiter=separator),
            convert_options=csv.ConvertOptions(column_types={architecture: pa.string()}, null_values=empty),
        )
    except pa.ArrowException as error:
        names = _names(header, separator)
        if architecture not in names:
            raise BenchmarkError(
                f"the column {architecture} in the first line of {path}",
                f"{header[:80]!r}",
                "remove what stands above the columns' names, or declare another column",
            ) from None
        raise BenchmarkError(
            f"rows of {len(names)} columns in {path}, as its first line has", first_line(error), "correct that row"
        ) from None


def _names(header: str, separator: str) -> list[str]:
    return next(header_reader.reader([header], delimiter=separator), [])
