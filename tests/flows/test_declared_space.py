"""A space and a table that two files declare, through the ``lapt`` command: every reasoner, and holes in the table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shared_server
from openai_server import serving

from flows.build import run_id
from flows.evaluators import evaluators_of, space_of, table_of
from flows.workers.batch import Batch
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, load_pipeline
from storage.benchmarks.tables import import_benchmark
from storage.store import Store

SPACE = """\
name: backbone
encoding: "{stem}{block}{exit}"
layers:
  - {name: stem, operators: [conv3, conv5, patch]}
  - {name: block, operators: [residual, inverted, dense]}
  - {name: exit, operators: [none, attention]}
codes: {conv3: "0", conv5: "1", patch: "2", residual: "0", inverted: "1", dense: "2", none: "0", attention: "1"}
meanings: {patch: "4x4 patches, embedded"}
"""
TABLE = """\
name: backbones
space: backbone.yaml
architecture: network
tasks:
  pets: {validation: pets, metric: accuracy, unit: "%"}
  flowers: {validation: flowers, metric: loss, higher_is_better: false}
"""
PIPELINE = """\
name: pets-to-flowers
space: backbone.yaml
evaluator: {kind: table, table: backbones}
source: {task: pets, archive: {strategy: top, size: 4}}
targets: [flowers]
search: {method: rea, population_size: 2, generations: 1, tournament_size: 2}
"""
TEXTS = [f"{stem}{block}{last}" for stem in "012" for block in "012" for last in "01"]


def scored(texts: list[str]) -> str:
    rows = [f"{text},{70 + sum(map(int, text))},{1 / (1 + int(text, 3))}" for text in texts]
    return "\n".join(["network,pets,flowers", *rows])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the current folder: a space of 18 architectures, its table, a pipeline."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("backbone.yaml", SPACE), ("table.yaml", TABLE), ("pipeline.yaml", PIPELINE)):
        Path(name).write_text(text)
    Path("scores.csv").write_text(scored(TEXTS))
    return tmp_path


def lapt(folder: Path, *arguments: str, **environment: str) -> str:
    clean = shared_server.environment(arguments[0])
    clean |= {"LAPT_DATA": str(folder / "data"), "LAPT_STORE": str(folder / "store"), **environment}
    command = [str(Path(sys.executable).with_name("lapt")), *arguments]
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.integration
def test_a_declared_space_is_imported_searched_and_explained(files: Path) -> None:
    assert "space backbone, 18 rows" in lapt(
        files, "benchmark", "import", "table", "scores.csv", "--declare", "table.yaml"
    )
    for reasoner, method in (("patterns", "rea"), ("frequency", "gp")):
        run = lapt(files, "run", "pipeline.yaml", "--reasoner", reasoner, "--set", f"search.method={method}", "--json")
        (target,) = json.loads(run)["targets"]
        assert target["architecture"] in TEXTS
        assert target["validation"] <= 1 / (1 + 12)  # the better half
        first = json.loads(lapt(files, "principles", "list", "--json"))[0]
        assert "at random" in lapt(files, "principles", "show", first["principles_id"])
    study: dict[str, Any] = json.loads(
        lapt(files, "study", "nas201", "--pipeline", "pipeline.yaml", "--seeds", "2", "--processes", "1", "--json")
    )
    assert {row["method"] for row in study["rows"]} >= {"lapt-rea", "rea", "source_predictor", "random_subspace"}


@pytest.mark.integration
def test_a_language_model_reads_a_declared_space(files: Path) -> None:
    import_benchmark("table", "scores.csv", declare="table.yaml", data=files / "data")
    with serving() as server:
        model = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "none"}
        # The server keeps every operator everywhere, also where a layer lacks it: counting stands in for that.
        limits = ["--set", "reasoner.on_invalid=frequency", "--reasoner", "chat:openai:gpt-4o-mini"]
        run = lapt(files, "run", "pipeline.yaml", *limits, "--json", **model)
        assert json.loads(run)["targets"][0]["architecture"] in TEXTS
        asked = str(server.requests[0].body)
        assert "4x4 patches, embedded" in asked
        assert "LAYERS = {" in asked


def test_a_table_with_holes_is_refused_or_fails_where_it_lacks_something(files: Path) -> None:
    Path("scores.csv").write_text(scored(TEXTS[2:]))
    pipeline, data = load_pipeline("pipeline.yaml"), str(files / "data")
    import_benchmark("table", "scores.csv", declare="table.yaml", data=data)
    with pytest.raises(ConfigError, match=r"all 18 architectures of backbone.*with 16.*missing: fail"):
        table_of(pipeline, data)
    Path("table.yaml").write_text(TABLE + "missing: fail\n")
    import_benchmark("table", "scores.csv", declare="table.yaml", data=data)
    space = space_of(pipeline)
    _, evaluators = evaluators_of(pipeline, Execution(store=str(files / "store"), data=data), space, Store("store"))
    lacking, there = evaluators("flowers").evaluate([space.decode(text) for text in ("000", "010")])
    assert (lacking.failed, lacking.error) == (True, "table backbones lacks it")
    assert there.value == 1 / 4


def test_a_table_of_another_declaration_is_refused(files: Path) -> None:
    import_benchmark("table", "scores.csv", declare="table.yaml", data=files / "data")
    Path("backbone.yaml").write_text(SPACE.replace('dense: "2"', 'dense: "3"'))
    with pytest.raises(ConfigError, match="another, which has no 020; import the table again"):
        table_of(load_pipeline("pipeline.yaml"), str(files / "data"))


def test_workers_and_run_ids_hang_on_what_the_file_said(files: Path) -> None:
    pipeline = load_pipeline("pipeline.yaml")
    batch = Batch(pipeline=pipeline, task="flowers", spaces=(space_of(pipeline),)).model_dump_json()
    Path("backbone.yaml").write_text(SPACE.replace("4x4", "8x8"))
    assert run_id(load_pipeline("pipeline.yaml"), "data") != run_id(pipeline, "data")
    Path("backbone.yaml").unlink()
    there = Batch.model_validate_json(batch)
    assert run_id(there.pipeline, "data") == run_id(pipeline, "data")
    assert space_of(there.pipeline) == there.spaces[0]
