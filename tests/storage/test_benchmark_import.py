"""Benchmark files are checked when they come in, and every refusal names what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from lapt.errors import BenchmarkError, LaptError
from lapt.evaluators.table import TableEvaluator
from lapt.spaces import BUILTIN
from storage.benchmarks.tables import BenchmarkInfo, data_folder, import_benchmark, list_benchmarks, load
from storage.store import BrokenFileWarning

ALL_3X3 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def imported() -> list[BenchmarkInfo]:
    """Without the tables that come with the package."""
    return [info for info in list_benchmarks() if info.name not in ("digits", "digits_curves")]


def test_a_made_table_is_imported_listed_and_loaded(nasbench201_file: Path, data: Path) -> None:
    info = import_benchmark("nasbench201", nasbench201_file)
    assert (info.name, info.space, info.rows) == ("nasbench201", "nas201", 15625)
    best = info.tasks["cifar10"]
    assert (best.best_architecture, best.metric, best.unit) == (ALL_3X3, "accuracy", "%")
    # 4 x 3 x (1 + 1.1 + ... + 1.5), and the made test scores are 0.25 higher
    assert best.best_validation == pytest.approx(90.0)
    assert best.best_test == pytest.approx(90.25)
    assert imported() == [info]
    assert [path.name for path in data.iterdir()] == ["nasbench201.parquet"]

    table = load("nasbench201")
    assert table.checksum == info.checksum
    space = BUILTIN["nas201"]
    evaluator = TableEvaluator(table, space, "cifar100")
    (found,) = evaluator.evaluate([space.decode(ALL_3X3)])
    assert found.value == pytest.approx(67.5)
    assert (found.parameters, found.flops) == (110_000, 16_000_000)
    assert evaluator.test(space.decode(ALL_3X3)) == pytest.approx(67.75)


def test_the_checksum_is_of_the_content_alone(nasbench201_file: Path, data: Path, tmp_path: Path) -> None:
    table = pq.read_table(nasbench201_file)
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    pq.write_table(shuffled.select(shuffled.column_names[::-1]), tmp_path / "b.parquet", compression="gzip")
    changed = table.set_column(3, "cifar10_val", pc.add(table["cifar10_val"], 1e-9))
    pq.write_table(changed, tmp_path / "c.parquet")
    files = [nasbench201_file, tmp_path / "b.parquet", tmp_path / "c.parquet"]
    one, two, other = [import_benchmark("nasbench201", file, replace=True).checksum for file in files]
    assert one == two
    assert one != other


def test_nas_bench_201_as_published(real_table: Callable[[str], Path], tmp_path: Path) -> None:
    info = import_benchmark("nasbench201", real_table("nasbench201.parquet"), data=tmp_path)
    best = [info.tasks[task].best_test for task in ("cifar10", "cifar100", "imagenet16_120")]
    assert [round(value or 0, 2) for value in best] == [94.37, 73.51, 47.31]
    table = load("nasbench201", tmp_path)
    assert table.parameters is not None
    assert table.parameters.min() == 73306  # no convolution in any cell


def test_transnas_bench_101_as_published(real_table: Callable[[str], Path], tmp_path: Path) -> None:
    info = import_benchmark("transnas101-micro", real_table("transnas101_micro.parquet"), data=tmp_path)
    assert (info.name, info.rows, len(info.tasks)) == ("transnas101_micro", 4096, 7)
    assert round(info.tasks["class_scene"].best_validation, 2) == 54.94
    assert round(info.tasks["autoencoder"].best_validation, 4) == 0.5772
    assert info.tasks["room_layout"].best_validation < 0
    assert {task.best_test for task in info.tasks.values()} == {None}
    assert "test" not in load("transnas101_micro", tmp_path).scores["jigsaw"]


# --- what is refused -------------------------------------------------------------------------------------------------
def altered(file: Path, target: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    pq.write_table(change(pq.read_table(file)), target)
    return target


def with_cell(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    values = table.column(column).to_pylist()
    values[row] = value
    return table.set_column(table.column_names.index(column), column, pa.array(values))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.drop_columns(["cifar100_test", "flops_M"]), r"\['cifar100_test', 'flops_M'\]"),
        (lambda t: t.slice(0, 15624), "15,625 architectures.*15,624"),
        (lambda t: t.slice(0, 0), "got 0"),
        (lambda t: with_cell(t, "arch", 7, t["arch"][6].as_py()), r"\|none~0\|.* more than once"),
        (lambda t: with_cell(t, "arch", 7, "|conv_7x7~0|"), r"\|conv_7x7~0\|"),
        (lambda t: with_cell(t, "arch", 7, None), "None"),
        (
            lambda t: with_cell(t, "cifar10_val", 0, float("nan")),
            r"cifar10_val.*got nan for \|none~0\|\+\|none~0\|none",
        ),
        (lambda t: with_cell(t, "cifar10_test", 0, float("inf")), r"cifar10_test.*got inf for \|none~0\|"),
        (lambda t: with_cell(t, "cifar10_test", 0, float("-inf")), r"cifar10_test.*got -inf for \|none~0\|"),
        (lambda t: with_cell(t, "params_M", 0, None), r"params_M.*got an empty value for \|none~0\|"),
        (lambda t: t.set_column(3, "cifar10_val", pc.cast(t["arch"], pa.string())), "numbers in column cifar10_val"),
    ],
    ids=["columns", "row", "empty", "twice", "stranger", "null name", "nan", "inf", "-inf", "null", "text"],
)
def test_a_table_that_is_wrong_is_refused_in_one_line(
    nasbench201_file: Path, data: Path, tmp_path: Path, change: Callable[[pa.Table], pa.Table], named: str
) -> None:
    with pytest.raises(BenchmarkError, match=named) as raised:
        import_benchmark("nasbench201", altered(nasbench201_file, tmp_path / "altered.parquet", change))
    assert "\n" not in str(raised.value)
    assert not data.exists()


def test_files_that_are_missing_or_cut_short(nasbench201_file: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="which is no file"):
        import_benchmark("nasbench201", tmp_path / "nowhere.parquet")
    short = tmp_path / "short.parquet"
    short.write_bytes(nasbench201_file.read_bytes()[:-100])
    with pytest.raises(BenchmarkError, match=r"a whole Parquet file; got .*short\.parquet"):
        import_benchmark("nasbench201", short)
    with pytest.raises(BenchmarkError, match="'nasbench101'") as raised:
        import_benchmark("nasbench101", nasbench201_file)
    assert raised.value.usage


def test_a_table_that_is_not_imported(nasbench201_file: Path, data: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"\['digits', 'digits_curves'\]; lapt benchmark import nasbench201 FILE"):
        load("nasbench201")
    import_benchmark("nasbench201", nasbench201_file)
    with pytest.raises(BenchmarkError, match=r"'nasbench201'\].*lapt benchmark import transnas101-micro FILE"):
        load("transnas101_micro")
    with pytest.raises(BenchmarkError, match="import table FILE --declare"):
        load("mine")


def test_a_published_file_in_the_data_folder_is_not_imported_yet(nasbench201_file: Path, data: Path) -> None:
    data.mkdir()
    shutil.copy(nasbench201_file, data / "nasbench201.parquet")
    assert imported() == []
    with pytest.raises(BenchmarkError, match="import it: lapt benchmark import nasbench201 FILE"):
        load("nasbench201")


def test_damage_after_the_import_is_noticed(nasbench201_file: Path, data: Path) -> None:
    import_benchmark("nasbench201", nasbench201_file)
    path = data / "nasbench201.parquet"
    content = pq.read_table(path)
    pq.write_table(with_cell(content, "cifar10/validation", 5, 99.0).cast(content.schema), path)
    with pytest.raises(BenchmarkError, match="checksum"):
        load("nasbench201")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BenchmarkError, match="whole Parquet file"):
        load("nasbench201")
    with pytest.warns(BrokenFileWarning, match=r"nasbench201\.parquet"):
        assert imported() == []


# --- declared tables -------------------------------------------------------------------------------------------------
DECLARATION = """
name: mine
space: trans101
architecture: cell
tasks:
  depth: {validation: depth_error, metric: error, higher_is_better: false}
  scene: {validation: scene_val, test: scene_test, metric: accuracy, unit: "%"}
parameters: {column: kparams, times: 1000}
"""


@pytest.fixture
def declared(tmp_path: Path) -> tuple[Path, Path]:
    """A CSV file of three cells and its declaration."""
    cells = ["64-41414-1_11_111", "64-41414-3_33_333", "64-41414-2_00_120"]
    columns = {
        "cell": cells,
        "depth_error": [0.3, 0.1, 0.2],
        "scene_val": [50, 60, 55],
        "scene_test": [49, 59, 61],
        "kparams": [1.5, 2.0, 0.001],
    }
    csv.write_csv(pa.table(columns), tmp_path / "mine.csv")
    (tmp_path / "mine.yaml").write_text(DECLARATION)
    return tmp_path / "mine.csv", tmp_path / "mine.yaml"


def test_any_table_can_be_declared(declared: tuple[Path, Path], data: Path) -> None:
    info = import_benchmark("table", declared[0], declare=declared[1])
    assert (info.name, info.kind, info.rows) == ("mine", "table", 3)
    depth, scene = info.tasks["depth"], info.tasks["scene"]
    assert (depth.best_validation, depth.best_architecture, depth.best_test) == (0.1, "64-41414-3_33_333", None)
    assert (scene.best_validation, scene.best_test) == (60.0, 61.0)
    table = load("mine")
    assert not table.metrics["depth"].higher_is_better
    assert dict(zip(table.architectures, table.parameters, strict=True)) == {  # type: ignore[arg-type]
        "64-41414-1_11_111": 1500, "64-41414-2_00_120": 1, "64-41414-3_33_333": 2000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("name: mine", "name: ../mine", "name: .*pattern"),
        ("space: trans101", "space: nas301", r"'nas301' in .*mine\.yaml"),
        ("space: trans101", "spaces: trans101", "space"),
        ("metric: error, ", "", r"the key tasks\.depth\.metric in .*mine\.yaml; got nothing"),
        (
            "higher_is_better",
            "lower_is_better",
            r"\['validation', .*got tasks\.depth\.lower_is_better; did you mean",
        ),
        ("scene: {", "depth: {", r"line 7: the key 'depth' stands twice"),
        ("scene: {", "no: {", r"text as the keys of tasks; got False.*quote it \('no'"),
        ("name: mine", "name: 2024", r'text as name; got 2024.*quote it \("2024"\)'),
        ("  scene", "\tscene", r"line 7.*indent with spaces"),
        ("depth_error", "depth", r"\['depth'\]"),
        ("times: 1000", "times: -1", r"parameters\.times"),
        ("tasks:", "tasks: {", "YAML"),
        ("space: trans101", "space: nas201", "architectures of nas201"),
    ],
)
def test_wrong_declarations_are_named(declared: tuple[Path, Path], data: Path, old: str, new: str, named: str) -> None:
    declared[1].write_text(DECLARATION.replace(old, new))
    with pytest.raises(LaptError, match=named) as raised:
        import_benchmark("table", declared[0], declare=declared[1])
    assert "\n" not in str(raised.value)


def test_a_declaration_belongs_to_kind_table_alone(declared: tuple[Path, Path], data: Path) -> None:
    with pytest.raises(LaptError, match="--declare") as missing:
        import_benchmark("table", declared[0])
    with pytest.raises(LaptError, match="no declaration") as superfluous:
        import_benchmark("nasbench201", declared[0], declare=declared[1])
    assert missing.value.usage
    assert superfluous.value.usage


@pytest.mark.parametrize("name", ["nasbench201", "transnas101_micro", "invented", "NASBench201"])
def test_a_declared_table_takes_no_built_in_name(declared: tuple[Path, Path], data: Path, name: str) -> None:
    declared[1].write_text(DECLARATION.replace("name: mine", f"name: {name}"))
    with pytest.raises(BenchmarkError, match=f"nasbench201.*got '{name}'; give it another name"):
        import_benchmark("table", declared[0], declare=declared[1])
    assert not data.exists()


def test_an_import_says_where_it_is_and_what_it_replaced(declared: tuple[Path, Path], data: Path) -> None:
    first = import_benchmark("table", declared[0], declare=declared[1])
    assert (first.path, first.replaced, first.unchanged) == (str(data / "mine.parquet"), None, False)
    again = import_benchmark("table", declared[0], declare=declared[1])
    assert (again.checksum, again.replaced, again.unchanged) == (first.checksum, None, True)
    declared[0].write_text(declared[0].read_text().replace("0.3", "0.4"))
    with pytest.raises(BenchmarkError, match=f"no other table named mine .*{first.checksum[:12]}; .*--replace"):
        import_benchmark("table", declared[0], declare=declared[1])
    assert load("mine").checksum == first.checksum
    other = import_benchmark("table", declared[0], declare=declared[1], replace=True)
    assert other.checksum != first.checksum
    assert other.replaced == first.checksum[:12]
    assert [(info.path, info.replaced) for info in imported()] == [(other.path, None)]


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAPT_DATA", "/a")
    assert data_folder("/b") == Path("/b")
    assert data_folder() == Path("/a")
    monkeypatch.delenv("LAPT_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", "/c")
    assert data_folder() == Path("/c/lapt")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".local" / "share" / "lapt"
