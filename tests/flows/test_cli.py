"""The ``lapt`` command as a user types it: real processes, real server, exit statuses and one-line errors."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shared_server
from typed import typed

from lapt.testing import invented_table

LAPT = Path(sys.executable).with_name("lapt")


def lapt(*arguments: str, data: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = shared_server.environment(*arguments[:1])
    if data is not None:
        clean["LAPT_DATA"] = str(data)
    return subprocess.run(
        [str(LAPT), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        env={**clean, "COLUMNS": "80", **environment},
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line of a refusal."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("lapt: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert lines[0].startswith("lapt: expected ")
    assert "; got " in lines[0]
    return lines[0]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A store with one finished demo run, its JSON, and what went to standard error."""
    store = tmp_path_factory.mktemp("demo") / "store"
    done = lapt("run", "invented", "--json", "--store", str(store))
    assert done.returncode == 0, done.stderr
    return store, json.loads(done.stdout), done.stderr


def test_the_demo_prints_one_json_document_with_the_agreed_keys(demo: tuple[Path, dict[str, Any], str]) -> None:
    store, result, err = demo
    assert result["store"] == str(store)
    assert [target["task"] for target in result["targets"]] == ["invented_a", "invented_b"]
    keys = {"task", "architecture", "validation", "test", "evaluations", "repeats", "seconds"}
    for target in result["targets"]:
        assert keys <= set(target)
        assert 10 <= target["evaluations"] <= 20
    assert "adapting to invented_b" in err  # progress, and nothing of Prefect's own log
    assert "prefect" not in err.lower().replace("starting prefect (", "")


def test_the_demo_finds_what_counting_can_find(demo: tuple[Path, dict[str, Any], str]) -> None:
    _, result, _ = demo
    for target in result["targets"]:
        column = invented_table().column(target["task"])
        assert (column > target["validation"]).sum() < 150  # the top 1 %


def test_every_row_of_the_run_can_be_queried_with_its_lineage(demo: tuple[Path, dict[str, Any], str]) -> None:
    store, result, _ = demo
    sql = (
        "SELECT task, iteration, count(*) AS n, any_value(size) AS size, any_value(statements) AS statements "
        "FROM lineage WHERE subspace_id IS NOT NULL GROUP BY task, iteration ORDER BY task, iteration"
    )
    done = lapt("sql", sql, "--json", "--store", str(store))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(row["task"], row["iteration"]) for row in rows] == [
        (task, g) for task in ("invented_a", "invented_b") for g in (1, 2, 3)
    ]
    assert rows[0]["size"] == 64
    assert rows[0]["statements"][0].startswith("On layer 0->1, good architectures of invented_source choose ")
    assert sum(row["n"] for row in rows) == sum(target["evaluations"] for target in result["targets"])


def test_a_finished_run_leaves_a_duckdb_file_that_any_client_reads(demo: tuple[Path, dict[str, Any], str]) -> None:
    store, result, _ = demo
    with duckdb.connect(str(store / "duckdb" / f"{result['run_id']}.duckdb"), read_only=True) as client:
        (incumbents,) = client.execute("SELECT count(*) FROM anytime").fetchone() or (0,)
    assert incumbents >= sum(target["evaluations"] for target in result["targets"])


@pytest.mark.integration
def test_the_same_command_again_is_the_same_run(demo: tuple[Path, dict[str, Any], str]) -> None:
    store, result, _ = demo
    again = lapt("run", "invented", "--store", str(store))
    assert again.returncode == 0, again.stderr
    assert result["run_id"] in again.stdout
    for target in result["targets"]:
        assert target["architecture"] in again.stdout
    assert "What now?" in again.stdout
    assert all(len(line) <= 80 for line in again.stdout.splitlines() if "|" not in line and "lapt " not in line)
    count = lapt("sql", "SELECT count(*) AS n FROM trials", "--json", "--store", str(store))
    evaluations = [found["evaluations"] for target in result["targets"] for found in (target, *target["controls"])]
    assert json.loads(count.stdout)["rows"][0]["n"] == 200 + sum(evaluations)


def test_a_run_leaves_a_page_of_what_was_found_and_why(demo: tuple[Path, dict[str, Any], str]) -> None:
    store, result, _ = demo
    page = (store / "reports" / f"{result['run_id']}.md").read_text()
    assert "1. On layer 0->1, good architectures of invented_source choose " in page
    for target in result["targets"]:
        assert f"`{target['architecture']}`" in page
        assert f"## {target['task']}\n\nIterations: 1: " in page


def test_exports_that_cannot_be(demo: tuple[Path, dict[str, Any], str], tmp_path: Path) -> None:
    store, result, _ = demo
    here = ("--store", str(store), "--out", str(tmp_path / "net.py"))
    assert "--target among" in refused(typed("export", result["run_id"], *here), 2)
    on_table = ("export", result["run_id"][:5], "--target", "invented_a", *here)
    assert "a run that trains its networks" in refused(typed(*on_table, "--format", "state-dict"), 2)
    assert "a run with two objectives" in refused(typed(*on_table, "--pick", "parameters<5"), 2)
    assert "did you mean classes?" in refused(typed(*on_table, "--network", "clases=5"), 2)
    assert result["run_id"] in refused(typed("export", "nosuchrun", *here), 1)
    assert not (tmp_path / "net.py").exists()


def test_plans_that_are_wrong_are_one_line(tmp_path: Path) -> None:
    refused(typed("benchmark", "build", "nowhere", "--store", str(tmp_path)), 2)
    line = refused(typed("benchmark", "build", "digits", "--set", "tasks=[depth]", "--store", str(tmp_path)), 1)
    assert "a task among" in line
    line = refused(typed("benchmark", "build", "digits", "--set", "sedes=2", "--store", str(tmp_path)), 2)
    assert "in digits one of the keys ['name', 'space'" in line


def test_sql_imports_no_prefect(demo: tuple[Path, dict[str, Any], str]) -> None:
    store, _, _ = demo
    code = (
        "import sys; sys.argv = ['lapt', 'sql', 'SELECT 1', '--store', sys.argv[1]]\n"
        "from flows.cli.app import main\n"
        "try: main()\n"
        "except SystemExit:\n"
        " print(sorted(m for m in sys.modules if m.split('.')[0] in ('prefect', 'torch', 'langchain')))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE scores",
        "COPY trials TO 'x.csv'",
        "ATTACH 'x.duckdb'",
        "INSTALL httpfs",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT 1; SELECT 2",
        "SELECT missing FROM trials",
        "CREATE TABLE x AS SELECT 1",
    ],
)
def test_sql_is_read_only(tmp_path: Path, statement: str) -> None:
    refused(typed("sql", statement, "--store", str(tmp_path)), 2)


def test_a_missing_table_names_the_import_command(tmp_path: Path) -> None:
    line = refused(lapt("run", "nas201", "--store", str(tmp_path / "s"), data=tmp_path), 1)
    assert "lapt benchmark import nasbench201" in line
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("targets=[cifar10]", "invented_a"),
        ("targets=[invented_c]", "did you mean invented_"),
        ("source.task=cifar10", "invented_source"),
        ("space=darts", "nas201"),
        ("sead=3", "did you mean seed?"),
        ("source.archive.samples=20000", "15625"),
    ],
)
def test_bad_declarations_are_one_line(tmp_path: Path, override: str, words: str) -> None:
    assert words in refused(typed("run", "invented", "--set", override, "--store", str(tmp_path)), 2)


@pytest.mark.parametrize(
    ("reasoner", "words"),
    [
        ("gpt-4", "write, for example, chat:openai:gpt-4o"),
        ("frequncy", "did you mean frequency?"),
        ("chat", "chat:PROVIDER:MODEL"),
        ("patterns:openai", "--reasoner patterns, "),
    ],
)
def test_a_reasoner_that_is_none_is_one_line(tmp_path: Path, reasoner: str, words: str) -> None:
    assert words in refused(typed("run", "invented", "--reasoner", reasoner, "--store", str(tmp_path)), 2)


@pytest.mark.integration
@pytest.mark.parametrize("stage", ["starting Prefect", "building the archive", "adapting to invented_a"])
def test_ctrl_c_says_what_becomes_of_the_work(tmp_path: Path, stage: str) -> None:
    process = subprocess.Popen(
        [str(LAPT), "run", "invented", "--store", str(tmp_path / "store")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    # By what it says and not by the clock: how far it has come after some seconds, machines differ in.
    assert any(stage in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert "Crash detected" not in err


def test_a_store_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused(typed("run", "invented", "--store", str(tmp_path / "file" / "store")), 1)


@pytest.mark.parametrize(
    "arguments", [["fly"], ["run"], ["run", "invented", "--sead", "3"], ["study", "nas201", "--seeds", "0"]]
)
def test_wrong_use_is_status_2(arguments: list[str]) -> None:
    done = typed(*arguments)
    assert done.returncode == 2
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["study", "table9"], ["study", "nas201", "--methods", "magic"], ["run", "nas202"]]
)
def test_unknown_names_list_the_known(arguments: list[str]) -> None:
    refused(typed(*arguments), 2)


@pytest.mark.integration
def test_a_declared_table_can_be_imported_and_run(tmp_path: Path) -> None:
    table = invented_table()
    columns: dict[str, Any] = {"cell": list(table.architectures)}
    for task in table.scores:
        columns[f"{task}_error"] = 100 - table.column(task)
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    tasks = "".join(
        f"  {task}: {{validation: {task}_error, metric: error, unit: '%', higher_is_better: false}}\n"
        for task in table.scores
    )
    (tmp_path / "mine.yaml").write_text(f"name: mine\nspace: nas201\narchitecture: cell\ntasks:\n{tasks}")
    done = lapt(
        "benchmark", "import", "table", str(tmp_path / "mine.parquet"), "--declare", str(tmp_path / "mine.yaml"),
        data=tmp_path / "data",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "15,625 rows" in done.stdout
    listed = json.loads(lapt("benchmark", "list", "--json", data=tmp_path / "data").stdout)
    (mine,) = (info for info in listed if info["name"] == "mine")
    assert mine["tasks"]["invented_a"]["best_validation"] == pytest.approx(100 - table.column("invented_a").max())
    study = lapt(
        "study", "nas201", "--seeds", "2", "--json", "--methods", "lapt-rea,mode", "--set", "evaluator.table=mine",
        "--set", "source={task: invented_source}", "--set", "targets=[invented_a]", data=tmp_path / "data",
    )  # fmt: skip
    assert study.returncode == 0, study.stderr
    rows = {(r["method"], r["quantity"], r["budget"]): r for r in json.loads(study.stdout)["rows"]}
    assert rows["mode", "hit_rate", 500]["mean"] == 1.0
    # An error in percent, lower is better: the incumbent's is near the table's lowest.
    assert rows["lapt-rea", "validation", 20]["mean"] < np_quantile(100 - table.column("invented_a"), 0.01)


def np_quantile(values: Any, share: float) -> float:
    import numpy as np

    return float(np.quantile(values, share))


@pytest.mark.integration
def test_the_study_prints_the_agreed_rows(real_data: Path) -> None:
    done = lapt("study", "nas201", "--seeds", "2", "--json", data=real_data)
    assert done.returncode == 0, done.stderr
    study = json.loads(done.stdout)
    assert study["study"] == "nas201"
    keys = {
        "method", "reasoner", "target", "quantity", "unit", "mean", "sd", "ci_low", "ci_high", "median", "q25", "q75",
        "censored", "seeds", "baseline", "p_value", "published",
    }  # fmt: skip
    assert all(keys <= set(row) for row in study["rows"])
    by = {(r["method"], r["target"], r["quantity"]): r for r in study["rows"]}
    assert by["lapt-rea", "cifar10", "archs_to_top_0.1%"]["published"] == "4.9"
    assert by["lapt-rea", "cifar100", "test"]["published"] == "73.45"
    # Known of this table: the source's ranking needs two evaluations, the most frequent operators one.
    assert by["source_ranking", "cifar10", "archs_to_top_0.1%"]["mean"] == 2
    assert by["mode", "cifar100", "archs_to_top_0.1%"]["mean"] == 1
    # ... and these are the ranks of the most frequent cells, mean of 6 and 3 when evaluated alone; after 20, the best.
    ranks = [by["mode", task, "rank"]["mean"] for task in ("cifar10", "cifar100")]
    assert by["mode", "mean", "rank"]["mean"] == sum(ranks) / 2
    assert by["tnas-bo", "cifar10", "test"] | {"mean": None, "published": "94.37"} == by["tnas-bo", "cifar10", "test"]


@pytest.mark.integration
def test_a_study_is_named_after_what_it_does(real_data: Path) -> None:
    done = lapt(
        "study", "nas201", "--seeds", "2", "--json", "--set", "search={method: random}", "--methods",
        "lapt-random,mode", "--set", "source.archive={strategy: random, samples: 50, size: 10}", data=real_data,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    study = json.loads(done.stdout)
    rows = [row for row in study["rows"] if row["seeds"]]
    assert {row["method"] for row in rows} == {"lapt-random", "mode"}
    assert all(row["published"] is None for row in rows)
    # A drawn archive: the most frequent operators differ between seeds.
    assert all(row["seeds"] == 2 for row in rows if row["quantity"] == "test")
    assert not any("nothing random" in note for note in study["notes"])


@pytest.mark.integration
def test_the_study_as_tables_fits_80_columns(real_data: Path) -> None:
    done = lapt("study", "nas201", "--seeds", "2", "--processes", "1", data=real_data)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "…" not in done.stdout
    assert "not run" in done.stdout
