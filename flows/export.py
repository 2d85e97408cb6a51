"""The networks that a finished run found: export as weights, ONNX or Python, and which of them to train."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from flows.build import checksum_of, run_id
from flows.evaluators import evaluators_of, space_of
from flows.sources import read_from
from lapt.errors import ConfigError, or_meant
from lapt.evaluators.config import SupernetEvaluation, TrainingEvaluation
from lapt.pipeline.config import Execution, Pipeline, overridden
from lapt.pipeline.picking import described, limits_of, picked
from lapt.pipeline.results import TargetResult
from lapt.spaces import Architecture
from storage.files import LocalFiles
from storage.runs.evaluator import StoredEvaluator
from storage.runs.record import finished_run
from storage.store import Store


def to_train(
    store: Store, run: str, target: str | None, overrides: Sequence[str]
) -> tuple[Pipeline, tuple[TargetResult, ...]]:
    """A finished run's pipeline with overrides, and its targets that have an architecture. ``target``: that one alone.

    Raises LaptError: no such run or target, a run that trains nothing in the end.
    """
    declared, result = finished_run(store, run)
    pipeline = overridden(declared, overrides)
    if not pipeline.evaluator.trains or getattr(pipeline.evaluator, "final", pipeline) is None:
        raise ConfigError(
            "a run that trains what it found",
            f"{result.run_id}, with evaluator {pipeline.evaluator.kind} and no final recipe",
            "say it, as --set evaluator.final.recipe.epochs=100, or name another run",
        )
    found = tuple(one for one in result.targets if one.architecture and target in (None, one.task))
    if not found:
        raise ConfigError(
            f"--target among {[one.task for one in result.targets if one.architecture]}",
            f"{target}",
            "name one of them",
        )
    return pipeline, found


Format = Literal["state-dict", "onnx", "python"]
SUFFIX: dict[Format, str] = {"state-dict": ".pt", "onnx": ".onnx", "python": ".py"}


def export(
    store: Store,
    run: str,
    target: str | None,
    format: Format,
    out: Path | None,
    stage: Callable[[str], None],
    *,
    pick: str | None = None,
    network: str | None = None,
) -> Path:
    """Write the network found for ``target`` (None: the run's only one) and return the file's path.

    ``run``: a run id, or the start of one. ``stage``: called with what is to be known, and before slow steps. ``pick``:
    limits for the front of two objectives, as of ``lapt.pipeline.picking``. ``network``: changes of an untrained
    network's size. Raises LaptError: an unknown run or target, nothing on the front that meets the limits, a network
    that could not be trained.
    """
    limits = None if pick is None else limits_of(pick)
    pipeline, result = finished_run(store, run)
    found = _target(result.targets, target)
    named = re.sub(r"[^\w.-]+", "-", found.task)
    path = out or Path(f"{pipeline.name}-{named}{SUFFIX[format]}")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"a folder at {path.absolute().parent}", "none", "make it, or name another file with --out")
    if found.architecture is None:
        raise ConfigError(f"an architecture found for {found.task}", "none: every evaluation failed", "export another")
    told: dict[str, Any] = {"run": result.run_id, "metric": found.metric}
    if limits is None:
        text = found.architecture
        told |= {"validation": found.validation, "test": found.test}
    else:
        point = picked(found, pipeline, limits)
        stage(f"picked {described(point, found, pipeline)}")
        text = point.architecture
        told |= {"validation": point.validation, "test": None, pipeline.objectives[1]: point.cost}
    if isinstance(pipeline.evaluator, TrainingEvaluation | SupernetEvaluation):
        if network is not None:
            raise ConfigError(
                "no --network, for a run that trains its networks", network, "leave it out: the run has their size"
            )
        content = _trained(store, pipeline, result.run_id, found.task, text, told, format, stage)
    else:
        content = _untrained(pipeline, result.run_id, found.task, text, format, network, stage)
    LocalFiles(path.absolute().parent).write(path.name, content)
    return path


def _untrained(
    pipeline: Pipeline,
    run: str,
    task: str,
    text: str,
    format: Format,
    changes: str | None,
    stage: Callable[[str], None],
) -> bytes:
    """The content of the file for a run that trains nothing. ``text``: the encoded architecture."""
    if format == "state-dict":
        raise ConfigError(
            "a run that trains its networks, for state-dict",
            f"run {run}, whose scores come from a {pipeline.evaluator.kind}",
            "export another, or the untrained network with --format python or onnx",
        )
    from lapt.export.untrained import Untrained

    space = space_of(pipeline)
    size = Untrained.of(space, task, changes)
    source = f"Run {run} scored it by a {pipeline.evaluator.kind}, and trained nothing"
    content = size.content(space, space.decode(text), format, f"Not trained. {source}. The network: {size.described}.")
    stage(f"not trained: {source[0].lower()}{source[1:]}; written for {size.described} (--network changes this)")
    return content


def _trained(
    store: Store,
    pipeline: Pipeline,
    run: str,
    task: str,
    text: str,
    told: dict[str, Any],
    format: Format,
    stage: Callable[[str], None],
) -> bytes:
    """The content of the file for a run that trains. ``text``: the encoded architecture."""
    config = pipeline.evaluator
    assert isinstance(config, TrainingEvaluation | SupernetEvaluation)
    space, execution = space_of(pipeline), Execution(store=store.address)
    checksum, evaluator_of = evaluators_of(pipeline, execution, space, store)
    checksums, _ = read_from(pipeline, execution, space, evaluator_of)
    now = run_id(pipeline, checksum_of(checksum, checksums))
    if now != run:
        raise ConfigError(
            f"the images, the sources and the version of LAPT that run {run} was made with",
            f"others: with them the same pipeline is run {now}",
            "restore them, or run the pipeline again and export that run",
        )
    stored = evaluator_of(task)
    assert isinstance(stored, StoredEvaluator)
    return _content(stored, config, space.canonical(space.decode(text)), told, format, stage)


def _content(
    stored: StoredEvaluator,
    config: TrainingEvaluation | SupernetEvaluation,
    architecture: Architecture,
    told: dict[str, Any],
    format: Format,
    stage: Callable[[str], None],
) -> bytes:
    """The content of the file. ``architecture``: canonical, as it was trained. ``told``: facts about the run."""
    from lapt.evaluators.images import task_of
    from lapt.evaluators.supernet import SupernetEvaluator
    from lapt.evaluators.training import TrainingEvaluator, network_of
    from lapt.export import onnx_model, python_source
    from lapt.export.weights import with_config

    evaluator = stored.evaluator
    if isinstance(evaluator, SupernetEvaluator):
        evaluator = evaluator.final_evaluator
    assert isinstance(evaluator, TrainingEvaluator)
    spec = evaluator.spec
    builder = spec.space.family.builder
    if format == "python":
        if builder is not None:
            raise ConfigError(
                "--format state-dict or onnx, of networks that are not LAPT's own",
                f"python, of one that {builder} builds",
                "choose one of them: the source is that builder's",
            )
        return python_source(spec.space, architecture, task_of(spec), **spec.size_of_network).encode()
    stage("reading the trained network; one that is not in the store is trained now")
    weights = stored.weights(architecture)
    if format == "state-dict":
        declared = {"space": spec.space.name, "task": spec.task, **config.model_dump(mode="json")}
        if builder is not None:
            declared["builder"] = builder
        return with_config(weights, {**told, "architecture": spec.space.encode(architecture), "training": declared})
    network = network_of(spec, architecture, weights)
    stage("writing ONNX and checking it against torch")
    return onnx_model(network, task_of(spec).shape)


def _target(targets: tuple[TargetResult, ...], wanted: str | None) -> TargetResult:
    names = [target.task for target in targets]
    if wanted is None and len(targets) == 1:
        return targets[0]
    if wanted not in names:
        raise ConfigError(f"--target among {names}", wanted or "none", or_meant(wanted, names, "name one of them"))
    return targets[names.index(wanted)]
