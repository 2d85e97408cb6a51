"""Studies of the reasoner: the quality of its principles, the parts of the prompt, and a model's memory of
benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

from flows.studies.entrants.methods import Entrant, counting, direct, lapt_entrant
from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline, RandomArchive, WorstArchive
from lapt.reasoning.config import ChatReasoner, RandomReasoner, Reasoning
from lapt.reasoning.language.briefing import PromptParts


def reasoners(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """Every model that is named, by its principles and by its own proposals of architectures; counting; chance."""
    entrants = [lapt_entrant(_under(declared, reasoner), draws=draws) for reasoner in _without_a_model(declared)]
    for chat in (pipeline for pipeline in named if isinstance(pipeline.reasoner, ChatReasoner)):
        entrants.append(lapt_entrant(chat, draws=draws))
        name = chat.reasoner.named
        entrants.append(Entrant("direct", chat, direct, chat.budget, name, draws=draws, fixed=True))
    return tuple(entrants)


def contamination(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """Each model as it is, with all names hidden, and with the worst and with random architectures shown as the best.

    A model that reasons from the data gets worse with a worse archive, as counting does, and without names it is no
    worse than counting. A model that knows the benchmark by heart differs.
    """
    counted, chance = _without_a_model(declared)
    entrants = []
    for pipeline in [*_chats(named), _under(declared, counted)]:
        size = pipeline.source.archive.size
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
    """Each model with every part of the prompt, without each one of them, without any, and with neutral tokens."""
    parts = [name for name in PromptParts.model_fields if name != "disguise"]
    changes: dict[str, dict[str, bool]] = {
        "every part": {},
        **{f"without {part}": {part: False} for part in parts},
        "without any": dict.fromkeys(parts, False),
        "names hidden": {"disguise": True},
    }
    entrants = [
        lapt_entrant(_prompted(pipeline, **change), variant=variant, draws=draws)
        for pipeline in _chats(named)
        for variant, change in changes.items()
    ]
    return (*entrants, *(lapt_entrant(_under(declared, r), draws=draws) for r in _without_a_model(declared)))


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
    return pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"archive": archive})})


def _prompted(pipeline: Pipeline, **changes: bool) -> Pipeline:
    reasoner = pipeline.reasoner
    assert isinstance(reasoner, ChatReasoner)
    prompt = reasoner.prompt.model_copy(update=changes)
    return _under(pipeline, reasoner.model_copy(update={"prompt": prompt}))
