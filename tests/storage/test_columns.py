"""Further columns of a table: joined by architecture, checked, and used by constraints."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_benchmark_import import ALL_3X3
from typed import typed

from flows.build import build
from lapt.errors import BenchmarkError, ConfigError, LaptError, Notice
from lapt.latency.additive import Additive
from lapt.pipeline.config import Execution, load_pipeline
from lapt.spaces import BUILTIN
from storage.benchmarks.tables import add_columns, import_benchmark, list_benchmarks, load

NAS201 = BUILTIN["nas201"]
CELLS = [NAS201.encode(cell) for cell in NAS201.members()]
HARDWARE = Path(__file__).parents[3] / "shared" / "benchmarks" / "nasbench201_hw.parquet"


def wanted(text: str) -> float:
    return 1.0 + text.count("nor_conv_3x3") + text.count("nor_conv_1x1") / 10


def written(path: Path, cells: list[str], **columns: list[Any]) -> Path:
    pq.write_table(pa.table({"arch": cells, **columns}), path)
    return path


@pytest.fixture(scope="module")
def imported(nasbench201_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the made table, to be copied."""
    folder = tmp_path_factory.mktemp("imported")
    import_benchmark("nasbench201", nasbench201_file, data=folder)
    return folder


@pytest.fixture
def table(data: Path, imported: Path) -> Path:
    """The data folder with the made table."""
    return shutil.copytree(imported, data)


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """Latencies of all cells, in another order than the table's."""
    cells = CELLS[::-1]
    return written(tmp_path / "phone.parquet", cells, phone_ms=[wanted(text) for text in cells])


def test_columns_are_joined_by_architecture_and_leave_the_checksum_as_it_is(table: Path, phone: Path) -> None:
    before = load("nasbench201")
    info = add_columns(phone, table="nasbench201")
    after = load("nasbench201")
    assert (info.table, info.known) == ("nasbench201", {"phone_ms": 15_625})
    assert after.columns["phone_ms"].tolist() == [wanted(text) for text in after.architectures]
    assert after.checksum == before.checksum
    assert after.checksum_with(["parameters"]) == before.checksum
    assert after.checksum_with(["phone_ms"]) != before.checksum
    (listed,) = (one for one in list_benchmarks() if one.name == "nasbench201")
    assert listed.columns == ("phone_ms",)


def test_a_file_of_some_rows_leaves_the_others_unknown_and_says_so(table: Path, tmp_path: Path) -> None:
    some = written(tmp_path / "some.parquet", CELLS[:10], ms=[1.0] * 9 + [None])
    with pytest.warns(UserWarning, match="15,616 of 15,625 rows of nasbench201 have no ms"):
        add_columns(some, table="nasbench201")
    assert np.isfinite(load("nasbench201").columns["ms"]).sum() == 9


def test_more_columns_are_added_and_others_replaced_on_request(table: Path, phone: Path, tmp_path: Path) -> None:
    add_columns(phone, table="nasbench201")
    add_columns(phone, table="nasbench201")  # the same values again
    other = written(tmp_path / "other.parquet", CELLS, phone_ms=[2.0] * 15_625, watts=[3] * 15_625)
    with pytest.raises(BenchmarkError, match="no other column phone_ms of nasbench201; got one with other values"):
        add_columns(other, table="nasbench201")
    assert set(load("nasbench201").columns) == {"phone_ms"}
    add_columns(other, table="nasbench201", replace=True)
    assert {name: set(values) for name, values in load("nasbench201").columns.items()} == {
        "phone_ms": {2.0},
        "watts": {3.0},
    }


def test_a_declaration_names_columns_and_units(table: Path, phone: Path, tmp_path: Path) -> None:
    declared = tmp_path / "phone.yaml"
    declared.write_text(
        "table: nasbench201\narchitecture: arch\ncolumns: {phone_us: {column: phone_ms, times: 1000}}\n"
    )
    add_columns(phone, declare=declared)
    assert load("nasbench201").columns["phone_us"][load("nasbench201").rows[ALL_3X3]] == 7000


def test_columns_of_a_canonical_table_are_those_of_its_representatives(data: Path, tmp_path: Path) -> None:
    digits = load("digits")
    cells = list(digits.architectures[:100])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        add_columns(written(tmp_path / "d.parquet", cells, ms=[float(n) for n in range(100)]), table="digits")
    assert load("digits").columns["ms"][:100].tolist() == list(range(100))


@pytest.mark.parametrize(
    ("cells", "columns", "said"),
    [
        (CELLS[:2], {"ms": [1.0, float("inf")]}, "finite numbers in column ms of .*; got inf for"),
        ([CELLS[0], CELLS[0]], {"ms": [1.0, 1.0]}, "each architecture once in .*; got .* more than once"),
        ([CELLS[0], "|conv~0|"], {"ms": [1.0, 1.0]}, r"architectures of nas201 in .*; got '\|conv~0\|'; drop those"),
        (CELLS[:1], {"parameters": [1.0]}, "does not use itself .*; got 'parameters'; give it another name"),
        (CELLS[:1], {"cifar10": [1.0]}, "does not use itself .*; got 'cifar10'"),
        (CELLS[:1], {"a/b": [1.0]}, "without /; got 'a/b'"),
        (CELLS[:1], {"ms": ["fast"]}, "a column of numbers in"),
        (CELLS[:1], {}, "a column of numbers in"),
        (CELLS[:1], {"ms": pa.array([None], pa.float64())}, "got empty cells alone"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_wrong_columns_are_refused_in_one_line(
    table: Path, tmp_path: Path, cells: list[str], columns: dict[str, Any], said: str
) -> None:
    path = written(tmp_path / "wrong.parquet", cells, **columns)
    with pytest.raises(BenchmarkError, match=said) as error:
        add_columns(path, table="nasbench201")
    assert "\n" not in str(error.value)
    assert not (table / "columns").exists()


def test_requests_that_say_too_little_or_too_much_are_refused(table: Path, phone: Path, tmp_path: Path) -> None:
    declared = tmp_path / "wrong.yaml"
    for text, said in (
        ("table: nasbench201\ncolumns: {ms: phone}\n", "the column phone in .*; did you mean phone_ms"),
        ("table: nasbench201\narchitecture: cell\n", "named cell; got"),
        ("table: nasbench201\nspace: trans101\n", "the space nas201, of table nasbench201; got trans101"),
        ("tables: nasbench201\n", "the key table in"),
    ):
        declared.write_text(text)
        with pytest.raises(LaptError, match=said):
            add_columns(phone, declare=declared)
    with pytest.raises(BenchmarkError, match="a table named 'nasbench102'"):
        add_columns(phone, table="nasbench102")
    for words in (["columns", str(phone)], ["table", str(phone), "--table", "nasbench201"]):
        done = typed("benchmark", "import", *words, data=table)
        assert done.returncode == 2
        assert "--table" in done.stderr
        assert done.stderr.count("\n") == 1


def test_the_command_line_imports_lists_and_constrains(table: Path, phone: Path, tmp_path: Path) -> None:
    done = typed("benchmark", "import", "columns", str(phone), "--table", "nasbench201", data=table)
    assert done.returncode == 0, done.stderr
    assert "phone_ms" in done.stdout
    assert "further columns: phone_ms" in typed("benchmark", "list", data=table).stdout
    capped = load_pipeline("nas201", ["constraints={latency_ms: {max: 3, column: phone_ms}}"])
    execution = Execution(store=str(tmp_path / "store"))
    with pytest.warns(Notice, match="constraints leave .* of nas201: latency_ms at most 3"):
        first = build(capped, execution)
    with pytest.raises(ConfigError, match=r"got 'phone'; did you mean phone_ms\?"):
        build(load_pipeline("nas201", ["constraints={phone: {max: 3}}"]), execution)
    faster = written(tmp_path / "faster.parquet", CELLS, phone_ms=[wanted(text) / 2 for text in CELLS])
    add_columns(faster, table="nasbench201", replace=True)
    with pytest.warns(Notice):
        assert build(capped, execution).run_id != first.run_id
    plain = build(load_pipeline("nas201"), execution)
    (table / "columns" / "nasbench201.parquet").unlink()
    assert build(load_pipeline("nas201"), execution).run_id == plain.run_id


def test_a_broken_file_of_columns_is_named(table: Path, phone: Path) -> None:
    path = Path(add_columns(phone, table="nasbench201").path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BenchmarkError, match=r"columns of nasbench201 in .*; delete it, and import the columns again"):
        load("nasbench201")


# --- measured latencies of others -------------------------------------------------------------------------------------
@pytest.mark.skipif(not HARDWARE.is_file(), reason="no ../shared/benchmarks/nasbench201_hw.parquet")
@pytest.mark.parametrize(("column", "off"), [("cifar10_raspi4_latency_ms", 0.12), ("cifar10_edgegpu_latency_ms", 0.10)])
def test_the_additive_predictor_on_devices(table: Path, column: str, off: float) -> None:
    """Of HW-NAS-Bench's devices, 30 measured networks predict the others; the error that it states is about right."""
    add_columns(HARDWARE, table="nasbench201")
    made = load("nasbench201")
    known = made.columns[column]
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.flatnonzero(known > 0.5), 230, replace=False)  # without cells that compute nothing
    cells = [NAS201.decode(made.architectures[at]) for at in drawn]
    fitted = Additive.fit(NAS201, cells[:30], known[drawn[:30]])
    errors = np.abs(fitted.predict(cells[30:]) - known[drawn[30:]]) / known[drawn[30:]]
    assert np.median(errors) < off
    assert fitted.error < 2 * off
