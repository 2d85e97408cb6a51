"""People's table files: known by content, read or named for what they are, and never told to be fetched again."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv, feather

from lapt.errors import BenchmarkError, LaptError
from storage.benchmarks.tables import BenchmarkInfo, import_benchmark, load

SPACE = 'name: small\nencoding: "{a}-{b}"\nlayers:\n' + "".join(
    f"  - {{name: {layer}, operators: [conv, pool, skip]}}\n" for layer in "ab"
)
TABLE = """name: mine
space: SPACE
architecture: arch
tasks:
  pets: {validation: pets, metric: accuracy, unit: "%"}
  flowers: {validation: flowers, metric: accuracy, unit: "%"}
"""
ROWS = [
    {"arch": f"{a}-{b}", "pets": 60.0 + at, "flowers": 50.25 - at}
    for at, (a, b) in enumerate((a, b) for a in ("conv", "pool", "skip") for b in ("conv", "pool", "skip"))
]
CSV = "arch,pets,flowers\n" + "".join(f"{row['arch']},{row['pets']},{row['flowers']}\n" for row in ROWS)


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "t.yaml").write_text(TABLE.replace("SPACE", str(tmp_path / "space.yaml")))
    return tmp_path / "t.yaml"


def imported(file: Path, declared: Path, tmp_path: Path) -> BenchmarkInfo:
    return import_benchmark("table", file, declare=declared, data=tmp_path / "data")


# --- what is read ----------------------------------------------------------------------------------------------------
def _table() -> pa.Table:
    return pa.Table.from_pylist(ROWS)


def _parts(path: Path) -> None:
    path.mkdir()
    pq.write_table(_table().slice(0, 4), path / "part-0.parquet")
    pq.write_table(_table().slice(4), path / "part-1.parquet")
    (path / "_SUCCESS").write_text("")
    (path / ".part-0.parquet.crc").write_bytes(b"x")


def _parquet(table: pa.Table) -> Callable[[Path], None]:
    return lambda path: pq.write_table(table, path)


READ: dict[str, Callable[[Path], Any]] = {
    "t.csv": lambda path: path.write_text(CSV),
    "t.CSV": lambda path: path.write_text(CSV),
    "no_suffix": lambda path: path.write_text(CSV),
    "bom.csv": lambda path: path.write_text(CSV, encoding="utf-8-sig"),
    "utf16.csv": lambda path: path.write_text(CSV, encoding="utf-16"),
    "crlf.csv": lambda path: path.write_bytes(CSV.replace("\n", "\r\n").encode()),
    "mac.csv": lambda path: path.write_bytes(CSV.replace("\n", "\r").encode()),
    "blank.csv": lambda path: path.write_text("\n" + CSV.replace("\n", "\n\n")),
    "more.csv": lambda path: path.write_text("\n".join(f"{n},{line}" for n, line in enumerate(CSV.splitlines()))),
    "t.tsv": lambda path: path.write_text(CSV.replace(",", "\t")),
    "t.tab": lambda path: path.write_text(CSV.replace(",", "\t")),
    "t.tsv.gz": lambda path: path.write_bytes(gzip.compress(CSV.replace(",", "\t").encode())),
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(CSV.encode())),
    "t.csv.bz2": lambda path: path.write_bytes(bz2.compress(CSV.encode())),
    "t.csv.xz": lambda path: path.write_bytes(lzma.compress(CSV.encode())),
    "gz_by_another_name.csv": lambda path: path.write_bytes(gzip.compress(CSV.encode())),
    "t.json": lambda path: path.write_text(json.dumps(ROWS, indent=1)),
    "t.jsonl": lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in ROWS)),
    "t.jsonl.gz": lambda path: path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in ROWS).encode())),
    "t.parquet": _parquet(_table()),
    "parquet_by_another_name.csv": _parquet(_table()),
    "t.parquet.gz": lambda path: (_parquet(_table())(path), path.write_bytes(gzip.compress(path.read_bytes()))),
    "dictionaries.parquet": _parquet(_table().set_column(0, "arch", _table()["arch"].dictionary_encode())),
    "texts.parquet": _parquet(_table().set_column(1, "pets", _table()["pets"].cast(pa.string()))),
    "t.feather": lambda path: feather.write_feather(_table(), str(path)),
    "parts.parquet": _parts,
    "parts": _parts,
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_every_way_of_writing_a_table_is_the_same_table(name: str, declared: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text(CSV)
    plain = import_benchmark("table", tmp_path / "plain.csv", declare=declared, data=tmp_path / "plain")
    READ[name](tmp_path / name)
    info = imported(tmp_path / name, declared, tmp_path)
    assert (info.checksum, info.rows, info.tasks) == (plain.checksum, len(ROWS), plain.tasks)


def test_leading_zeros_are_an_architectures(declared: Path, tmp_path: Path) -> None:
    space = "name: small\nencoding: '{a}{b}'\nlayers:\n" + "".join(
        f"  - {{name: {layer}, operators: &o{layer} ['0', '1']}}\n" for layer in "ab"
    )
    (tmp_path / "space.yaml").write_text(space)
    for name, text in (
        ("t.csv", "arch,pets,flowers\n00,60,50\n01,61,51\n"),
        ("t.tsv", "arch\tpets\tflowers\n00\t60\t50\n01\t61\t51\n"),
        ("t.json", '[{"arch": "00", "pets": 60, "flowers": 50}, {"arch": "01", "pets": 61, "flowers": 51}]'),
    ):
        (tmp_path / name).write_text(text)
        imported(tmp_path / name, declared, tmp_path)
        assert load("mine", tmp_path / "data").architectures == ("00", "01")


# --- what is named ---------------------------------------------------------------------------------------------------
def _zip(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")


def _sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a)")
    connection.close()


def _without_parquet(path: Path) -> None:
    _parts(path)
    (path / "README.md").write_text("x")


NAMED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "page.parquet": (lambda p: p.write_text("<!DOCTYPE html><html><title>Sign in</title></html>"), "a web page"),
    "page.csv": (lambda p: p.write_text("\n  <HTML><body>404</body></HTML>"), "a web page"),
    "feed.csv": (lambda p: p.write_text('<?xml version="1.0"?><a/>'), "an XML file"),
    "lfs.parquet": (
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 870683\n"),
        "a pointer of Git LFS, not the file; git lfs pull",
    ),
    "annex.csv": (lambda p: p.write_text("/annex/objects/MD5E-s1--0.csv\n"), "git annex get"),
    "naslib.pickle": (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "a pickle, which may run code; write its table"),
    "pickle.csv": (lambda p: p.write_bytes(pickle.dumps([1])), "a pickle"),
    "packed.pkl.gz": (lambda p: p.write_bytes(gzip.compress(pickle.dumps([1]))), "a pickle"),
    "t.npy": (lambda p: np.save(p, np.zeros(3)), "a NumPy array"),
    "t.h5": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "an HDF5 file"),
    "t.db": (_sqlite, "an SQLite database"),
    "t.xlsx": (lambda p: _zip(p, "[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook; save the sheet as CSV"),
    "t.zip": (lambda p: _zip(p, "t.csv"), "a zip; unpack it"),
    "empty.csv": (lambda p: p.write_bytes(b""), "which is empty"),
    "blank.csv": (lambda p: p.write_text("\n \n"), "which is empty"),
    "empty.csv.gz": (lambda p: p.write_bytes(gzip.compress(b"")), "which is empty"),
    "latin1.csv": (lambda p: p.write_bytes(CSV.replace("arch", "archité").encode("latin-1")), "no UTF-8 text"),
    "binary.bin": (lambda p: p.write_bytes(b"abc\0def\0" * 9), "no text and of no known kind"),
    "semicolon.csv": (lambda p: p.write_text(CSV.replace(",", ";")), "got semicolons, as it seems"),
    "comma_decimals.csv": (
        lambda p: p.write_text(CSV.replace(",", ";").replace(".", ",")),
        "semicolons, .*numbers with points",
    ),
    "tab.csv": (lambda p: p.write_text(CSV.replace(",", "\t")), "got tabs, as it seems.*or name it .tsv"),
    "bar.csv": (lambda p: p.write_text(CSV.replace(",", "|")), "got bars, as it seems"),
    "comma.tsv": (lambda p: p.write_text(CSV), "columns with tabs between them .*got commas"),
    "comment.csv": (lambda p: p.write_text("# exported\n" + CSV), "first line .*'# exported'; remove what"),
    "case.csv": (lambda p: p.write_text(CSV.replace("pets", "Pets")), "did you mean 'Pets'"),
    "spaces.csv": (lambda p: p.write_text(CSV.replace(",", ", ")), "did you mean ' pets'"),
    "ragged.csv": (lambda p: p.write_text(CSV + "conv,1\n"), "rows of 3 columns .*Row #11.*correct that row"),
    "percent.csv": (lambda p: p.write_text(CSV.replace("60.0,", "60.0%,")), "'60.0%' for conv-conv; write one number"),
    "thousands.csv": (lambda p: p.write_text(CSV.replace("60.0,", '"6,000.0",')), "'6,000.0' for conv-conv"),
    "word.csv": (lambda p: p.write_text(CSV.replace("60.0,", "diverged,")), "'diverged' for conv-conv"),
    "total.csv": (lambda p: p.write_text(CSV + "mean,64,55\n"), "got 'mean'; drop those rows"),
    "space.csv": (lambda p: p.write_text(CSV.replace("conv-conv,", "conv-conv ,")), "'conv-conv '; remove the white"),
    "lists.parquet": (
        _parquet(_table().set_column(1, "pets", pa.array([[row["pets"]] * 2 for row in ROWS]))),
        "cells of type list.*such as the mean over seeds",
    ),
    "object.json": (lambda p: p.write_text(json.dumps({"conv-conv": {"pets": 1}}, indent=1)), "a list of objects"),
    "broken.json": (lambda p: p.write_text('[{"arch": "conv-conv"'), "JSON records"),
    "numbers.json": (lambda p: p.write_text("[1, 2]"), "one object a row"),
    "deep.json": (lambda p: p.write_text("[" * 100_000), "JSON records"),
    "nan.json": (lambda p: p.write_text(json.dumps([{**ROWS[0], "pets": float("nan")}])), "got nan for conv-conv"),
    "folder": (_without_parquet, "with README.md"),
    "empty_folder": (lambda p: p.mkdir(), "without one"),
    "unlike": (
        lambda p: (_parts(p), pq.write_table(_table().select([0]), p / "part-2.parquet")),
        "with the same columns",
    ),
    "link.csv": (lambda p: p.symlink_to(p.with_name("nowhere")), "a link to nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_a_sound_file_is_named_for_what_it_is(name: str, declared: Path, tmp_path: Path) -> None:
    write, said = NAMED[name]
    write(tmp_path / name)
    with pytest.raises(BenchmarkError, match=said) as raised:
        imported(tmp_path / name, declared, tmp_path)
    assert "\n" not in str(raised.value)
    assert name in str(raised.value)
    assert "download" not in str(raised.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["t.parquet", "t.csv.gz", "t.csv.bz2", "t.csv.xz", "t.feather"])
def test_a_broken_file_is_to_be_fetched_again(name: str, declared: Path, tmp_path: Path) -> None:
    READ[name](tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-20])
    with pytest.raises(BenchmarkError, match=r"a whole .*; download or write it again"):
        imported(tmp_path / name, declared, tmp_path)


def test_a_small_file_that_unpacks_to_too_much_is_refused(
    declared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.benchmarks.table_files.LARGEST", 10_000_000)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(CSV.encode() + b"\n" * 20_000_000))
    with pytest.raises(BenchmarkError, match="at most 10,000,000 bytes"):
        imported(tmp_path / "bomb.csv.gz", declared, tmp_path)


# --- a column that stands twice --------------------------------------------------------------------------------------
def _twice(column: str) -> pa.Table:
    table = _table()
    return table.append_column("more", table[column]).rename_columns([*table.column_names, column])


@pytest.mark.parametrize("column", ["arch", "pets", "flowers"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "tsv", "jsonl", "feather"])
def test_a_column_that_stands_twice_is_one_line(column: str, kind: str, declared: Path, tmp_path: Path) -> None:
    file, table = tmp_path / f"twice.{kind}", _twice(column)
    if kind == "parquet":
        pq.write_table(table, file)
    elif kind == "feather":
        feather.write_feather(table, str(file))
    elif kind == "jsonl":
        rows = [json.dumps(row)[:-1] + f', "{column}": {json.dumps(row[column])}}}' for row in ROWS]
        file.write_text("\n".join(rows))
    else:
        separator = "," if kind == "csv" else "\t"
        csv.write_csv(table, file, csv.WriteOptions(delimiter=separator))
    with pytest.raises(BenchmarkError, match=f"the column {column} stands twice") as raised:
        imported(file, declared, tmp_path)
    assert "\n" not in str(raised.value)


def test_a_column_that_is_not_declared_may_stand_twice(declared: Path, tmp_path: Path) -> None:
    table = _table()
    pq.write_table(
        table.append_column("a", table["pets"]).append_column("b", table["pets"]).rename_columns(
            [*table.column_names, "note", "note"]
        ),
        tmp_path / "t.parquet",
    )  # fmt: skip
    assert imported(tmp_path / "t.parquet", declared, tmp_path).rows == len(ROWS)


# --- percent ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "values",
    [
        [row["pets"] / 100 for row in ROWS],
        [row["pets"] > 64 for row in ROWS],
        [0.0, 1.0] + [0.5] * (len(ROWS) - 2),
        [0.001] * len(ROWS),
    ],
    ids=["fractions", "booleans", "both ends", "small"],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_fractions_are_no_percent(values: list[float], kind: str, declared: Path, tmp_path: Path) -> None:
    table = _table().set_column(1, "pets", pa.array(values))
    file = tmp_path / f"t.{kind}"
    (pq.write_table if kind == "parquet" else csv.write_csv)(table, file)
    with pytest.raises(BenchmarkError, match=r'percent in column pets .*multiply them by 100, or declare unit: ""'):
        imported(file, declared, tmp_path)
    text = declared.read_text()
    declared.write_text(text.replace('pets, metric: accuracy, unit: "%"', "pets, metric: accuracy"))
    assert imported(file, declared, tmp_path).tasks["pets"].best_validation == max(values)


def test_small_errors_in_percent_are_warned_of(declared: Path, tmp_path: Path) -> None:
    declared.write_text(declared.read_text().replace('pets, metric: accuracy, unit: "%"', PERCENT_ERROR))
    pq.write_table(_table().set_column(1, "pets", pa.array([0.21] * len(ROWS))), tmp_path / "t.parquet")
    with pytest.warns(UserWarning, match="all values of column pets between 0 and 1, and declared as %"):
        imported(tmp_path / "t.parquet", declared, tmp_path)


PERCENT_ERROR = 'pets, metric: error, unit: "%", higher_is_better: false'


@pytest.mark.parametrize("values", [[0.5] * 8 + [1.5], [-0.5] + [0.5] * 8])
def test_percent_may_be_small(values: list[float], declared: Path, tmp_path: Path) -> None:
    pq.write_table(_table().set_column(1, "pets", pa.array(values)), tmp_path / "t.parquet")
    assert imported(tmp_path / "t.parquet", declared, tmp_path).rows == len(ROWS)


# --- a name that is taken --------------------------------------------------------------------------------------------
def test_somebody_elses_file_of_that_name_is_left_as_it_is(declared: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    theirs = tmp_path / "data" / "mine.parquet"
    theirs.parent.mkdir()
    pq.write_table(pa.table({"x": [1]}), theirs)
    with pytest.raises(BenchmarkError, match=r"mine\.parquet, no table of LAPT's; .*--replace"):
        imported(tmp_path / "t.csv", declared, tmp_path)
    assert pq.read_table(theirs).column_names == ["x"]
    pq.write_table(_table(), theirs)
    assert imported(theirs, declared, tmp_path).rows == len(ROWS)  # imported where it lies
    theirs.write_bytes(b"broken")
    assert imported(tmp_path / "t.csv", declared, tmp_path).rows == len(ROWS)


@pytest.mark.parametrize("declaration", ["name: ../mine", "name: a/b", "name: /mine", "name: .mine", "name: mine\\n"])
def test_a_tables_name_is_one_word(declaration: str, declared: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(CSV)
    name = declaration.replace("mine\\n", '"mine\\n"')
    declared.write_text(declared.read_text().replace("name: mine", name))
    with pytest.raises(LaptError, match="expected name: string should match pattern"):
        imported(tmp_path / "t.csv", declared, tmp_path)
