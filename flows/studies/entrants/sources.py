"""The entrants of the study of sources: each source alone, all together, experts alone, and no source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from flows.studies.entrants.methods import Entrant, alone, lapt_entrant, under_one
from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline
from lapt.pipeline.sources import Several, sources_of
from lapt.reasoning.config import PatternsReasoner

TOGETHER = "from all together"
EXPERTS = "experts alone"


def across(declared: Pipeline, named: Sequence[Pipeline], draws: int, budget: int | None = None) -> tuple[Entrant, ...]:
    """LAPT from each source of the pipeline, from all of them, with experts alone, and the search alone.

    Sources may be of other spaces. The baseline of all is the search alone. ``budget``: its evaluations; LAPT's if
    unset. Raises ConfigError for a pipeline without a source.
    """
    pipeline = under_one(declared, named)
    if not sources_of(pipeline.source):
        raise ConfigError("a pipeline with a source", "none", "name one, or several: --set 'sources=[...]'")
    method = pipeline.search.method
    searched = Entrant(method, pipeline, partial(alone, method), max(budget or 0, pipeline.budget))
    mine = [replace(one, against=searched.who) for one in _mine(pipeline, draws)]
    return (*mine, searched)


def _mine(pipeline: Pipeline, draws: int) -> Iterator[Entrant]:
    sources = sources_of(pipeline.source)
    for one in sources:
        alone_read = pipeline.model_copy(update={"source": one})
        yield lapt_entrant(alone_read, variant=f"from {one.named}", draws=draws)
    if isinstance(pipeline.source, Several) and len(sources) > 1:
        yield lapt_entrant(pipeline, variant=TOGETHER, draws=draws)
    if isinstance(pipeline.reasoner, PatternsReasoner):
        known = pipeline.reasoner.model_copy(
            update={"evidence": False, "knowledge": pipeline.reasoner.knowledge or 1.0}
        )
        yield lapt_entrant(pipeline.model_copy(update={"source": sources[0], "reasoner": known}), variant=EXPERTS)
