"""A declared space whose declaration names who builds its networks: trained, exported, and what may be wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shared_server
import torch
import yaml
from macro_builders import build

from flows.batches import evaluator_of
from flows.evaluators import evaluators_of, space_of, table_of
from flows.workers.batch import Batch
from lapt.errors import ConfigError
from lapt.networks.declared import DeclaredNetworks, builder, digest_of
from lapt.networks.family import BuilderError, NetworkSize
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.spaces import Architecture, DeclaredSpace
from storage.runs.evaluator import StoredEvaluator
from storage.sql.query import query
from storage.store import Store

SPACE: dict[str, Any] = {
    "name": "macro",
    "encoding": "{a}{b}{c}{d}",
    "layers": [{"name": name, "operators": ["conv3", "conv1", "skip"]} for name in "abcd"],
    "codes": {"conv3": "3", "conv1": "1", "skip": "-"},
    "network": "macro_builders:build",
}
PIPELINE: dict[str, Any] = {
    "name": "macro",
    "space": "macro.yaml",
    "evaluator": {
        "kind": "training", "data": "digits", "channels": 4, "training_images": 300,
        "recipe": {"epochs": 2, "batch_size": 50},
    },
    "source": {"task": "rotation", "archive": {"strategy": "random", "samples": 4, "size": 2}},
    "targets": ["classification"],
    "reasoner": {"kind": "frequency"},
    "adaptation": {"iterations": 1, "top_r": 2},
    "search": {"method": "rea", "population_size": 2, "generations": 1, "tournament_size": 2},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with the space and a pipeline."""
    monkeypatch.chdir(tmp_path)
    Path("macro.yaml").write_text(yaml.safe_dump(SPACE))
    Path("pipeline.yaml").write_text(yaml.safe_dump(PIPELINE))
    return tmp_path


def lapt(*arguments: str) -> subprocess.CompletedProcess[str]:
    clean = shared_server.environment(arguments[0])
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [str(Path(sys.executable).with_name("lapt")), *arguments, "--store", "store"]
    return subprocess.run(
        command, env=clean | {"PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


@pytest.mark.integration
def test_its_networks_are_trained_tested_and_exported(folder: Path) -> None:
    done = lapt("run", "pipeline.yaml", "--processes", "1", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    (target,) = run["targets"]
    assert target["paid_now"] == target["evaluations"] == 4
    assert 0 <= target["test"] <= 100
    rows = query(
        Store("store"), "SELECT identity, task, parameters, flops, live_parameters FROM raw.scores"
    ).to_pylist()
    assert len(rows) == 9  # four of the source, four of the target, a test
    for row in rows:
        convolutions = [{"3": 9 * 16, "1": 16, "-": 0}[code] for code in row["identity"]]
        biases = 4 * sum(code != "-" for code in row["identity"])
        outputs = 10 if row["task"] == "classification" else 4
        assert row["parameters"] == row["live_parameters"] == 40 + sum(convolutions) + biases + 5 * outputs
        if row["task"] == "classification":
            assert row["flops"] == 64 * (36 + sum(convolutions[:2])) + 16 * sum(convolutions[2:]) + 4 * outputs

    exported = lapt("export", run["run_id"], "--format", "state-dict", "--out", "net.pt")
    assert exported.returncode == 0, exported.stderr
    found = torch.load("net.pt", weights_only=True)
    assert found["config"]["training"]["builder"] == "macro_builders:build"
    space = space_of(load_pipeline("pipeline.yaml"))
    body = build(space.decode(found["config"]["architecture"]), channels=4, cells=1, image_channels=1)
    named = {name.removeprefix("backbone.body."): tensor for name, tensor in found["state_dict"].items()}
    body.load_state_dict({name: named[name] for name in body.state_dict()})
    refused = lapt("export", run["run_id"], "--format", "python")
    assert refused.returncode == 2
    assert "state-dict or onnx" in refused.stderr
    onnx = lapt("export", run["run_id"], "--format", "onnx", "--out", "net.onnx")
    assert onnx.returncode == 0, onnx.stderr


def named(network: str | None, **changed: Any) -> tuple[Pipeline, StoredEvaluator]:
    """The pipeline with that builder, and the evaluator of its target."""
    Path("macro.yaml").write_text(yaml.safe_dump({**SPACE, **({"network": network} if network else {})}))
    pipeline = load_pipeline(
        "pipeline.yaml", [f"evaluator.{key}={json.dumps(value)}" for key, value in changed.items()]
    )
    store = Store("store")
    _, evaluator_of = evaluators_of(pipeline, Execution(store="store", processes=1), space_of(pipeline), store)
    found = evaluator_of("classification")
    assert isinstance(found, StoredEvaluator)
    return pipeline, found


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("nowhere_at_all:build", "the builder nowhere_at_all:build of.*; got ModuleNotFoundError.*PYTHONPATH"),
        ("macro_builders:missing", "got AttributeError: .*missing"),
        ("macro_builders:not_callable", "a function macro_builders:not_callable that builds.*; got int"),
        ("macro_builders:of_other_arguments", r"\(architecture, channels=.* to build 3333; got TypeError"),
        ("macro_builders:no_module", "as a torch.nn.Module; got Architecture"),
        ("macro_builders:without_padding", r"features \[2, any number, 8 / r.*got of shape \[2, 4, 6, 6\].*pad"),
        ("macro_builders:classifier", r"got of shape \[2, 10\]; return what stands before pooling"),
        ("macro_builders:of_three_channels", r"takes images \[2, 1, 8, 8\]; got RuntimeError"),
        ("macro_builders:two_outputs", "got a tuple"),
        ("macro_builders", "network: string should match pattern"),
    ],
)  # fmt: skip
def test_a_wrong_builder_is_one_line_before_anything_is_trained(folder: Path, network: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        named(network)
    assert "\n" not in str(raised.value)


def test_a_worker_gets_the_builders_name_and_builds_the_same(folder: Path) -> None:
    pipeline, evaluator = named("macro_builders:build")
    batch = Batch(pipeline=pipeline, task="classification").model_dump_json()
    Path("macro.yaml").unlink()
    there = evaluator_of(Batch.model_validate_json(batch), Store("store"))
    assert there.fingerprint == evaluator.fingerprint
    assert batch.count("macro_builders") == 1


@pytest.mark.parametrize("listed", [None, "", "other:*", "macro_builders:missing"])
def test_a_worker_imports_no_builder_that_its_operator_does_not_list(
    folder: Path, monkeypatch: pytest.MonkeyPatch, listed: str | None
) -> None:
    """Not even to look at it: to import a module is to run it."""
    (folder / "trap.py").write_text("from pathlib import Path\nPath('sprung').touch()\nbuild = None\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "5f0c")
    if listed is not None:
        monkeypatch.setenv("LAPT_ALLOW_BUILDERS", listed)
    for use in (digest_of, builder):
        with pytest.raises(ConfigError, match=r"operator allows; got trap:build; .*LAPT_ALLOW_BUILDERS=trap:build"):
            use(DeclaredSpace.model_validate(SPACE | {"network": "trap:build"}))
    assert not Path("sprung").exists()
    monkeypatch.setenv("LAPT_ALLOW_BUILDERS", f"{listed or ''}, macro_builders:*")
    assert callable(builder(DeclaredSpace.model_validate(SPACE)))


def test_what_a_space_without_shared_weights_cannot_do_is_said(folder: Path) -> None:
    with pytest.raises(ConfigError, match="table or training for macro; got supernet"):
        named(None, kind="supernet")
    Path("macro.yaml").write_text(yaml.safe_dump({key: SPACE[key] for key in SPACE if key != "network"}))
    pipeline = load_pipeline("pipeline.yaml")
    with pytest.raises(ConfigError, match="or a builder of its networks; got training, and no builder"):
        evaluators_of(pipeline, Execution(store="store"), space_of(pipeline), Store("store"))


def test_one_network_that_cannot_be_built_is_a_failed_evaluation(folder: Path) -> None:
    """Those that are tried before, with each operator, can."""
    pipeline, evaluator = named("macro_builders:not_of_convolutions_alone")
    space = space_of(pipeline)
    failed, there = evaluator.evaluate([space.decode("3113"), space.decode("311-")])
    assert failed.error is not None
    assert "to build 3113; got ValueError: too many convolutions" in failed.error
    assert not there.failed


def test_scores_belong_to_the_text_of_the_builder_and_of_the_declaration(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(folder))
    source = Path(__file__).with_name("macro_builders.py").read_text()

    def digest(text: str, **changed: Any) -> str:
        Path("mine.py").write_text(text)
        sys.modules.pop("mine", None)
        return digest_of(DeclaredSpace.model_validate(SPACE | {"network": "mine:build"} | changed))

    before = digest(source)
    assert digest(source, meanings={"skip": "nothing"}) == before
    assert digest(source.replace("MaxPool2d(2)", "AvgPool2d(2) ")) != before
    assert digest(source, codes={"conv3": "1", "conv1": "3", "skip": "-"}) != before
    sys.modules.pop("mine", None)


@pytest.mark.integration
def test_a_benchmark_of_a_declared_space_is_built_and_searched(folder: Path) -> None:
    Path("macro.yaml").write_text(yaml.safe_dump(SPACE | {"encoding": "{a}{b}", "layers": SPACE["layers"][:2]}))
    plan = {
        "name": "macros", "space": "macro.yaml", "tasks": ["classification", "rotation"],
        "seeds": 2, "best": 0, "sample": 8,
        "evaluator": {**PIPELINE["evaluator"], "training_images": 100, "recipe": {"epochs": 1, "batch_size": 50}},
    }  # fmt: skip
    Path("plan.yaml").write_text(yaml.safe_dump(plan))
    built = lapt("benchmark", "build", "plan.yaml", "--processes", "1", "--out", "data/macros.parquet")
    assert built.returncode == 0, built.stderr
    assert "All 9 architectures of macro that" in Path("data/macros.md").read_text()
    pipeline = load_pipeline("pipeline.yaml", ["evaluator={kind: table, table: macros}"])
    space = space_of(pipeline)
    table = table_of(pipeline, "data")
    assert {space.decode(text) for text in table.architectures} == set(space.members())


def test_a_declaration_without_a_builder_is_written_as_before() -> None:
    plain = DeclaredSpace.model_validate({key: SPACE[key] for key in SPACE if key != "network"})
    assert "network" not in plain.model_dump(mode="json")
    with pytest.raises(BuilderError, match="a builder of the networks of macro; got none"):
        DeclaredNetworks(plain).counts(Architecture(("skip",) * 4, ("input",) * 4), NetworkSize(4, 1, 1, (8, 8)), None)


def test_building_leaves_random_numbers_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    skips = Architecture(("skip",) * 4, ("input",) * 4)
    declared = DeclaredSpace.model_validate(SPACE)
    counted = DeclaredNetworks(declared).counts(skips, NetworkSize(8, 1, 3, (8, 8)), None)
    assert counted == (8 * 28, 64 * 8 * 27)
    assert torch.equal(torch.rand(3), expected)
