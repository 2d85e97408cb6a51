"""A run with constraints, as its user sees it: in the terminal, as JSON, on the page and in the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typed import typed

from lapt.evaluators import Table

pytestmark = pytest.mark.integration

CAP = 300_000
WORDS = [
    "run", "nas201", "--set", f"constraints.parameters.max={CAP}", "--set", "targets=[cifar10]",
    "--set", "controls=[random]",
]  # fmt: skip


def test_bounds_hold_for_all_that_was_asked_and_are_shown(tmp_path: Path, real_data: Path, nasbench201: Table) -> None:
    store = ["--store", str(tmp_path)]
    shown = typed(*WORDS, *store, data=real_data)
    assert shown.returncode == 0, shown.stderr
    kept = int((nasbench201.parameters <= CAP).sum())  # type: ignore[operator]
    said = f"lapt: constraints leave {kept:,} of 15,625 architectures of nas201: parameters at most 300,000\n"
    assert said in shown.stderr
    assert "(at most 300,000)" in shown.stdout
    result = json.loads(typed(*WORDS, "--json", *store, data=real_data).stdout)
    (target,) = result["targets"]
    for found in (target, *target["controls"]):
        size = nasbench201.parameters[nasbench201.rows[found["architecture"]]]  # type: ignore[index]
        assert found["quantities"] == {"parameters": size}
    asked = "SELECT run_id, architecture FROM trials WHERE task = 'cifar10'"
    rows = json.loads(typed("sql", asked, "--json", *store).stdout)["rows"]
    assert len(rows) == 40
    assert max(nasbench201.parameters[nasbench201.rows[row["architecture"]]] for row in rows) <= CAP  # type: ignore[index]
    page = tmp_path / "page.html"
    assert typed("report", result["run_id"], "--out", str(page), *store).returncode == 0
    assert "Constraints: parameters at most 300,000." in page.read_text()
    summary = (tmp_path / "reports" / f"{result['run_id']}.md").read_text()
    assert f"parameters {target['quantities']['parameters']:,.0f} (at most 300,000)" in summary


def test_a_study_keeps_the_constraints_of_its_pipeline(tmp_path: Path, real_data: Path, nasbench201: Table) -> None:
    pipeline = tmp_path / "small.yaml"
    pipeline.write_text(
        "name: small\nspace: nas201\nevaluator: {kind: table, table: nasbench201}\n"
        "source: {task: imagenet16_120, archive: {strategy: top, size: 50}}\ntargets: [cifar10]\n"
        "adaptation: {iterations: 1}\nreasoner: {kind: frequency}\n"
        f"constraints: {{parameters: {{max: {CAP}}}}}\n"
    )
    words = ["study", "compare", str(pipeline), "--seeds", "2", "--json", "--store", str(tmp_path / "store")]
    done = typed(*words, "--methods", "lapt-rea,random,source_ranking,params", data=real_data)
    assert done.returncode == 0, done.stderr
    feasible = nasbench201.parameters <= CAP  # type: ignore[operator]
    best = nasbench201.scores["cifar10"]["validation"][feasible].max()
    rows = [row for row in json.loads(done.stdout)["rows"] if row["quantity"] == "validation"]
    assert {row["method"] for row in rows} == {"lapt-rea", "random", "source_ranking", "params"}
    assert all(row["mean"] <= best for row in rows)


def test_fronts_are_in_sql_on_the_page_and_to_pick_from(tmp_path: Path, real_data: Path) -> None:
    store = ["--store", str(tmp_path)]
    two = ["--set", "search.method=gp", "--set", "objectives=[accuracy, parameters]", "--json", *store]
    result = json.loads(typed(*WORDS, *two, data=real_data).stdout)
    one = typed(*WORDS, "--set", "seed=1", "--json", *store, data=real_data)
    assert one.returncode == 0, one.stderr
    rows = json.loads(typed("sql", "SELECT * FROM front", "--json", *store).stdout)["rows"]
    (target,) = result["targets"]
    assert target["front"]
    expected = [
        (result["run_id"] + ending, "cifar10", method, architecture, number, value, cost)
        for method, ending, found in (("lapt-gp", "", target), ("random", "-random", target["controls"][0]))
        for architecture, value, cost, number in found["front"]
    ]
    assert [tuple(row.values())[:7] for row in rows] == expected
    assert {tuple(row.values())[7:] for row in rows} == {("accuracy", "%", True, "parameters")}
    named = "SELECT f.cost, e.parameters FROM front f JOIN evaluations e USING (run_id, task, ordinal)"
    joined = json.loads(typed("sql", named, "--json", *store).stdout)["rows"]
    assert len(joined) == len(rows)
    assert all(row["cost"] == row["parameters"] for row in joined)
    assert [target["costs"][number - 1] for *_, number in target["front"]] == [cost for *_, cost, _ in target["front"]]
    page = tmp_path / "page.html"
    assert typed("report", result["run_id"], "--out", str(page), *store).returncode == 0
    assert "cifar10: accuracy (%) against parameters; lapt-gp has" in page.read_text()
    middle = target["front"][len(target["front"]) // 2]
    words = ["export", result["run_id"], "--pick", f"parameters<={middle[2]}", "--out", str(tmp_path / "net.py")]
    exported = typed(*words, *store)
    assert exported.returncode == 0, exported.stderr
    assert f"picked evaluation {middle[3]} with accuracy" in exported.stderr
    assert "not trained: run" in exported.stderr
    source = (tmp_path / "net.py").read_text()
    assert middle[0] in source
    assert "\nNot trained. Run" in source
    nothing = typed("export", result["run_id"], "--pick", "parameters<5", *store)
    assert nothing.returncode == 2
    assert f"the nearest is evaluation {target['front'][0][3]} with" in nothing.stderr


def test_a_trained_architecture_of_the_front_is_exported_though_its_source_is_a_library(tmp_path: Path) -> None:
    pipeline = tmp_path / "tiny.yaml"
    pipeline.write_text(
        "name: tiny\nspace: nas201\nsource: {library: shipped}\ntargets: [classification]\n"
        "evaluator: {kind: training, data: digits, channels: 2, recipe: {epochs: 1, batch_size: 256}}\n"
        "adaptation: {iterations: 1, top_r: 2}\nobjectives: [accuracy, parameters]\n"
        "search: {method: gp, population_size: 2, generations: 1, ask_size: 2}\n"
    )
    store = ["--store", str(tmp_path / "store")]
    done = typed("run", str(pipeline), "--processes", "1", "--json", *store)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    cheapest = result["targets"][0]["front"][0]
    words = ["export", result["run_id"], "--pick", f"parameters<={cheapest[2]}", "--out", str(tmp_path / "net.py")]
    exported = typed(*words, *store)
    assert exported.returncode == 0, exported.stderr
    assert f"picked evaluation {cheapest[3]} with" in exported.stderr
    found = cheapest[0] == result["targets"][0]["architecture"]  # alone had a final training
    assert ("Not trained" in (tmp_path / "net.py").read_text()) != found
    assert ("--train trains it" in exported.stderr) != found
    trained = typed(*words, "--train", *store)
    assert trained.returncode == 0, trained.stderr
    assert "Not trained" not in (tmp_path / "net.py").read_text()
    assert (tmp_path / "net.pt").is_file()
    refused = typed(*words, "--network", "classes=3", *store)
    assert "a run that trains its networks" in refused.stderr
