"""The networks of a finished run: which of them to export, with which weights, and which to train."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, cast

from flows.evaluators import evaluators_of, final_spec, space_of
from lapt.errors import ConfigError, LaptError, or_meant
from lapt.evaluators.config import SupernetEvaluation, TrainingEvaluation
from lapt.evaluators.hand_made import HAND_MADE
from lapt.evaluators.images import TrainingSpec, data_of
from lapt.pipeline.config import Execution, Pipeline, overridden
from lapt.pipeline.picking import described, limits_of, picked
from lapt.pipeline.results import Found, RunResult, TargetResult
from lapt.spaces import Architecture
from storage.files import LocalFiles
from storage.runs.evaluator import StoredEvaluator
from storage.runs.finals import Trained, images_of, keep, trained_as, trained_of
from storage.runs.record import finished_run
from storage.store import Store

if TYPE_CHECKING:
    from lapt.data.facts import Images

Format = Literal["state-dict", "onnx", "python"]
SUFFIX: dict[Format, str] = {"state-dict": ".pt", "onnx": ".onnx", "python": ".py"}
Say = Callable[[str], None]
Counting = Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]
"""(work, name of its units) -> context with a function of (done, total)."""


@dataclass(frozen=True)
class Asked:
    """A network of a run, and the files wanted of it.

    ``target``: None for the run's only one. At most one of ``pick`` (limits on the front of two objectives),
    ``control`` (its method) and ``architecture`` (any of the space) is set; without, it is what the search found.
    ``network``: changes of the size of a network that nothing was trained for. ``overrides``: those of the ``lapt
    final`` that trained it; the latest training if unset. ``train``: train it now where the store has no weights.
    """

    target: str | None = None
    format: Format = "python"
    out: Path | None = None
    pick: str | None = None
    control: str | None = None
    architecture: str | None = None
    network: str | None = None
    overrides: Sequence[str] = ()
    train: bool = False
    device: str = "auto"


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


class Written(NamedTuple):
    """The files of an export. ``predicts``: ``lapt predict`` takes it."""

    paths: list[Path]
    predicts: bool


class _Files(NamedTuple):
    """Suffix -> content, and ``predicts`` as of ``Written``."""

    contents: dict[str, bytes]
    predicts: bool = False


def export(store: Store, run: str, asked: Asked, say: Say, counting: Counting) -> Written:
    """Write the files of a network of a run.

    ``run``: a run id, or the start of one. ``say``: called with what is to be known, and before slow steps.
    ``counting``: shows the epochs of a training. Raises LaptError: an unknown run, target, control or architecture,
    nothing on the front that meets the limits, a network that cannot be built or trained.
    """
    pipeline, result = finished_run(store, run)
    found = _target(result.targets, asked.target)
    named = re.sub(r"[^\w.-]+", "-", found.task)
    path = asked.out or Path(f"{pipeline.name}-{named}{SUFFIX[asked.format]}")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"a folder at {path.absolute().parent}", "none", "make it, or name another file with --out")
    text, told = _chosen(asked, pipeline, found, say)
    if asked.control in HAND_MADE:
        pipeline = cast(Pipeline, pipeline.hand_made)
    made = _files(store, pipeline, result, asked, found.task, text, told, say, counting)
    folder, written = LocalFiles(path.absolute().parent), []
    for suffix, content in made.contents.items():
        at = path if suffix == SUFFIX[asked.format] else path.with_suffix(suffix)
        folder.write(at.name, content)
        written.append(at)
    return Written(written, made.predicts)


# --- which architecture ------------------------------------------------------------------------------------------
def _target(targets: tuple[TargetResult, ...], wanted: str | None) -> TargetResult:
    names = [target.task for target in targets]
    if wanted is None and len(targets) == 1:
        return targets[0]
    if wanted not in names:
        raise ConfigError(f"--target among {names}", wanted or "none", or_meant(wanted, names, "name one of them"))
    return targets[names.index(wanted)]


def _chosen(asked: Asked, pipeline: Pipeline, found: TargetResult, say: Say) -> tuple[str, dict[str, Any]]:
    """The encoded architecture to export, and the facts that the run knows of it."""
    told: dict[str, Any] = {"metric": found.metric}
    choices = {"--pick": asked.pick, "--control": asked.control, "--architecture": asked.architecture}
    made = [name for name, value in choices.items() if value is not None]
    if len(made) > 1:
        raise ConfigError("at most one of --pick, --control and --architecture", " and ".join(made), "leave one")
    if asked.pick is not None:
        point = picked(found, pipeline, limits_of(asked.pick))
        say(f"picked {described(point, found, pipeline)}")
        return point.architecture, told | {
            "validation": point.validation,
            "test": None,
            pipeline.objectives[1]: point.cost,
        }
    if asked.architecture is not None:
        space = space_of(pipeline)
        text = space.encode(space.as_member(space.decode(asked.architecture)))
        known: list[Found] = [one for one in (found, *found.controls) if one.architecture == text]
        return text, told | {
            "validation": known[0].validation if known else None,
            "test": known[0].test if known else None,
        }
    one: Found = found
    if asked.control is not None:
        names = [control.method for control in found.controls]
        if asked.control not in names:
            remedy = "name one of them" if names else "the run has none: declare controls, or leave --control out"
            raise ConfigError(f"--control among {names}", asked.control, or_meant(asked.control, names, remedy))
        one = found.controls[names.index(asked.control)]
    if one.architecture is None:
        raise ConfigError(f"an architecture found for {found.task}", "none: every evaluation failed", "export another")
    return one.architecture, told | {"validation": one.validation, "test": one.test}


# --- which weights -----------------------------------------------------------------------------------------------
def _files(
    store: Store,
    pipeline: Pipeline,
    result: RunResult,
    asked: Asked,
    task: str,
    text: str,
    told: dict[str, Any],
    say: Say,
    counting: Counting,
) -> _Files:
    """``text``: the encoded architecture."""
    space = space_of(pipeline)
    architecture = space.canonical(space.decode(text))
    declared = overridden(pipeline, asked.overrides)
    chosen = declared if asked.overrides else None
    trained = _latest(store, pipeline, result, task, space.encode(architecture), chosen, say)
    if trained is None and not isinstance(declared.evaluator, TrainingEvaluation | SupernetEvaluation):
        return _scored_elsewhere(declared, result.run_id, asked, task, text, say)
    if asked.network is not None:
        raise ConfigError(
            "no --network, for a run that trains its networks", asked.network, "leave it out: the run has their size"
        )
    if trained is None:
        trained = _trained_here(store, declared, result.run_id, asked, task, architecture, say, counting)
    from flows.exports.files import Exported

    config = (declared if trained is None else trained.pipeline).evaluator
    assert isinstance(config, TrainingEvaluation | SupernetEvaluation)
    spec = final_spec(config, space, task, "cpu")
    about = {"run": result.run_id, **told} | ({} if trained is None else {"test": trained.test})
    weights = None if trained is None else trained.weights
    noted = images_of(store, pipeline, result, task) if trained is None else trained.images
    images = _images(spec, trained, noted, say)
    exported = Exported(spec, architecture, images, weights, about, config.model_dump(mode="json"))
    if asked.format == "onnx":
        say("writing ONNX and checking it against torch")
    contents = exported.content(asked.format)
    if trained is None:
        final = getattr(config, "final", "") is not None
        how = (
            "--train trains it"
            if final
            else "lapt final RUN --set evaluator.final.recipe.epochs=100 trains what was found"
        )
        say(f"not trained: the store has no weights of {text}; written with random ones ({how})")
    predicts = trained is not None and exported.card.predicted != () and asked.format != "state-dict"
    return _Files(contents, predicts)


class _Trained(NamedTuple):
    """A trained network. ``weights``: its state dict. ``images``: None if nothing was noted of them, as an ``earlier``
    version of LAPT did."""

    pipeline: Pipeline
    test: float | None
    images: Images | None
    weights: bytes
    earlier: bool = False

    @classmethod
    def of(cls, kept: Trained, store: Store) -> Self:
        weights = store.get_blob(kept.weights)
        return cls(kept.pipeline, kept.test, kept.images, weights, earlier=kept.images is None)


def _latest(
    store: Store,
    pipeline: Pipeline,
    result: RunResult,
    task: str,
    identity: str,
    declared: Pipeline | None,
    say: Say,
) -> _Trained | None:
    """The latest training of an architecture for the run. ``declared``: only with that pipeline's final recipe."""
    found = trained_of(store, pipeline, result, task, identity)
    if declared is not None:
        found = [one for one in found if one.pipeline == declared]
    if len(found) > 1:
        say(
            f"the store has {len(found)} trainings of it; this is the latest, of {found[0].at:%Y-%m-%d %H:%M} UTC "
            "(--set, as it was said to lapt final, chooses another)"
        )
    return _Trained.of(found[0], store) if found else None


def _trained_here(
    store: Store,
    declared: Pipeline,
    run_id: str,
    asked: Asked,
    task: str,
    architecture: Architecture,
    say: Say,
    counting: Counting,
) -> _Trained | None:
    """The training of an architecture on the images as they are now: of the store, or done now if that is asked for."""
    execution = Execution(store=store.address, device=asked.device)
    try:
        with warnings.catch_warnings():
            if not asked.train:
                warnings.simplefilter("ignore")  # it is about trainings
            stored = evaluators_of(declared, execution, space_of(declared), store)[1](task)
    except LaptError:
        if asked.train:
            raise
        return None
    assert isinstance(stored, StoredEvaluator)
    known = trained_as(store, declared, stored.key(architecture, "test")) if stored.retrains else None
    if known is not None or not asked.train:
        return None if known is None else _Trained.of(known, store)
    say("training the network")
    with counting(f"{task}, final training", "epochs") as heard:
        final = stored.final(architecture, lambda epoch, epochs, loss: heard(epoch, epochs))
        if final is not None:
            text = stored.space.encode(architecture)
            keep(store, run_id, declared, task, text, stored.key(architecture, "test"))
        return _Trained(declared, None if final is None else final.value, None, stored.weights(architecture))


def _images(spec: TrainingSpec, trained: _Trained | None, noted: Images | None, say: Say) -> Images:
    """The facts about the images of a training, as the store has ``noted`` them.

    It says so if the images themselves are others now, and takes the facts from them if nothing was noted.
    """
    from flows.exports.files import guessed_images

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said when they were trained on
            now = data_of(spec).noted(spec.data)
    except LaptError as error:
        if noted is None and trained is None:
            raise
        found = noted or guessed_images(spec, cast(_Trained, trained).weights)
        unnamed = "" if noted else "; the classes have no names, since an earlier version of LAPT trained on them"
        say(f"the images {spec.data} cannot be read here ({error.got}); what the store knows is written{unnamed}")
        return found
    if noted is None:
        if trained is not None and trained.earlier:
            say(f"an earlier version of LAPT trained it; the classes and the size are those of {spec.data} now")
        return now
    if noted.digest != now.digest:
        say(f"the images {spec.data} have changed since; what the store knows is written, with the classes of then")
    return noted


def _scored_elsewhere(pipeline: Pipeline, run: str, asked: Asked, task: str, text: str, say: Say) -> _Files:
    """The files for a run that trains nothing. ``text``: the encoded architecture."""
    if asked.format == "state-dict" or asked.train:
        raise ConfigError(
            f"a run that trains its networks, for {'--train' if asked.train else 'state-dict'}",
            f"run {run}, whose scores come from a {pipeline.evaluator.kind}",
            "export another, or the untrained network with --format python or onnx",
        )
    from lapt.export.untrained import Untrained

    space = space_of(pipeline)
    size = Untrained.of(space, task, asked.network)
    source = f"Run {run} scored it by a {pipeline.evaluator.kind}, and trained nothing"
    about = f"Not trained. {source}. The network: {size.described}."
    content = size.content(space, space.decode(text), asked.format, about)
    say(f"not trained: {source[0].lower()}{source[1:]}; written for {size.described} (--network changes this)")
    return _Files({SUFFIX[asked.format]: content})
