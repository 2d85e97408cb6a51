"""Study of DARTS cells on a surrogate: principles from an earlier epoch of the same training, at equal evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from flows.studies.entrants.methods import Entrant, alone, lapt_entrant, ranking, subspace, warm_start
from lapt.errors import ConfigError
from lapt.evaluators.config import SurrogateEvaluation
from lapt.evaluators.surrogate import epoch_of
from lapt.pipeline.config import Pipeline, RandomArchive

MODEL = "gp"


def entrants(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """REA, random search and a Gaussian process, alone and in LAPT, and controls without principles.

    The controls are the archive's own order, REA from the archive's best, and REA in a random space. The baseline of
    all is REA. A method without a source may use as many more epochs of training as the source cost.
    """
    if len(named) > 1:
        raise ConfigError("one reasoner in this study", f"{len(named)}", "lapt study reasoners compares several")
    pipeline = named[0] if named else declared
    section = pipeline.search.by(MODEL)
    # A process on hundreds of scores takes a tenth of a second an ask: it is asked for a population at a time.
    modelled = pipeline.model_copy(update={"search": section.model_copy(update={"ask_size": section.population_size})})
    longest = pipeline.budget + source_worth(pipeline)
    method = pipeline.search.method
    baseline = Entrant(method, pipeline, partial(alone, method), longest)
    found = [lapt_entrant(pipeline, draws=draws), baseline]
    if method != MODEL:
        found.append(lapt_entrant(modelled, draws=draws))
        found.append(Entrant(MODEL, modelled, partial(alone, MODEL), pipeline.budget))
    found.append(Entrant("random", pipeline, partial(alone, "random"), longest))
    found.append(Entrant("source_ranking", pipeline, ranking, pipeline.budget))
    found.append(Entrant("warm_start", pipeline, warm_start, pipeline.budget))
    found.append(Entrant("random_subspace", pipeline, subspace, pipeline.budget, pipeline.reasoner.named))
    return tuple(replace(entrant, against=baseline.who) for entrant in found)


def source_worth(pipeline: Pipeline) -> int:
    """Evaluations of the first target that take as many epochs of training as the source; 0 without a surrogate."""
    config, archive = pipeline.evaluator, pipeline.source.archive
    if not isinstance(config, SurrogateEvaluation) or not isinstance(archive, RandomArchive):
        return 0
    paid = archive.samples * epoch_of(pipeline.source.task, config.epoch)
    return round(paid / epoch_of(pipeline.targets[0], config.epoch))


def notes(pipeline: Pipeline) -> Iterator[str]:
    config, archive = pipeline.evaluator, pipeline.source.archive
    if not isinstance(config, SurrogateEvaluation) or not isinstance(archive, RandomArchive):
        return
    epochs = epoch_of(pipeline.source.task, config.epoch), epoch_of(pipeline.targets[0], config.epoch)
    yield (
        f"multi-fidelity, not transfer: source and target are one task after {epochs[0]} and {epochs[1]} epochs; the "
        f"source's {archive.samples:,} evaluations train as many epochs as {source_worth(pipeline):,} of the target, "
        f"for which methods without a source go on, to {pipeline.budget + source_worth(pipeline):,}"
    )
    yield (
        "scores are predictions of a surrogate; cells without a convolution in the normal cell, which it overrates, "
        "count as failed"
    )
