"""NAS-Bench-Graph is imported from its package's files, none of which is run."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.cli.app import app
from lapt.errors import BenchmarkError
from lapt.families.graph.family import GRAPH
from storage.benchmarks.official import graph as official_graph
from storage.benchmarks.official.published_files import unheard
from storage.benchmarks.official.reading import where
from storage.benchmarks.tables import import_benchmark, list_benchmarks, load

OPERATORS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
FIVE = {"gcn", "sage", "arma", "fc", "skip"}
Content = dict[Any, Any]


def made(task: str) -> Content:
    """A task's content with made numbers: the more of its first letter's operator, the better."""
    liked = OPERATORS[ord(task[0]) % 9]
    found: Content = {}
    for one in GRAPH.functions:
        if task != "proteins" or {*one.operators} <= FIVE:
            score = 0.3 + 0.1 * one.operators.count(liked) + GRAPH.key(one) / 1e6
            found[GRAPH.key(one)] = {
                "valid_perf": score,
                "perf": score - 0.05,
                "latency": 0.001 * (1 + one.operators.count("gat")),
                "para": np.float64(0.436743 + 0.1 * one.operators.count("gcn")),
            }
    return found


def written(folder: Path, contents: dict[str, Content]) -> Path:
    light = folder / "nas_bench_graph" / "light"
    light.mkdir(parents=True)
    (light.parent / "__init__.py").write_text("raise SystemExit('the package was imported')\n")
    for task, content in contents.items():
        (light / f"{task}.bench").write_bytes(pickle.dumps(content, 3))
    return light.parent


@pytest.fixture(scope="module")
def contents() -> dict[str, Content]:
    return {task: made(task) for task in official_graph.TASKS}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, contents: dict[str, Content]) -> Path:
    return written(tmp_path_factory.mktemp("made"), contents)


def test_the_installed_package_is_imported_and_not_run(
    data: Path,
    package: Path,
    contents: dict[str, Content],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(package.parent)
    app(["benchmark", "import", "nas-bench-graph"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "nas_bench_graph: space nas_bench_graph, 26,206 rows" in said
    assert "not the files of a version that LAPT knows" in said
    assert "run nas_bench_graph" in said
    (info,) = (one for one in list_benchmarks() if one.name == "nas_bench_graph")
    assert (info.canonical, info.holes, tuple(info.tasks)) == (True, True, official_graph.TASKS)
    assert (info.tasks["cora"].unit, info.tasks["proteins"].unit, info.tasks["proteins"].scores) == ("%", "", 2_021)
    assert set(info.columns) == {f"{task}_{what}" for task in info.tasks for what in ("latency_ms", "parameters")}
    table = load("nas_bench_graph")
    for task, times in (("cora", 100.0), ("proteins", 1.0)):
        latency, parameters = table.columns[f"{task}_latency_ms"], table.columns[f"{task}_parameters"]
        for key, one in contents[task].items():
            row = table.rows[GRAPH.encode(GRAPH.of_key(key))]
            assert table.column(task)[row] == times * one["valid_perf"]
            assert table.column(task, "test")[row] == times * one["perf"]
            assert (latency[row], parameters[row]) == (1e3 * one["latency"], round(1e6 * one["para"]))
        assert np.array_equal(table.known(task), np.isfinite(latency))


def test_without_the_package_and_without_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(BenchmarkError, match=r"the package nas-bench-graph.*pip install 'lapt\[graph\]'"):
        where("nas-bench-graph")
    with pytest.raises(BenchmarkError, match="expected the path of a file for kind nasbench201; got none"):
        where("nasbench201")


class Runs:
    """A pickle of it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return open, (str(self.path), "w")


def without(content: Content, key: int) -> Content:
    return {other: one for other, one in content.items() if other != key}


GOOD: Content = {"valid_perf": 0.5, "perf": 0.5, "latency": 0.1, "para": 0.1}
FAULTS: dict[str, tuple[Callable[[Content], Any], str]] = {
    "another object": (lambda _: [1], "no dictionary of numbered architectures"),
    "one is missing": (lambda c: without(c, 61237), r"26,206 architectures in .*; got 26,205, without 0112-gcn-gin-ch"),
    "one of no space": (lambda c: c | {99999: GOOD}, r"the number 99999 \(none of its space\), which was not trained"),
    "a second form": (lambda c: c | {3_1000: GOOD}, r"the number 31000 \(none of its space\)"),
    "a score too much": (lambda c: c | {0: {**GOOD, "perf": 81.0}}, "scores of cora outside 0 to 1"),
    "no number": (lambda c: c | {0: {**GOOD, "latency": "0.1"}}, r"no usable result of 0000-gat-gat-gat-gat \(ValueEr"),
    "infinite": (lambda c: c | {0: {**GOOD, "para": float("inf")}}, "no usable result of 0000-gat-gat-gat-gat"),
    "a figure is missing": (lambda c: c | {0: {"perf": 0.5}}, r"no usable result of 0000-gat.*KeyError: 'valid_perf'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line(data: Path, tmp_path: Path, contents: dict[str, Content], fault: str) -> None:
    spoil, message = FAULTS[fault]
    # Cora is the first of the files that is read: the others only have to be there.
    path = written(tmp_path, {task: {} for task in official_graph.TASKS} | {"cora": spoil(contents["cora"])})
    with pytest.raises(BenchmarkError, match=message) as raised:
        import_benchmark("nas-bench-graph", path)
    assert "\n" not in str(raised.value)
    assert not data.exists()


def test_an_architecture_of_other_operators_has_no_score_of_proteins(
    tmp_path: Path, contents: dict[str, Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(official_graph, "TASKS", ("proteins",))
    path = written(tmp_path, {"proteins": contents["proteins"] | {0: GOOD}})
    with pytest.raises(
        BenchmarkError, match=r"proteins.bench; got the number 0 \(0000-gat-gat-gat-gat\), which was no"
    ):
        official_graph.read(path / "light", unheard)


def test_files_that_are_missing_cut_short_or_run_something(
    data: Path, tmp_path: Path, contents: dict[str, Content]
) -> None:
    path = written(tmp_path, {task: {} for task in official_graph.TASKS})
    for task in ("cs", "arxiv"):
        (path / "light" / f"{task}.bench").unlink()
    with pytest.raises(BenchmarkError, match=r"got no cs.bench, arxiv.bench; download it again: pip install"):
        import_benchmark("nas-bench-graph", path)
    with pytest.raises(BenchmarkError, match="got none of its files; name its folder nas_bench_graph"):
        import_benchmark("nas-bench-graph", path.parent)
    for task in ("cs", "arxiv"):
        (path / "light" / f"{task}.bench").write_bytes(b"")
    cora = path / "light" / "cora.bench"
    cora.write_bytes(pickle.dumps(contents["cora"], 3)[:100_000])
    with pytest.raises(BenchmarkError, match=r"a whole benchmark file at .*cora.bench; got it ends in the middle"):
        import_benchmark("nas-bench-graph", path)
    cora.write_bytes(pickle.dumps({0: Runs(tmp_path / "ran")}, 3))
    with pytest.raises(BenchmarkError, match=r"a pickle that names .*open, which is never run here"):
        import_benchmark("nas-bench-graph", path)
    assert not (tmp_path / "ran").exists()


def test_the_real_files(data: Path) -> None:
    if find_spec("nas_bench_graph") is None:
        pytest.skip("the extra graph is not installed, which has the benchmark's own files")
    info = import_benchmark("nas-bench-graph", where("nas-bench-graph"))
    assert (info.identity, info.rows) == ("the files of version 1.4.0", 26_206)
    assert {task: one.scores or info.rows for task, one in info.tasks.items() if task != "proteins"} == dict.fromkeys(
        official_graph.TASKS[:-1], 26_206
    )
    assert info.tasks["proteins"].scores == 2_021
    cora = info.tasks["cora"]
    assert (round(cora.best_validation, 2), round(cora.best_test or 0, 2)) == (81.93, 83.13)
    scores = load("nas_bench_graph").column("cora")
    assert np.allclose(15 * scores, np.rint(15 * scores))  # three trainings, each on 500 validation nodes
