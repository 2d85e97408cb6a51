"""A pipeline whose networks are really trained, from YAML to the test score, in real processes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import shared_server

from storage.sql.query import query
from storage.store import Store

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.integration

LAPT = Path(sys.executable).with_name("lapt")
PIPELINE = """
name: tiny
space: nas201
evaluator:
  kind: training
  data: digits
  channels: 4
  cells: 1
  score: metric
  recipe: {epochs: 1, batch_size: 64, recalibrate_batch_norm: true}
  final_epochs: 6
source: {task: jigsaw, archive: {strategy: random, samples: 4, size: 2}}
targets: [classification]
adaptation: {iterations: 1, top_r: 3}
search: {method: rea, population_size: 2, generations: 1, tournament_size: 2}
"""


def run(pipeline: Path, store: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(LAPT), "run", str(pipeline), "--json", "--processes", "1", "--store", str(store), *more],
        capture_output=True, text=True, env=shared_server.environment(), timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_trial_trains_with_two_seeds_and_is_stored(tmp_path: Path) -> None:
    pipeline = tmp_path / "tiny.yaml"
    pipeline.write_text(PIPELINE)
    first = run(pipeline, tmp_path / "store", "--trial", "4")
    (trial,) = first["trials"]
    assert (trial["task"], trial["unit"], trial["budget"]) == ("classification", "%", 4)
    assert (trial["noise"]["architectures"], trial["failed"]) == (4, [])
    assert trial["noise"]["error"] > 0  # two seeds are two trainings
    assert 0 < trial["mean"] < 100
    scores = query(Store(tmp_path / "store"), "SELECT seed, count(*) AS n FROM scores GROUP BY seed ORDER BY seed")
    assert scores.to_pylist() == [{"seed": 0, "n": 4}, {"seed": 1, "n": 4}]
    assert run(pipeline, tmp_path / "store", "--trial", "4") == first
    after = query(Store(tmp_path / "store"), "SELECT count(*) AS n FROM scores")
    assert after.to_pylist() == [{"n": 8}]


def test_trained_scores_are_stored_once_and_replayed(tmp_path: Path) -> None:
    pipeline = tmp_path / "tiny.yaml"
    pipeline.write_text(PIPELINE)
    first = run(pipeline, tmp_path / "store")
    again = run(pipeline, tmp_path / "store")
    (target,), (replayed,) = first["targets"], again["targets"]
    assert target["paid_now"] == target["evaluations"] == 4
    assert replayed["paid_now"] == 0
    same = ("architecture", "validation", "test", "evaluations", "repeats")
    assert {key: target[key] for key in same} == {key: replayed[key] for key in same}
    assert target["metric"] == "accuracy"
    assert target["test"] > target["validation"]  # six epochs on all images against one on most
    rows = query(Store(tmp_path / "store"), "SELECT task, split, count(*) AS n FROM scores GROUP BY ALL ORDER BY ALL")
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("classification", "test", 1),
        ("classification", "validation", 4),
        ("jigsaw", "validation", 4),
    ]
    exported(tmp_path, first)


def exported(folder: Path, run: dict[str, Any]) -> None:
    """Weights and Python file, without LAPT's own modules, reach the test score that the run reported."""
    import torch

    from lapt.data.sources import load_images

    (target,) = run["targets"]
    for form, name in (("python", "net.py"), ("state-dict", "net.pt")):
        command = [str(LAPT), "export", run["run_id"][:6], "--format", form, "--out", str(folder / name)]
        done = subprocess.run([*command, "--store", run["store"]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    network = module_at(folder / "net.py").load(str(folder / "net.pt"))
    held_out = load_images("digits").test()
    assert held_out is not None
    with torch.inference_mode():
        right = network(held_out.images.float() / 255).argmax(1) == held_out.labels
    assert 100 * right.double().mean().item() == pytest.approx(target["test"], abs=0.3)
    config = torch.load(folder / "net.pt", weights_only=True)["config"]
    assert config["test"] == target["test"]
    assert config["training"]["channels"] == 4


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("net", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
