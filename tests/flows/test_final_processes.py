"""The option --final-processes, on its way to the processes that train."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.evaluators import dispatched_to, evaluators_of, space_of
from lapt.errors import ConfigError
from lapt.evaluators.supernet import SupernetEvaluator
from lapt.evaluators.training import TrainingEvaluator
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store


def digits(tmp_path: Path, *overrides: str) -> Pipeline:
    """The preset digits, or the same images in another declaration."""
    if not overrides:
        return load_pipeline("digits")
    declared = tmp_path / "declared.yaml"
    declared.write_text("\n".join(["name: declared", "space: nas201", *overrides]))
    return load_pipeline(str(declared))


SUPERNET = (
    "evaluator: {kind: supernet, data: digits, channels: 2, recipe: {epochs: 1}, final: {channels: 2}}",
    "source: {task: jigsaw, archive: {strategy: random, samples: 4, size: 2}}",
    "targets: [classification]",
)


@pytest.mark.parametrize("overrides", [(), SUPERNET])
def test_final_trainings_know_the_number_and_keep_their_fingerprint(overrides: tuple[str, ...], tmp_path: Path) -> None:
    pipeline, finals = digits(tmp_path, *overrides), []
    for number in (1, 2):
        execution = Execution(store=str(tmp_path), processes=1, device="cpu", final_processes=number)
        _, evaluator_of = evaluators_of(pipeline, execution, space_of(pipeline), Store(execution.store))
        stored = evaluator_of("classification")
        assert isinstance(stored, StoredEvaluator)
        inner = stored.evaluator
        finals.append(inner.final_evaluator if isinstance(inner, SupernetEvaluator) else inner)
        assert isinstance(finals[-1], TrainingEvaluator)
        assert finals[-1].spec.final_processes == number
    assert finals[0].final_fingerprint == finals[1].final_fingerprint


def test_workers_of_a_pool_have_one_device_each(tmp_path: Path) -> None:
    execution = Execution(store=str(tmp_path), dispatch="deployment", final_processes=2)
    with pytest.raises(ConfigError, match=r"final_processes: 1 with a pool.*got 2; leave the pool gpu out"):
        dispatched_to(load_pipeline("digits"), execution, lambda task: pytest.fail(task))


def test_a_number_that_does_not_suit_the_batches_is_refused_before_the_run(tmp_path: Path) -> None:
    command = ["run", "digits", "--final-processes", "99", "--device", "cpu", "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, ConfigError)
    assert "batches of 198 images or more" in str(done.exception)
    assert not (tmp_path / "store").exists()
