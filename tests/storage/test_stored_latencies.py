"""Measured latencies: scores of their own, measured once for a key, and bounds on them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from flows.build import build
from lapt.errors import ConfigError, Notice
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.latency import KnownLatency, LatencyEvaluator
from lapt.evaluators.training import TrainingEvaluator
from lapt.latency.timing import Protocol
from lapt.pipeline.config import Execution, Pipeline
from lapt.spaces import BUILTIN
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store

NAS201 = BUILTIN["nas201"]
SPEC = TrainingSpec(space=NAS201, task="classification", data="digits", channels=4)
QUICK = Protocol(warm_up=1, repeats=5)


def cells(n: int) -> list[object]:
    rng = np.random.default_rng(5)
    return [NAS201.sample(rng) for _ in range(n)]


def stored(store: Store, protocol: Protocol = QUICK, spec: TrainingSpec = SPEC) -> StoredEvaluator:
    return StoredEvaluator(LatencyEvaluator(spec, protocol), store, spec.space, seed=0)


def test_a_latency_is_measured_once_for_its_key(tmp_path: Path) -> None:
    store, asked = Store(tmp_path), cells(3)
    first = stored(store).evaluate(asked)  # type: ignore[arg-type]
    again = stored(store).evaluate(asked)  # type: ignore[arg-type]
    assert [one.origin for one in first] == ["computed"] * 3
    assert [one.origin for one in again] == ["store"] * 3
    assert [one.measures for one in first] == [one.measures for one in again]
    (row, *_) = store.read("scores").to_pylist()
    assert (row["task"], row["metric"], row["unit"], row["higher_is_better"]) == ("latency", "latency_ms", "ms", False)
    assert row["device"].endswith(", batch 1, 1 thread")
    assert ": torch 2." in row["device"]
    measures = json.loads(row["measures"])
    assert measures["q25"] <= measures["median"] <= measures["q75"]
    assert row["value"] == measures["median"] > 0
    assert measures["ratio"] > 0


@pytest.mark.parametrize(
    ("protocol", "change"),
    [
        (Protocol(warm_up=1, repeats=5, batch=2), {}),
        (Protocol(warm_up=1, repeats=5, threads=2), {}),
        (Protocol(warm_up=1, repeats=5, runtime="onnxruntime"), {}),
        (QUICK, {"channels": 8}),
        (QUICK, {"task": "jigsaw"}),
    ],
)
def test_what_changes_a_latency_changes_its_key(protocol: Protocol, change: dict[str, object]) -> None:
    other = LatencyEvaluator(SPEC.model_copy(update=change), protocol)
    assert other.fingerprint != LatencyEvaluator(SPEC, QUICK).fingerprint


def test_what_does_not_change_it_does_not() -> None:
    other = SPEC.model_copy(update={"validation_share": 0.4, "recipe": SPEC.recipe.model_copy(update={"epochs": 9})})
    assert LatencyEvaluator(other, QUICK).fingerprint == LatencyEvaluator(SPEC, QUICK).fingerprint


@pytest.mark.integration
def test_onnx_runtime_measures_the_exported_network(tmp_path: Path) -> None:
    protocol = Protocol(warm_up=1, repeats=5, runtime="onnxruntime")
    (found,) = stored(Store(tmp_path), protocol).evaluate(cells(1))  # type: ignore[arg-type]
    assert found.error is None
    assert found.value is not None
    assert found.value > 0


@pytest.mark.integration
def test_milliseconds_are_ratios_to_the_first_reference(tmp_path: Path) -> None:
    known = KnownLatency(stored(Store(tmp_path)), NAS201, 12)
    asked = cells(4)
    found = stored(Store(tmp_path)).evaluate(asked)  # type: ignore[arg-type]
    first = known.additive  # measures the networks it is fitted to
    assert first.measured == 12
    reference = known._first[0].measures["reference_ms"]
    expected = [reference * one.measures["ratio"] for one in found]
    assert known.measured(asked).tolist() == pytest.approx(expected)  # type: ignore[arg-type]
    assert (known.predicted(asked) > 0).all()  # type: ignore[arg-type]
    assert "predicted from 12 measured networks, off by" in known.words()
    assert Store(tmp_path).read("scores").num_rows <= 16


def test_a_column_of_a_latency_that_is_measured_is_refused() -> None:
    known = KnownLatency(LatencyEvaluator(SPEC, QUICK), NAS201, 12)
    evaluator = TrainingEvaluator(SPEC, latency=known.quantity)
    with pytest.raises(ConfigError, match="no column of latency_ms"):
        evaluator.quantity("latency_ms", "raspi4")
    with pytest.raises(ConfigError, match=r"\['parameters', 'multiply_adds', 'latency_ms'\]; got 'energy'"):
        evaluator.quantity("energy")


# --- in a pipeline ----------------------------------------------------------------------------------------------------
def pipeline(**more: object) -> Pipeline:
    return Pipeline.model_validate(
        {
            "name": "fits",
            "space": "nas201",
            "evaluator": {
                "kind": "training", "data": "digits", "channels": 4, "training_images": 200,
                "recipe": {"epochs": 1, "batch_size": 50},
            },
            "source": {"task": "rotation", "archive": {"strategy": "random", "samples": 4, "size": 2}},
            "targets": ["classification"],
            "reasoner": {"kind": "frequency"},
            "adaptation": {"iterations": 1, "top_r": 2},
            "search": {"method": "rea", "population_size": 2, "generations": 1, "tournament_size": 2},
            "latency": {"warm_up": 1, "repeats": 20, "fit": 12},
            **more,
        }
    )  # fmt: skip


@pytest.mark.integration
def test_what_a_search_asks_for_was_measured_and_fits(tmp_path: Path) -> None:
    execution = Execution(store=str(tmp_path), processes=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        loose = build(pipeline(constraints={"latency_ms": {"max": 1000}}), execution)
    fits = loose.evaluator("classification").quantity("latency_ms")  # type: ignore[attr-defined]
    cap = float(np.quantile(fits.of(cells(40)), 0.3))
    with pytest.warns(Notice, match="latency_ms at most .*; latency_ms is predicted from 12 measured networks, off by"):
        built = build(pipeline(constraints={"latency_ms": {"max": cap}}), execution)
    assert built.run_id != loose.run_id
    evaluator = built.evaluator("classification")
    searcher = built.steps.searcher(built.space, evaluator, 1)
    asked = searcher.ask(6)
    rows = Store(tmp_path).read("scores").num_rows
    assert (fits.exact(asked) <= cap).all()
    assert Store(tmp_path).read("scores").num_rows == rows  # all of them had been measured
    assert built.steps.quantities(evaluator, None) == {}


def test_workers_do_not_measure_latencies(tmp_path: Path) -> None:
    execution = Execution(store=str(tmp_path), dispatch="deployment")
    with pytest.raises(ConfigError, match="dispatch: inline, where latency_ms is measured"):
        build(pipeline(constraints={"latency_ms": {"max": 1000}}), execution)


@pytest.mark.integration
def test_a_latency_that_no_network_has_names_the_fastest(tmp_path: Path) -> None:
    execution = Execution(store=str(tmp_path), processes=1)
    with pytest.raises(ConfigError, match=r"latency_ms at most 1e-05; got none; the nearest is .* with latency_ms 0"):
        build(pipeline(constraints={"latency_ms": {"max": 0.00001}}), execution)
