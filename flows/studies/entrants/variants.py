"""The entrants of studies beside Tables 2 and 3: parts of LAPT, reasoners, source budgets, and DARTS on a surrogate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from flows.studies.entrants.methods import (
    Entrant,
    alone,
    counting,
    direct,
    lapt_entrant,
    other_searches,
    ranking,
    subspace,
    under_one,
    warm_start,
    with_controls,
)
from flows.studies.entrants.own import from_its_own
from lapt.errors import ConfigError
from lapt.evaluators.config import SurrogateEvaluation
from lapt.evaluators.surrogate import epoch_of
from lapt.pipeline.config import Pipeline, validated
from lapt.pipeline.sources import RandomArchive, Source, TopArchive, WorstArchive, only_source
from lapt.reasoning.config import (
    Alone,
    ChatReasoner,
    FrequencyReasoner,
    JoinedReasoner,
    PatternsReasoner,
    RandomReasoner,
    Reasoning,
    parts_of,
)
from lapt.search import SEARCHERS

FULL = "full"
SEARCHES = ("rea", "gp")


def ablation(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """LAPT with each search method, whole and without one part at a time. Each variant is compared with the whole.

    The reasoner is ``patterns`` unless one is named.
    """
    pipeline = under_one(declared.model_copy(update={"reasoner": PatternsReasoner()}), named)
    found: list[Entrant] = []
    for method in SEARCHES:
        searched = pipeline.model_copy(update={"search": pipeline.search.by(method)})
        whole = lapt_entrant(searched, variant=FULL, draws=draws)
        found.append(replace(whole, against=whole.who))  # itself: it is no variant to be tested
        for variant, changed in _variants(searched, counting(declared)):
            found.append(replace(lapt_entrant(changed, variant=variant, draws=draws), against=whole.who))
        own = _changed(searched, reasoner={"knowledge": 0.0}) if searched.reasoner.kind == "patterns" else searched
        found.append(
            replace(lapt_entrant(own, variant="without transfer", draws=draws), search=from_its_own, against=whole.who)
        )
        nothing = Entrant(method, searched, partial(alone, method), searched.budget, variant="search alone")
        found.append(replace(nothing, against=whole.who))
    return tuple(found)


def _variants(pipeline: Pipeline, counted: FrequencyReasoner) -> Iterator[tuple[str, Pipeline]]:
    yield "without adaptation", _changed(pipeline, adaptation={"iterations": 1}, search=_at_once(pipeline))
    if pipeline.reasoner.kind == "patterns":
        yield "without experts", _changed(pipeline, reasoner={"knowledge": 0.0})
        yield "experts alone", _changed(pipeline, reasoner={"evidence": False})
        yield "never widened", _changed(pipeline, reasoner={"growth": 1.0})
        yield "start unguided", _changed(pipeline, guidance={"initial": False})
        if SEARCHERS[pipeline.search.method].guided:
            yield "search unguided", _changed(pipeline, guidance={"prior": False})
    if pipeline.reasoner.kind != "frequency":
        yield "by counting", pipeline.model_copy(update={"reasoner": counted})


def _at_once(pipeline: Pipeline) -> dict[str, int]:
    """The pipeline with its whole budget in one iteration: as many generations as all iterations had."""
    search = pipeline.search
    return {"generations": pipeline.budget // search.population_size - 1}


def _changed(pipeline: Pipeline, **sections: dict[str, Any]) -> Pipeline:
    whole = pipeline.model_dump(mode="json")
    return validated(whole | {key: {**whole.get(key, {}), **change} for key, change in sections.items()}, "the study")


MODEL = "gp"


def darts(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """REA, random search and a Gaussian process, alone and in LAPT, and controls without principles.

    The controls are the archive's own order, REA from the archive's best, and REA in a random space. The baseline of
    all is REA. A method without a source may use as many more epochs of training as the source cost.
    """
    pipeline = under_one(declared, named)
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
    config, source = pipeline.evaluator, pipeline.source
    if not isinstance(config, SurrogateEvaluation) or not isinstance(source, Source):
        return 0
    if not isinstance(source.archive, RandomArchive) or source.table is not None:
        return 0
    paid = source.archive.samples * epoch_of(source.task, config.epoch)
    return round(paid / epoch_of(pipeline.targets[0], config.epoch))


def darts_notes(pipeline: Pipeline) -> Iterator[str]:
    config, source = pipeline.evaluator, pipeline.source
    if not isinstance(config, SurrogateEvaluation) or not isinstance(source, Source):
        return
    archive = source.archive
    if not isinstance(archive, RandomArchive) or source.table is not None:
        return
    epochs = epoch_of(source.task, config.epoch), epoch_of(pipeline.targets[0], config.epoch)
    yield (
        f"multi-fidelity, not transfer: source and target are one task after {epochs[0]} and {epochs[1]} epochs; the "
        f"source's {archive.samples:,} evaluations train as many epochs as {source_worth(pipeline):,} of the target, "
        f"for which methods without a source go on, to {pipeline.budget + source_worth(pipeline):,}"
    )
    yield (
        "scores are predictions of a surrogate; cells without a convolution in the normal cell, which it overrates, "
        "count as failed"
    )


def reasoners(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """Every reasoner that is named, each joined with ``patterns``, ``patterns``, counting and chance.

    Each is run with adaptation and without. A language model also proposes architectures itself. Search methods beside
    the pipeline's own run if they are named.
    """
    first = PatternsReasoner()
    keyless = [_under(declared, reasoner) for reasoner in (first, *_without_a_model(declared))]
    stating = [pipeline for pipeline in named if pipeline.reasoner.kind not in ("patterns", "frequency", "random")]
    joined = [_under(pipeline, joined_with(first, pipeline.reasoner)) for pipeline in stating]
    by_name = {pipeline.reasoner.named: pipeline for pipeline in (*keyless, *named, *joined)}
    for pipeline in stating:
        if by_name[pipeline.reasoner.named].reasoner != pipeline.reasoner:
            raise ConfigError(
                "reasoners of different names, by which rows are told apart",
                f"two that are {pipeline.reasoner.named}",
                "name another adviser in one of the files (adviser: NAME beside each condition)",
            )
    entrants = []
    for pipeline in by_name.values():
        own = pipeline.search.method
        others = ((method, section) for method, section in other_searches(pipeline.search) if method != own)
        for method, section in ((own, pipeline.search), *others):
            searched = pipeline.model_copy(update={"search": section})
            once = _changed(searched, adaptation={"iterations": 1}, search=_at_once(searched))
            entrants.append(replace(lapt_entrant(searched, draws=draws), default=method == own))
            alone = lapt_entrant(once, variant="without adaptation", draws=draws)
            entrants.append(replace(alone, default=method == own))
    for chat in (pipeline for pipeline in named if isinstance(pipeline.reasoner, ChatReasoner)):
        name = chat.reasoner.named
        entrants.append(Entrant("direct", chat, direct, chat.budget, name, draws=draws, fixed=True))
    return tuple(entrants)


def joined_with(first: Alone, other: Reasoning) -> JoinedReasoner:
    """The two side by side; ``other`` may be several itself."""
    return JoinedReasoner(kind="joined", advisers=(first, *parts_of(other)))


def contamination(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """Each model as it is, with all names hidden, and with the worst and with random architectures shown as the best.

    A model that reasons from the data gets worse with a worse archive, as counting does, and without names it is no
    worse than counting. A model that knows the benchmark by heart differs.
    """
    counted, chance = _without_a_model(declared)
    entrants = []
    for pipeline in [*_chats(named), _under(declared, counted)]:
        size = only_source(pipeline.source).archive.size
        archives = {
            "archive of the best": pipeline,
            f"archive of the worst {size}": _reading(pipeline, WorstArchive(strategy="worst", size=size)),
            f"archive of {size} at random": _reading(
                pipeline, RandomArchive(strategy="random", size=size, samples=size)
            ),
        }
        entrants += [lapt_entrant(p, variant=variant, draws=draws) for variant, p in archives.items()]
        if isinstance(pipeline.reasoner, ChatReasoner):
            hidden = _prompted(pipeline, disguise=True)
            entrants += [
                lapt_entrant(hidden, variant="names hidden", draws=draws),
                lapt_entrant(
                    _reading(hidden, WorstArchive(strategy="worst", size=size)),
                    variant=f"names hidden, archive of the worst {size}",
                    draws=draws,
                ),
            ]
    return (*entrants, lapt_entrant(_under(declared, chance), draws=draws))


def prompts(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """Each model with every part of its form of prompts, without each one of them, without any, and with neutral
    tokens."""
    entrants = [
        lapt_entrant(_prompted(pipeline, **change), variant=variant, draws=draws)
        for pipeline in _chats(named)
        for variant, change in _changes_of_prompt(pipeline).items()
    ]
    return (*entrants, *(lapt_entrant(_under(declared, r), draws=draws) for r in _without_a_model(declared)))


def _changes_of_prompt(pipeline: Pipeline) -> dict[str, dict[str, bool]]:
    """Variant -> the parts of the prompt that it switches."""
    assert isinstance(pipeline.reasoner, ChatReasoner)
    parts = pipeline.reasoner.prompt.switches
    return {
        "every part": {},
        **{f"without {part}": {part: False} for part in parts},
        "without any": dict.fromkeys(parts, False),
        "names hidden": {"disguise": True},
    }


def _chats(named: Sequence[Pipeline]) -> list[Pipeline]:
    found = [pipeline for pipeline in named if isinstance(pipeline.reasoner, ChatReasoner)]
    if not found:
        raise ConfigError(
            "a language model to study", "none", "name one: --reasoner chat:PROVIDER:MODEL or --reasoner chat:manual"
        )
    return found


def _without_a_model(pipeline: Pipeline) -> tuple[Reasoning, Reasoning]:
    """Counting as the pipeline declares it, and chance with as many operators."""
    counted = counting(pipeline)
    return counted, RandomReasoner(kind="random", max_operators=counted.max_operators)


def _under(pipeline: Pipeline, reasoner: Reasoning) -> Pipeline:
    return pipeline.model_copy(update={"reasoner": reasoner})


def _reading(pipeline: Pipeline, archive: WorstArchive | RandomArchive) -> Pipeline:
    return pipeline.model_copy(update={"source": only_source(pipeline.source).model_copy(update={"archive": archive})})


def _prompted(pipeline: Pipeline, **changes: bool) -> Pipeline:
    reasoner = pipeline.reasoner
    assert isinstance(reasoner, ChatReasoner)
    prompt = reasoner.prompt.model_copy(update=changes)
    return _under(pipeline, reasoner.model_copy(update={"prompt": prompt}))


BUDGETS = ("50", "100", "200", "500", "full")
TRANSFERS = ("lapt-rea", "lapt-gp", "source_ranking", "source_predictor", "mode", "warm_start")
NOTHING_TRANSFERRED = ("gp", "rea", "random")
KEPT = 10
"""One in so many of the source's random architectures is shown as good."""
TOP = 50
"""Number of architectures kept of a whole table, as in the paper."""


def source_budgets(
    declared: Pipeline, named: Sequence[Pipeline], draws: int, budgets: Sequence[str] = BUDGETS, whole: int = 0
) -> tuple[Entrant, ...]:
    """Every method that transfers, for each source budget; then the searches without transfer. All have LAPT's budget.

    ``whole``: number of evaluations that the full table counts for.
    """
    pipeline = under_one(declared, named)
    if len({pipeline.search.method, "rea", "gp"}) == 3:
        raise ConfigError("search.method rea or gp in this study", pipeline.search.method, "leave it as it is")
    found: list[Entrant] = []
    for budget in budgets:
        archive, cost = _archive(budget, whole)
        source = only_source(pipeline.source).model_copy(update={"archive": archive})
        of_budget = _by_method(pipeline.model_copy(update={"source": source}))
        found += [replace(of_budget[method], source_budget=cost) for method in TRANSFERS]
    untransferred = _by_method(pipeline)
    found += [replace(untransferred[method], source_budget=0) for method in NOTHING_TRANSFERRED]
    return tuple(replace(entrant, default=True) for entrant in found)


def _by_method(pipeline: Pipeline) -> dict[str, Entrant]:
    rea, gp = (pipeline.model_copy(update={"search": pipeline.search.by(method)}) for method in ("rea", "gp"))
    known = {entrant.method: entrant for entrant in with_controls(rea, pipeline.budget)}
    return known | {"lapt-gp": lapt_entrant(gp)}


def _archive(budget: str, whole: int) -> tuple[TopArchive | RandomArchive, int]:
    if budget == "full":
        return TopArchive(size=TOP), whole
    if not budget.isdecimal() or int(budget) < KEPT:
        raise ConfigError(f"source budgets from {KEPT}, or full", repr(budget), "write, for example, --budgets 50,full")
    samples = int(budget)
    return RandomArchive(strategy="random", size=samples // KEPT, samples=samples), samples
